"""Small made-up collections of token vectors, and one-line ways to index and search them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.training import Trained

ENCODER = "0123456789abcdef" * 4
"""Fingerprint of the encoder that made the vectors."""

EXHAUSTIVE = SearchSettings(exhaustive=True)

Vectors = dict[str, NDArray[np.float32]]
"""Document id → float32 (tokens, dims), unit rows."""


def unit(rng: np.random.Generator, tokens: int, dims: int) -> NDArray[np.float32]:
    """Return random unit rows, float32 (tokens, dims)."""
    return normalised(rng.standard_normal((tokens, dims)))


def normalised(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return the rows with length 1, as float32."""
    unit_rows: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit_rows


def random_documents(
    rng: np.random.Generator, count: int, dims: int, *, most: int = 9, prefix: str = "d"
) -> Vectors:
    """Return documents of 0 to `most` tokens; ids are not in the order of their numbers."""
    names = [f"{prefix}{number:03d}" for number in rng.permutation(count)]
    return {name: unit(rng, int(rng.integers(0, most + 1)), dims) for name in names}


def topical_documents(
    rng: np.random.Generator, count: int, dims: int, *, topics: int = 24, spread: float = 0.5
) -> Vectors:
    """Return documents whose tokens lie around a few of `topics` directions, as real ones do."""
    centres = unit(rng, topics, dims)
    found: Vectors = {}
    for number in range(count):
        own = centres[rng.choice(topics, size=3, replace=False)]
        near = own[rng.integers(0, 3, size=int(rng.integers(4, 20)))]
        noise = rng.standard_normal(near.shape) * spread / np.sqrt(dims)
        found[f"d{number:04d}"] = normalised(near + noise)
    return found


def as_documents(vectors: Mapping[str, NDArray[Any]], dims: int) -> Documents:
    """Wrap documents for the index."""
    return Documents.of(list(vectors), list(vectors.values()), dims)


def build(
    folder: Path,
    vectors: Mapping[str, NDArray[Any]],
    dims: int,
    settings: IndexSettings | None = None,
    /,
    *,
    trained: Trained | None = None,
    **changes: Any,
) -> ColbertIndex:
    """Build an index of documents, with these settings or changes to the default, and open it."""
    settings = settings or IndexSettings(**changes)
    build_index(folder, as_documents(vectors, dims), settings, encoder=ENCODER, trained=trained)
    return ColbertIndex.open(folder, encoder=ENCODER)


def hits(
    index: ColbertIndex, query: NDArray[np.float32], k: int = 10, settings: Any = EXHAUSTIVE
) -> list[tuple[str, float]]:
    """Search an index; (document id, score) of the k best, best first."""
    found = Searcher(index, settings).search(query, k)
    ids = [index.doc_id(number) for number in found.docs.tolist()]
    return list(zip(ids, found.scores.tolist(), strict=True))


def maxsim(query: NDArray[Any], document: NDArray[Any]) -> float:
    """Return MaxSim as the paper writes it, in double precision."""
    products = query.astype(np.float64) @ document.astype(np.float64).T
    return float(products.max(axis=1).sum())


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder but the lock, path → bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "write.lock"
    }
