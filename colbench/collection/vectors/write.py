"""Writing a folder of token vectors, which `dataset=vectors` reads: see `folder` for its files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from colbench import __version__
from colbench.collection.raw import id_problem, short
from colbench.collection.settings import VectorsSettings
from colbench.collection.vectors.check import examine
from colbench.collection.vectors.folder import FORMAT, MANIFEST, VectorsFolder
from colbench.collection.vectors.tensors import BFLOAT16
from colbench.digests import json_digest
from colbench.errors import DataError, StorageError
from colbench.files import atomic_write, check_target, write_json

DType = Literal["float16", "bfloat16", "float32"]
Items = Mapping[str, Any] | Iterable[tuple[str, Any]]
"""Ids and what belongs to each: a mapping, pairs such as of `zip(ids, matrices)`, or the two lists
as a pair."""

_TYPES: dict[str, tuple[str, str]] = {
    "float16": ("F16", "<f2"),
    "bfloat16": ("BF16", BFLOAT16),
    "float32": ("F32", "<f4"),
}
_HEADER = 1024 - 8
"""Bytes kept for the header of a file, which is written last; JSON may end in spaces."""
_BATCH = 64
"""Texts that a model encodes together."""


class MultiVectorModel(Protocol):
    """What is asked of a model: sentence-transformers' MultiVectorEncoder has it."""

    def encode_query(self, sentences: list[str]) -> Any:
        """Return a (tokens, dims) matrix for each query."""
        ...

    def encode_document(self, sentences: list[str]) -> Any:
        """Return a (tokens, dims) matrix for each document."""
        ...


def write_vectors(
    folder: Path | str,
    documents: Items,
    queries: Items,
    qrels: Mapping[str, Mapping[str, int]] | None = None,
    *,
    model: MultiVectorModel | None = None,
    document_texts: Mapping[str, str] | None = None,
    query_texts: Mapping[str, str] | None = None,
    dtype: DType = "float16",
    query_dtype: DType = "float32",
    split: str = "test",
) -> Path:
    """Write token vectors as a folder that `dataset=vectors dataset.path=FOLDER` searches.

    Matrices are taken one at a time, so a generator may give more than fits in memory. The folder
    appears only when all of it is written.

    Args:
        folder: to be made; there must be none of that name.
        documents: id → float matrix (tokens, dims), or pairs of them; with a `model` id → text.
        queries: likewise.
        qrels: query id → document id → grade; None where nothing is judged.
        model: makes the matrices of texts, which are then written beside them.
        document_texts: id → text of documents, for reports and for systems that search texts.
        query_texts: id → text of queries.
        dtype: of the documents' values: indexes hold uncompressed vectors in half precision.
        query_dtype: of the queries' values.
        split: name of the qrels.

    Returns:
        The folder.

    Raises:
        DataError: an id or a matrix cannot be used; the message names the first one.
        StorageError: the folder is there already, or cannot be written.

    >>> import tempfile
    >>> made = write_vectors(
    ...     Path(tempfile.mkdtemp()) / "mine",
    ...     documents={"page 1".replace(" ", "-"): np.eye(4)[:3], "page-2": np.eye(4)[2:]},
    ...     queries={"q": np.eye(4)[:1]},
    ... )
    >>> sorted(file.name for file in made.iterdir())
    ['documents.safetensors', 'manifest.json', 'queries.safetensors']
    """
    target = Path(folder).expanduser()
    check_target(target / MANIFEST)
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target} is there already: remove it, or name another folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        texts = {"documents": dict(document_texts or {}), "queries": dict(query_texts or {})}
        sides = (
            ("documents", "document", documents, dtype),
            ("queries", "query", queries, query_dtype),
        )
        for stem, kind, items, stored in sides:
            pairs = _pairs(items, kind)
            if model is not None:
                encode = model.encode_document if kind == "document" else model.encode_query
                pairs = _encoded(pairs, encode, texts[stem], kind)
            _write_side(made / f"{stem}.safetensors", pairs, kind, stored)
            if texts[stem]:
                _write_texts(made / f"{stem}.jsonl", texts[stem])
        if qrels is not None:
            _write_qrels(made / "qrels" / f"{split}.tsv", qrels)
        write_manifest(made)
        made.chmod(0o755)
        made.rename(target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def write_manifest(folder: Path) -> None:
    """Check what lies in a folder, and write a manifest that tells later changes.

    Vectors may have any length here: that is for the settings of a run to say.

    Raises:
        DataError: something in it cannot be used.
        StorageError: a file cannot be read or written.
    """
    found = VectorsFolder.open(VectorsSettings(path=folder))
    manifest: dict[str, Any] = {"format": FORMAT, "colbench": __version__}
    for key, side in (("documents", found.documents), ("queries", found.queries)):
        examined = examine(side.kind, side.values, side.lengths, side.ids)
        manifest[key] = side.described(examined.sha256)
    write_json(folder / MANIFEST, {**manifest, "sha256": json_digest(manifest)})


def _pairs(items: Items, kind: str) -> Iterator[tuple[str, Any]]:
    if isinstance(items, Mapping):
        return iter(items.items())
    if isinstance(items, tuple) and len(items) == 2 and _are_ids(items[0]):
        ids, values = items
        return zip(ids, values, strict=True)
    try:
        return iter(items)
    except TypeError:
        raise DataError(
            f"{kind} vectors must be a mapping of ids to matrices, or pairs of them, not "
            f"{type(items).__name__}"
        ) from None


def _are_ids(value: Any) -> bool:
    return isinstance(value, Sequence) and all(isinstance(item, str) for item in value)


def _encoded(
    pairs: Iterator[tuple[str, Any]], encode: Any, texts: dict[str, str], kind: str
) -> Iterator[tuple[str, Any]]:
    """Yield matrices of texts, and keep the texts."""
    while batch := list(islice(pairs, _BATCH)):
        for text_id, text in batch:
            if not isinstance(text, str):
                raise DataError(
                    f"{kind} {short(str(text_id))} is {type(text).__name__}, where a model takes "
                    "its text"
                )
            texts[text_id] = text
        matrices = encode([text for _, text in batch])
        yield from zip((text_id for text_id, _ in batch), matrices, strict=True)


def _write_side(file: Path, pairs: Iterator[tuple[str, Any]], kind: str, dtype: str) -> None:
    """Write values as they come, then lengths and ids, and last the header."""
    if dtype not in _TYPES:
        raise DataError(f"dtype {dtype!r} is none of {', '.join(_TYPES)}")
    code, stored = _TYPES[dtype]
    ids: list[str] = []
    seen: set[str] = set()
    lengths: list[int] = []
    dims: int | None = None
    with atomic_write(file, "wb") as stream:
        stream.write(b" " * (8 + _HEADER))
        for pair in pairs:
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                raise DataError(f"{kind} vectors must come as pairs of an id and a matrix")
            text_id, given = pair
            if not isinstance(text_id, str):
                raise DataError(f"the {kind} id {text_id!r} is no string: write str(id)")
            problem = id_problem(text_id) or ("is used twice" if text_id in seen else None)
            if problem:
                raise DataError(f"{kind} id {short(text_id)} {problem}")
            matrix = _matrix(given, f"{kind} {short(text_id)}")
            dims = matrix.shape[1] if dims is None else dims
            if matrix.shape[1] != dims:
                raise DataError(
                    f"{kind} {short(text_id)} has {matrix.shape[1]} dimensions, those before it "
                    f"{dims}"
                )
            stream.write(_stored(matrix, stored, f"{kind} {short(text_id)}"))
            ids.append(text_id)
            seen.add(text_id)
            lengths.append(len(matrix))
        if dims is None:
            raise DataError(f"there is no {kind}: at least one is needed")
        lines = "".join(f"{text_id}\n" for text_id in ids).encode("utf-8")
        stream.write(np.array(lengths, dtype="<i8").tobytes())
        stream.write(lines)
        stream.seek(0)
        stream.write(_header(code, sum(lengths), dims, len(ids), len(lines)))


def _matrix(given: Any, what: str) -> NDArray[Any]:
    """Return a matrix of floating-point numbers, from an array or a torch tensor."""
    if hasattr(given, "detach"):  # a torch tensor, of bfloat16 perhaps, which numpy lacks
        given = given.detach().cpu().float().numpy()
    try:
        matrix = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} has no matrix of numbers: {error}") from None
    if matrix.dtype.kind != "f" or matrix.ndim != 2:
        raise DataError(
            f"{what} has {matrix.dtype} of the shape {matrix.shape}: give a matrix (tokens, dims) "
            "of floating-point numbers"
        )
    if not matrix.shape[0] or not matrix.shape[1]:
        raise DataError(f"{what} has no vectors (shape {matrix.shape}): leave it out")
    if not np.isfinite(matrix).all():
        raise DataError(f"{what} holds NaN or infinity: no score can be made of that")
    return matrix


def _stored(matrix: NDArray[Any], dtype: str, what: str) -> bytes:
    if dtype == BFLOAT16:  # rounded to the nearest, to the even one of two
        bits = np.ascontiguousarray(matrix, dtype="<f4").view("<u4")
        even = (bits >> np.uint32(16)) & np.uint32(1)
        return ((bits + np.uint32(0x7FFF) + even) >> np.uint32(16)).astype("<u2").tobytes()
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(matrix, dtype=dtype)
    if not np.isfinite(narrow).all():
        raise DataError(f"{what} has numbers beyond {np.dtype(dtype).name}: scale its vectors")
    return narrow.tobytes()


def _header(code: str, vectors: int, dims: int, texts: int, id_bytes: int) -> bytes:
    at = 0
    entries: dict[str, Any] = {"__metadata__": {"format": f"colbench vectors {FORMAT}"}}
    width = 4 if code == "F32" else 2
    for name, kind, shape, size in (
        ("values", code, [vectors, dims], vectors * dims * width),
        ("lengths", "I64", [texts], 8 * texts),
        ("ids", "U8", [id_bytes], id_bytes),
    ):
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries, separators=(",", ":")).encode()
    return _HEADER.to_bytes(8, "little") + text.ljust(_HEADER)


def _write_texts(file: Path, texts: Mapping[str, str]) -> None:
    with atomic_write(file) as stream:
        for text_id, text in texts.items():
            stream.write(json.dumps({"_id": text_id, "text": text}) + "\n")


def _write_qrels(file: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    with atomic_write(file) as stream:
        stream.write("query-id\tcorpus-id\tscore\n")
        for query_id, judged in qrels.items():
            for doc_id, grade in judged.items():
                stream.write(f"{query_id}\t{doc_id}\t{int(grade)}\n")
