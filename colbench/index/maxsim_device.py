"""Exact MaxSim on a torch device: the scan of `colbench.index.maxsim` for one that is not the CPU.

Vectors lie on the device as they are stored, float16 or int8, when they fit there; otherwise each
chunk is read and copied when its turn comes. A tile of documents is widened to float32, one float32
GEMM gives its similarities to a tile of query tokens, and two segmented reductions take the maximum
over each document's tokens and the sum over each query's. Queries are not rounded. Both reductions
go through their rows in order, so equal input gives equal scores on equal hardware and software;
those of another device, or of the CPU, differ in the last bits of the float32 products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.index.device import memory_of, room, upload
from colbench.index.tiles import cuts, starts
from colbench.index.tokens import LEVELS, TokenIndex
from colbench.vectors import Vectors

_TILE_BYTES = 256 << 20
_TILE_QUERY_TOKENS = 4096
_CHUNK_BYTES = 256 << 20
_TILES_AT_ONCE = 4
"""Widened rows, similarities and their maxima, and a chunk's scores: what a scan holds besides."""


def widen_on_device(rows: torch.Tensor) -> torch.Tensor:
    """Return the values of stored rows as float32, as `tokens.widen` does."""
    values = rows.to(torch.float32)
    return values.div_(LEVELS) if rows.dtype == torch.int8 else values


def _tile_rows(columns: int, dims: int) -> int:
    """Return the document tokens whose similarities, and whose widened rows, fill a tile at most.

    Args:
        columns: query tokens they are multiplied with.
        dims: of a vector.
    """
    return max(_TILE_BYTES // (4 * max(columns, dims, 1)), 1)


def score_rows(
    queries: Sequence[Vectors], rows: torch.Tensor, doc_offsets: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Score every query against every document of a token matrix, where that matrix lies.

    Args:
        queries: one float32 (tokens, dims) matrix per query.
        rows: float16 or int8 (document tokens, dims), as a `TokenIndex` stores them.
        doc_offsets: int64; document i owns rows doc_offsets[i] to doc_offsets[i + 1].

    Returns:
        float32 (queries, documents); −inf for a document without tokens.
    """
    query_offsets = starts(queries)
    tokens = torch.from_numpy(np.concatenate(queries)).to(rows.device)
    out = torch.empty((len(queries), len(doc_offsets) - 1), device=rows.device)
    most = _tile_rows(min(len(tokens), _TILE_QUERY_TOKENS), rows.shape[1])
    for d0, d1 in cuts(doc_offsets, most):
        wide = widen_on_device(rows[doc_offsets[d0] : doc_offsets[d1]])
        of_docs = upload(doc_offsets[d0 : d1 + 1] - doc_offsets[d0], rows.device)
        for q0, q1 in cuts(query_offsets, _TILE_QUERY_TOKENS):
            columns = tokens[query_offsets[q0] : query_offsets[q1]].T
            of_queries = upload(query_offsets[q0 : q1 + 1] - query_offsets[q0], rows.device)
            best = torch.segment_reduce(
                wide @ columns, "max", offsets=of_docs, axis=0, initial=-torch.inf
            )
            out[q0:q1, d0:d1] = torch.segment_reduce(
                best.T.contiguous(), "sum", offsets=of_queries, axis=0, initial=0.0
            )
    scores: NDArray[np.float32] = out.cpu().numpy()
    return scores


class DeviceScan:
    """Exhaustive MaxSim over a `TokenIndex` on a torch device.

    Args:
        index: the vectors.
        memory_bytes: bound on the bytes copied in one piece, and on what may stay on the device
            where torch does not tell how much of it is free.
        device: of torch; the CPU is one too, for a comparison with the compiled path.

    Attributes:
        resident: whether all vectors stay on the device.

    Raises:
        ColbenchError: here or later: the device's memory is full.
    """

    def __init__(self, index: TokenIndex, memory_bytes: int, device: str) -> None:
        self.index = index
        self._name, self._device = device, torch.device(device)
        width = index.vectors.itemsize * max(index.dims, 1)
        chunk_rows = max(min(_CHUNK_BYTES, memory_bytes) // width, 1)
        self._chunks = list(cuts(index.offsets, chunk_rows))
        left = room(self._device, memory_bytes)
        if self._device.type == "cuda":
            left -= _TILES_AT_ONCE * _TILE_BYTES
        self.resident = index.tokens * width <= left
        self._kept: list[torch.Tensor] = []
        if self.resident:
            with memory_of(device):
                self._kept = [self._read(first, end) for first, end in self._chunks]

    def _read(self, first: int, end: int) -> torch.Tensor:
        offsets = self.index.offsets
        rows = upload(self.index.vectors[offsets[first] : offsets[end]], self._device)
        self.index.forget_pages()
        return rows

    def _rows(self) -> Iterator[tuple[int, int, torch.Tensor]]:
        for number, (first, end) in enumerate(self._chunks):
            yield first, end, self._kept[number] if self.resident else self._read(first, end)

    def scan(self, queries: Sequence[Vectors]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Score all documents, a chunk at a time; yields what `MaxSimScanner.scan` does."""
        with memory_of(self._name):
            for first, end, rows in self._rows():
                offsets = self.index.offsets[first : end + 1] - self.index.offsets[first]
                yield first, score_rows(queries, rows, offsets)
