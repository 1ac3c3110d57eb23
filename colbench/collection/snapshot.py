"""A checksummed copy of a collection that worker processes read.

Folder layout: `documents.jsonl` and `queries.jsonl` (one JSON array of the record's fields a
line; metadata of those queries alone that have any), `qrels.tsv` (query id, document id, grade) and
`manifest.json`, written last, with everything else, the sha256 of the other files and one of the
manifest itself. Of given vectors the places are kept, in `<side>_rows.npy`: they are not copied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from colbench.collection.model import Collection, Document, Query, Sampling
from colbench.collection.vectors.given import GivenVectors, QueryText, TokenVectors
from colbench.collection.vectors.tensors import StoredArray
from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.files import atomic_write, write_json, write_npy

_FORMAT = 2
_MANIFEST = "manifest.json"
_DOCUMENTS = "documents.jsonl"
_QUERIES = "queries.jsonl"
_QRELS = "qrels.tsv"
_ROWS = "{}_rows.npy"


def write_snapshot(collection: Collection, folder: Path) -> None:
    """Write the collection under `folder`, replacing a snapshot that is there.

    Raises:
        StorageError: the folder cannot be written.
    """
    _write_lines(folder / _DOCUMENTS, map(_json_line, collection.documents))
    _write_lines(folder / _QUERIES, (_json_line(_fields(query)) for query in collection.queries))
    _write_lines(
        folder / _QRELS,
        (
            f"{query_id}\t{doc_id}\t{grade}"
            for query_id, judged in collection.qrels.items()
            for doc_id, grade in judged.items()
        ),
    )
    names = [_DOCUMENTS, _QUERIES, _QRELS]
    given: dict[str, Any] | None = None
    if collection.given is not None:
        sides = {"documents": collection.given.documents, "queries": collection.given.queries}
        given = {side: _write_places(folder, side, vectors) for side, vectors in sides.items()}
        given |= {"has_texts": collection.given.has_texts}
        names += [_ROWS.format(side) for side in sides]
    manifest = {
        "format": _FORMAT,
        "name": collection.name,
        "ignore_identical_ids": collection.ignore_identical_ids,
        "query_length": collection.query_length,
        "sampled": collection.sampled.model_dump() if collection.sampled else None,
        "notes": list(collection.notes),
        "given": given,
        "sha256": {name: sha256_file(folder / name) for name in names},
    }
    write_json(folder / _MANIFEST, {**manifest, "self_sha256": json_digest(manifest)})


def read_snapshot(folder: Path) -> Collection:
    """Return the collection written by `write_snapshot`, equal to the one given there.

    Raises:
        StorageError: there is no snapshot, it is damaged, or another version wrote it.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if manifest["format"] != _FORMAT:
            raise _unusable(folder, f"has format {manifest['format']}, not {_FORMAT}")
        content = {key: value for key, value in manifest.items() if key != "self_sha256"}
        if manifest["self_sha256"] != json_digest(content):
            raise _unusable(folder, "is damaged (its manifest does not match its checksum)")
        for name, expected in manifest["sha256"].items():
            if sha256_file(folder / name) != expected:
                raise _unusable(folder, f"is damaged ({name} does not match its checksum)")
        return _read(folder, manifest)
    except OSError as error:
        raise _unusable(folder, f"cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unusable(folder, "is damaged (its manifest is not valid)") from error


def _read(folder: Path, manifest: dict[str, Any]) -> Collection:
    qrels: dict[str, dict[str, int]] = {}
    for line in _lines(folder / _QRELS):
        query_id, doc_id, grade = line.decode("utf-8").split("\t")
        qrels.setdefault(query_id, {})[doc_id] = int(grade)
    queries = [Query(*json.loads(line)) for line in _lines(folder / _QUERIES)]
    given = None
    if manifest.get("given") is not None:
        queries = [query._replace(text=QueryText(query.text, query.id)) for query in queries]
        given = GivenVectors(
            documents=_read_places(folder, "documents", manifest["given"]["documents"]),
            queries=_read_places(folder, "queries", manifest["given"]["queries"]),
            has_texts=manifest["given"]["has_texts"],
        )
    return Collection(
        name=manifest["name"],
        documents=[Document(*json.loads(line)) for line in _lines(folder / _DOCUMENTS)],
        queries=queries,
        qrels=qrels,
        ignore_identical_ids=bool(manifest["ignore_identical_ids"]),
        query_length=manifest["query_length"],
        sampled=Sampling(**manifest["sampled"]) if manifest["sampled"] else None,
        notes=tuple(manifest["notes"]),
        given=given,
    )


def _fields(query: Query) -> tuple[Any, ...]:
    own = (dict(query.metadata),) if query.metadata else ()
    return (query.id, query.text, *own)


def _write_places(folder: Path, side: str, vectors: TokenVectors) -> dict[str, Any]:
    """Write where the vectors of each text lie; return what a manifest says of their file."""
    write_npy(folder / _ROWS.format(side), np.stack([vectors.starts, vectors.lengths]))
    values = vectors.values
    return {
        "file": str(values.file),
        "offset": values.offset,
        "dtype": values.dtype,
        "shape": list(values.shape),
        "sha256": vectors.sha256,
        "state": list(vectors.state),
        "normalize": vectors.normalize,
    }


def _read_places(folder: Path, side: str, told: dict[str, Any]) -> TokenVectors:
    starts, lengths = np.load(folder / _ROWS.format(side), allow_pickle=False)
    values = StoredArray(Path(told["file"]), told["offset"], told["dtype"], tuple(told["shape"]))
    size, changed = told["state"]
    return TokenVectors(values, starts, lengths, told["sha256"], (size, changed), told["normalize"])


def _json_line(fields: tuple[Any, ...]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path, "wb") as stream:
        for line in lines:
            stream.write(line.encode("utf-8") + b"\n")


def _lines(path: Path) -> Iterator[bytes]:
    # Bytes, because text mode and str.splitlines would also end a line at U+2028 or a bare \r.
    with path.open("rb") as stream:
        for line in stream:
            yield line.removesuffix(b"\n")


def _unusable(folder: Path, problem: str) -> StorageError:
    return StorageError(f"the collection snapshot {folder} {problem}; delete it and run again")
