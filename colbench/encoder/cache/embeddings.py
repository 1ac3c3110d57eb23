"""The document vectors of a collection, read from cache shards in document order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Arithmetic
from colbench.encoder.cache.shards import Shard
from colbench.encoder.settings import Form


@dataclass(frozen=True)
class EncodeStats:
    """What it took to get the document vectors.

    Attributes:
        encoded: distinct texts encoded by this run.
        cached: distinct texts that were in the cache.
        seconds: time this run spent in the model.
        docs_per_second: speed of the model: measured by this run, or, where all came from the
            cache, by the runs that filled it; None for a collection without documents.
        tokens_per_second: as `docs_per_second`, of tokens read.
        flops_per_second: as `docs_per_second`, of floating-point operations of the forward passes,
            padding not counted; None where they are not known.
        tokens: tokens read, of all distinct texts.
        truncated: distinct texts whose end was cut off.
        truncated_tokens: tokens cut off.
        label: name of the encoder.
        form: of its vectors.
        arithmetic: backend, precision and device.
        cosine: mean cosine of token vectors to those of fp32, where that was measured.
        chunks: chunks that documents were split into; None where none are split.
        devices: that share the documents.
    """

    encoded: int
    cached: int
    seconds: float
    docs_per_second: float | None
    tokens_per_second: float | None
    flops_per_second: float | None
    tokens: int
    truncated: int
    truncated_tokens: int
    label: str
    form: Form
    arithmetic: Arithmetic
    cosine: float | None
    chunks: int | None = None
    devices: int = 1


@dataclass(frozen=True)
class Embeddings:
    """Vectors of documents, on disk.

    Attributes:
        lengths: int64 (docs,), vectors of each document.
        dims: columns of every vector.
        dtype: float16 for tokens, float32 for pooled vectors.
        stats: what it took to get them.
    """

    lengths: NDArray[np.int64]
    dims: int
    dtype: np.dtype[Any]
    stats: EncodeStats
    _shards: Sequence[Shard]
    _shard_of: NDArray[np.int64]
    _row_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def total_vectors(self) -> int:
        """Vectors of all documents together."""
        return int(self.lengths.sum())

    def blocks(self, max_vectors: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first document, end document, their vectors (n, dims)) in document order.

        Every document is in exactly one block, whole. A block has at most `max_vectors` vectors,
        unless it is a single longer document, so memory stays bounded however large the cache is.

        Raises:
            StorageError: a shard was pruned while it was being read.
        """
        first = 0
        while first < len(self):
            ends = np.cumsum(self.lengths[first : first + max(1, max_vectors)])
            end = first + max(1, int(np.searchsorted(ends, max_vectors, side="right")))
            yield first, end, self._gather(first, end)
            first = end

    def _gather(self, first: int, end: int) -> NDArray[Any]:
        """Copy the vectors of documents first..end; opens each shard once, so that the number of
        open files does not grow with the cache."""
        lengths = self.lengths[first:end]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        block = np.empty((int(starts[-1]), self.dims), dtype=self.dtype)
        shard_of = self._shard_of[first:end]
        for number in np.unique(shard_of):
            vectors = self._shards[number].vectors()
            for doc in np.flatnonzero(shard_of == number):
                row = self._row_of[first + doc]
                block[starts[doc] : starts[doc + 1]] = vectors[row : row + lengths[doc]]
        return block
