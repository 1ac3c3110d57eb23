"""One vector a text, searched by inner product in faiss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.base import Encoder
from colbench.encoder.cache import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.index.pooled import PooledIndex
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.hits import Hits, top_k

_BLOCK = 16_384


class BiEncoderSettings(SystemSettings):
    """Parameters of a bi-encoder."""

    encoder: EncoderSettings = Field(description="the model")
    pooling: Literal["checkpoint", "mean", "cls"] | None = Field(
        None, description="overrides the encoder's pooling"
    )
    index: Literal["flat", "hnsw"] = Field("flat", description="exact search or an HNSW graph")
    hnsw_links: int = Field(32, ge=2, description="links a node (M)")
    ef_construction: int = Field(200, ge=1, description="breadth while the graph is built")
    ef_search: int = Field(
        128, ge=1, description="breadth of a search; raised to k where k is larger"
    )

    def model(self) -> EncoderSettings:
        """The encoder with this system's pooling."""
        if self.pooling is None:
            return self.encoder
        return self.encoder.model_copy(update={"pooling": self.pooling})

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Pooled document vectors."""
        return [(self.model(), Form.POOLED)]


class BiEncoder(Retriever):
    """Sentence-transformers vectors in a faiss index."""

    Settings = BiEncoderSettings
    _embeddings: Embeddings
    _encoder: Encoder
    _index: PooledIndex
    _ef_search: int = 0

    def prepare(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.model(), Form.POOLED)
        self._embeddings = self.bench.embed(self.settings.model(), Form.POOLED)

    def build(self) -> None:
        """Index the document vectors."""
        settings: BiEncoderSettings = self.settings
        self._index = PooledIndex.write(
            self.folder,
            self._embeddings.dims,
            (vectors for _, _, vectors in self._embeddings.blocks(_BLOCK)),
            kind=settings.index,
            hnsw_links=settings.hnsw_links,
            ef_construction=settings.ef_construction,
        )

    def encode(self, queries: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one float32 (1, dims) matrix a query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[NDArray[np.float32]], k: int) -> list[Hits]:
        """Return the k documents with the largest inner product."""
        self._ef_search = max(self.settings.ef_search, k)
        self._index.set_ef_search(self._ef_search)
        found = self._index.search(np.concatenate(queries), k)
        return [top_k(docs, scores, k, self.bench.ranks) for docs, scores in found]

    def size(self) -> IndexSize:
        """Bytes of the faiss file."""
        return self._index.size()

    def facts(self) -> dict[str, Any]:
        """The breadth an HNSW search really had."""
        return {"ef_search": self._ef_search} if self.settings.index == "hnsw" else {}


SYSTEM = BiEncoder
