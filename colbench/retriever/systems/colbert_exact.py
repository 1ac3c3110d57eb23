"""Exact search: MaxSim of the query with every document, over uncompressed fp16 vectors.

With `precision: int8` the same search over vectors stored in a byte a dimension; products are still
float32, so what is lost is lost in the stored vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.hits import Hits
from colbench.index.maxsim import MaxSimScanner
from colbench.index.size import IndexSize
from colbench.index.threads import kernels_may_overlap
from colbench.index.tokens import Precision
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.chunks import Chunks
from colbench.retriever.exhaustive import build_token_index, search_all
from colbench.vectors import Vectors


class ColbertExactSettings(SystemSettings):
    """Parameters of exhaustive late interaction."""

    encoder: EncoderSettings = Field(description="the model")
    precision: Precision = Field(
        "fp16", description="how vectors are stored: fp16, or int8 over [-1, 1] without calibration"
    )

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Token vectors of all documents."""
        return [(self.encoder, Form.TOKENS)]


class ColbertExact(Retriever):
    """Exhaustive MaxSim; memory is bounded by `memory_gb`, never by the collection."""

    Settings = ColbertExactSettings
    _chunks: Chunks
    _embeddings: Embeddings
    _encoder: Encoder
    _scanner: MaxSimScanner
    _device: str

    def prepare(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.encoder, Form.TOKENS)
        self._chunks = self.bench.chunks(self.settings.encoder, Form.TOKENS)
        self._embeddings = self.bench.embed(self.settings.encoder, Form.TOKENS)
        self._device = self.bench.search_device

    def build(self) -> None:
        """Write the token vectors and open them, in memory as far as `memory_gb` allows."""
        index = build_token_index(self._embeddings, self.folder, self.settings.precision)
        self._scanner = MaxSimScanner(index, self.bench.memory_bytes, self._device)

    def encode(self, queries: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        """Return the k documents with the largest MaxSim."""
        return search_all(self._scanner, queries, k, self.bench.ranks, self._chunks.owners)

    @property
    def concurrent(self) -> bool:
        """On the CPU; what a GPU is given by several threads at once is not tested."""
        return self._device == "cpu" and kernels_may_overlap()

    def size(self) -> IndexSize:
        """Bytes of vectors and offsets."""
        return self._scanner.index.size()

    def metadata(self) -> dict[str, Any]:
        """The device where it is not the CPU."""
        return {} if self._device == "cpu" else {"device": self._device}


SYSTEM = ColbertExact
