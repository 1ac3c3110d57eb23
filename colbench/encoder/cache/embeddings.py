"""The document vectors of a collection, read from cache shards in document order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.cache.shards import Shard
from colbench.records import Record


class EncodingInfo(Record):
    """What it took to get the document vectors of a system from one encoder."""

    encoder: str = Field(description="its name")
    form: Literal["tokens", "dense"] = Field(description="one vector per token, or one per text")
    backend: str = Field(description="what ran the forward pass: torch or openvino")
    precision: str = Field(description="arithmetic of the forward pass, resolved where it was auto")
    device: str = Field(description="torch device")
    docs_per_second: float | None = Field(
        description="distinct documents, or chunks of them, a second, when they were encoded"
    )
    tokens_per_second: float | None = Field(description="as docs_per_second, of tokens read")
    gflops: float | None = Field(
        description="billions of floating-point operations a second, padding not counted"
    )
    gemm_gflops: float | None = Field(
        description="the same of a large matrix product in this precision on one device, measured "
        "in this run; null where that cannot be measured, or where no document was encoded in it"
    )
    devices: int = Field(1, description="devices that shared the documents")
    tokens: int = Field(description="tokens read, of all distinct documents")
    truncated_docs: int = Field(description="distinct documents whose end was cut off")
    truncated_tokens: int = Field(description="tokens cut off")
    chunks: int | None = Field(
        None, description="chunks that documents were split into; null where none are split"
    )
    cosine: float | None = Field(
        None,
        description="mean cosine of token vectors to those of fp32, on fixed texts; for int8 alone",
    )
    untrained: bool = Field(
        False,
        description="whether these are token vectors of a model that was never trained for late "
        "interaction",
    )
    one_pass: bool = Field(
        False,
        description="whether the same forward passes gave the other form, too: docs_per_second is "
        "then the speed of both together",
    )
    queries: int | None = Field(
        None, description="distinct queries; null in results of before they were counted"
    )
    query_tokens: int | None = Field(
        None, description="tokens read, of all distinct queries; [MASK] expansion not counted"
    )
    truncated_queries: int | None = Field(
        None, description="distinct queries whose end was cut off"
    )
    truncated_query_tokens: int | None = Field(None, description="tokens of queries cut off")

    @property
    def documents_cut(self) -> float:
        """Share of the documents' tokens that were cut off, in [0, 1]."""
        return _share(self.truncated_tokens, self.tokens)

    @property
    def queries_cut(self) -> float | None:
        """Share of the queries' tokens that were cut off, in [0, 1]; None where not counted."""
        if self.truncated_query_tokens is None or self.query_tokens is None:
            return None
        return _share(self.truncated_query_tokens, self.query_tokens)


def _share(cut: int, read: int) -> float:
    return cut / (cut + read) if cut else 0.0


class EncodeStats(EncodingInfo):
    """The same, with what only the process that asked for the vectors knows."""

    gemm_gflops: float | None = None
    encoded: int = Field(description="distinct texts encoded by this run")
    cached: int = Field(description="distinct texts that were in the cache")
    seconds: float = Field(description="time this run spent in the model")

    def info(self, gemm_gflops: float | None) -> EncodingInfo:
        """Return what results hold, with the rate of a large matrix product beside it."""
        known = {name: getattr(self, name) for name in EncodingInfo.model_fields}
        return EncodingInfo(**{**known, "gemm_gflops": gemm_gflops})


@dataclass(frozen=True)
class Embeddings:
    """Vectors of documents, on disk.

    Attributes:
        lengths: int64 (docs,), vectors of each document.
        dims: columns of every vector.
        dtype: float16 for tokens, float32 for dense vectors.
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

    def in_place(self) -> NDArray[np.float16] | None:
        """Return all rows as a memory map, where one file has them all in this order; else None."""
        return None

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
