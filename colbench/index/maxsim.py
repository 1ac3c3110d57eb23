"""Exact MaxSim: score(q, d) = Σ over query tokens of max over document tokens of the dot product.

Khattab & Zaharia, "ColBERT", SIGIR 2020, equation 3.

Many queries are scored at once: their tokens form one matrix, a tile of document tokens another,
and one GEMM gives every similarity of the pair. The tile of similarities is small enough to stay in
the processor's cache, where a compiled loop takes the maxima and sums before the next GEMM. All
arithmetic is float32. Memory is set by `memory_bytes`, never by the collection: vectors stay in
memory as float32 when they fit there, otherwise each chunk is read and widened when its turn comes.
The tiles are the same either way, and so are the scores, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from colbench.index.maxsim_device import DeviceScan
from colbench.index.tiles import cuts, starts
from colbench.index.tokens import TokenIndex, widen
from colbench.vectors import Vectors

_TILE_DOCUMENT_TOKENS = 2048
_TILE_QUERY_TOKENS = 512
_CHUNK_BYTES = 64 << 20


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _reduce(
    similarities: NDArray[np.float32],
    doc_offsets: NDArray[np.int64],
    query_offsets: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Write Σ max over a tile: similarities (doc tokens, query tokens) → out (queries, docs)."""
    width = similarities.shape[1]
    for doc in numba.prange(len(doc_offsets) - 1):
        best = np.full(width, -np.inf, dtype=np.float32)
        for row in range(doc_offsets[doc], doc_offsets[doc + 1]):
            for column in range(width):
                best[column] = max(best[column], similarities[row, column])
        for query in range(len(query_offsets) - 1):
            total = np.float32(0.0)
            for column in range(query_offsets[query], query_offsets[query + 1]):
                total += best[column]
            out[query, doc] = total


def sum_of_maxima(similarities: NDArray[np.floating]) -> float:
    """Return MaxSim of one query and one document from their similarity matrix.

    Args:
        similarities: shape (query tokens, document tokens).

    >>> sum_of_maxima(np.array([[0.75, 0.1], [0.2, 0.5]]))
    1.25
    """
    return float(np.max(similarities, axis=1).sum())


def _widen(rows: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(widen(rows))


def score_matrix(
    queries: Sequence[Vectors], rows: torch.Tensor, doc_offsets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Score every query against every document of a token matrix.

    Args:
        queries: one float32 (tokens, dims) matrix per query.
        rows: float32 (document tokens, dims).
        doc_offsets: int64; document i owns rows doc_offsets[i] to doc_offsets[i + 1].

    Returns:
        float32 (queries, documents); −inf for a document without tokens.
    """
    query_offsets = starts(queries)
    tokens = torch.from_numpy(np.concatenate(queries)).T
    out = np.empty((len(queries), len(doc_offsets) - 1), dtype=np.float32)
    for q0, q1 in cuts(query_offsets, _TILE_QUERY_TOKENS):
        columns = tokens[:, query_offsets[q0] : query_offsets[q1]].contiguous()
        for d0, d1 in cuts(doc_offsets, _TILE_DOCUMENT_TOKENS):
            tile = rows[doc_offsets[d0] : doc_offsets[d1]] @ columns
            _reduce(
                tile.numpy(),
                doc_offsets[d0 : d1 + 1] - doc_offsets[d0],
                query_offsets[q0 : q1 + 1] - query_offsets[q0],
                out[q0:q1, d0:d1],
            )
    return out


class MaxSimScanner:
    """Exhaustive MaxSim over a `TokenIndex`.

    Args:
        index: the vectors.
        memory_bytes: bound on the vectors held in memory as float32.
        device: where; another torch device than the CPU takes the path of `maxsim_device`.
    """

    def __init__(self, index: TokenIndex, memory_bytes: int, device: str = "cpu") -> None:
        self.index = index
        self._elsewhere = None if device == "cpu" else DeviceScan(index, memory_bytes, device)
        if self._elsewhere is not None:
            return
        width = 4 * max(index.dims, 1)
        chunk_rows = max(min(_CHUNK_BYTES, memory_bytes) // width, 1)
        self._chunks = list(cuts(index.offsets, chunk_rows))
        self._resident: list[torch.Tensor] | None = None
        if index.tokens * width <= memory_bytes:
            self._resident = [self._read(first, end) for first, end in self._chunks]

    def _read(self, first: int, end: int) -> torch.Tensor:
        offsets = self.index.offsets
        rows = _widen(self.index.vectors[offsets[first] : offsets[end]])
        self.index.forget_pages()
        return rows

    def _rows(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        for number, (first, end) in enumerate(self._chunks):
            if self._resident is not None:
                yield first, end, self._resident[number]
            else:
                yield first, end, self._read(first, end)

    def scan(self, queries: Sequence[Vectors]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Score all documents, a chunk at a time.

        Yields:
            (first document, float32 (queries, documents of the chunk)).
        """
        if self._elsewhere is not None:
            yield from self._elsewhere.scan(queries)
            return
        for first, end, rows in self._rows():
            offsets = self.index.offsets[first : end + 1] - self.index.offsets[first]
            yield first, score_matrix(queries, rows, offsets)


def score_documents(
    index: TokenIndex, query: Vectors, docs: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.float32]:
    """Score one query against the given documents only.

    Returns:
        float32 (len(docs),), in the order given.
    """
    rows, offsets = index.gather(docs)
    scores: NDArray[np.float32] = score_matrix([query], _widen(rows), offsets)[0]
    return scores
