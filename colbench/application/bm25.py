"""BM25 over the texts of an index, kept beside it: the analyser and scores of the system `bm25`.

    bm25/data.npy, indices.npy, indptr.npy     scores of documents, by term
    bm25/terms.json                            terms in the order of their numbers
    bm25/about.json                            version, analyser, and sha256 of these files

It is made anew for a version that it is not of.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.files import write_json, write_npy
from colbench.mapped import Unfit, map_array, plain_file
from colbench.paths import remove_made
from colbench.progress import bar
from colbench.retriever.analysis import Analyser, AnalyserSettings

FOLDER = "bm25"

_ARRAYS = {"data": np.float32, "indices": np.int32, "indptr": np.int64}
_FILES = (*(f"{name}.npy" for name in _ARRAYS), "terms.json")
_K1, _B = 0.9, 0.4
_LARGEST = 1 << 30


class BM25:
    """Scores of documents by term.

    Args:
        analyser: from text to terms.
        terms: their numbers.
        arrays: data, indices and indptr of a sparse matrix of terms and documents.
        documents: how many there are.
    """

    def __init__(
        self,
        analyser: AnalyserSettings,
        terms: dict[str, int],
        arrays: dict[str, NDArray[Any]],
        documents: int,
    ) -> None:
        self._analyse = Analyser(analyser)
        self._terms = terms
        self._arrays = arrays
        self._documents = documents

    @classmethod
    def of(
        cls,
        folder: Path,
        analyser: AnalyserSettings,
        version: int,
        texts: Callable[[], Iterator[str]],
        documents: int,
    ) -> BM25:
        """Return what is kept of this version, or make it; it is kept where that can be written."""
        of = {"version": version, "analyser": analyser.model_dump(), "documents": documents}
        kept = _read(folder / FOLDER, of)
        if kept is None:
            terms, arrays = _made(Analyser(analyser), texts(), documents)
            with contextlib.suppress(StorageError):  # one that can only be read is searched, too
                _write(folder / FOLDER, of, terms, arrays)
        else:
            terms, arrays = kept
        return cls(analyser, terms, arrays, documents)

    @staticmethod
    def forget(folder: Path, version: int) -> None:
        """Remove what is kept of another version: it holds terms of documents that are gone."""
        try:
            of = _json(folder / FOLDER / "about.json").get("version")
        except (OSError, Unfit, StorageError, ValueError, AttributeError, RecursionError):
            of = None
        if of != version:
            remove_made(folder / FOLDER, inside=folder)

    def search(
        self, query: str, allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the documents that share a term with a query, and their scores, ascending.

        Args:
            query: a text.
            allowed: documents that may be found; None for all.
        """
        scores = np.zeros(self._documents, dtype=np.float32)
        data, indices, indptr = (self._arrays[name] for name in _ARRAYS)
        for term in self._analyse(query):
            number = self._terms.get(term)
            if number is not None:
                part = slice(int(indptr[number]), int(indptr[number + 1]))
                scores[indices[part]] += data[part]
        if allowed is not None:
            scores[~allowed] = 0
        found = np.flatnonzero(scores)
        return found, scores[found]


def _made(
    analyse: Analyser, texts: Iterator[str], documents: int
) -> tuple[dict[str, int], dict[str, NDArray[Any]]]:
    import bm25s

    terms: dict[str, int] = {}
    listed = bar(texts, total=documents, description="bm25: analysing", unit="doc")
    docs = [[terms.setdefault(term, len(terms)) for term in analyse(text)] for text in listed]
    if not terms:
        empty = {name: np.zeros(0, dtype=kind) for name, kind in _ARRAYS.items()}
        return terms, {**empty, "indptr": np.zeros(1, dtype=np.int64)}
    model = bm25s.BM25(method="lucene", k1=_K1, b=_B)
    model.index((docs, dict(terms)), show_progress=False)
    arrays = {name: np.asarray(model.scores[name], dtype=kind) for name, kind in _ARRAYS.items()}
    # bm25s may know one term more, for queries without any.
    arrays["indptr"] = arrays["indptr"][: len(terms) + 1]
    return terms, arrays


def _write(
    folder: Path, of: dict[str, Any], terms: dict[str, int], arrays: dict[str, NDArray[Any]]
) -> None:
    for name, array in arrays.items():
        write_npy(folder / f"{name}.npy", array)
    write_json(folder / "terms.json", list(terms))
    content = {**of, "files": {name: sha256_file(folder / name) for name in _FILES}}
    write_json(folder / "about.json", {**content, "sha256": json_digest(content)})


def _read(
    folder: Path, of: dict[str, Any]
) -> tuple[dict[str, int], dict[str, NDArray[Any]]] | None:
    """Return what is kept; None where there is nothing, or it is damaged or of something else."""
    try:
        content = _json(folder / "about.json")
        digest = content.pop("sha256")
        files = content.pop("files")
        if content != of or digest != json_digest({**content, "files": files}):
            return None
        if any(sha256_file(folder / name) != files[name] for name in _FILES):
            return None
        listed = _json(folder / "terms.json")
        terms = {str(term): number for number, term in enumerate(listed)}
        arrays = {}
        for name, kind in _ARRAYS.items():
            with plain_file(folder / f"{name}.npy") as stream:
                arrays[name] = map_array(stream, [kind], [None])
        return terms, _checked(arrays, len(listed), of["documents"])
    except (OSError, Unfit, StorageError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _checked(
    arrays: dict[str, NDArray[Any]], terms: int, documents: int
) -> dict[str, NDArray[Any]]:
    """Return arrays that no search reads beyond.

    Raises:
        Unfit: they are no such matrix.
    """
    data, indices, indptr = (arrays[name] for name in _ARRAYS)
    rising = len(indptr) == terms + 1 and indptr[0] == 0 and not (np.diff(indptr) < 0).any()
    if not rising or indptr[-1] != len(indices) or len(indices) != len(data):
        raise Unfit("its lists do not fit")
    if len(indices) and not (indices.min() >= 0 and indices.max() < documents):
        raise Unfit("it names documents that there are not")
    return arrays


def _json(file: Path) -> Any:
    with plain_file(file) as stream:
        return json.loads(stream.read(_LARGEST).decode("utf-8"))
