"""Any first stage, reranked by MaxSim over uncompressed token vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.index.maxsim import score_documents
from colbench.index.size import IndexSize
from colbench.index.threads import kernels_may_overlap
from colbench.index.tokens import TokenIndex
from colbench.retriever.chunks import Chunks
from colbench.retriever.exhaustive import build_token_index
from colbench.retriever.rerank import Reranker, RerankSettings
from colbench.vectors import Vectors


class RerankMaxSimSettings(RerankSettings):
    """Parameters of reranking with late interaction."""

    encoder: EncoderSettings = Field(description="the late-interaction model")

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Token vectors of all documents."""
        return [(self.encoder, Form.TOKENS)]


class RerankMaxSim(Reranker):
    """First stage, then MaxSim."""

    Settings = RerankMaxSimSettings
    _chunks: Chunks
    _embeddings: Embeddings
    _encoder: Encoder
    _index: TokenIndex

    def prepare_scorer(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.encoder, Form.TOKENS)
        self._chunks = self.bench.chunks(self.settings.encoder, Form.TOKENS)
        self._embeddings = self.bench.embed(self.settings.encoder, Form.TOKENS)

    def build_scorer(self) -> None:
        """Write and map the token vectors."""
        self._index = build_token_index(self._embeddings, self.folder / "token_vectors")

    def encode_scorer(self, queries: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def score(self, query: Vectors, docs: NDArray[np.int64]) -> NDArray[np.float32]:
        """MaxSim of the query with each document, or with its best chunk (MaxP)."""
        chunks, starts = self._chunks.of_documents(docs)
        scores = score_documents(self._index, query, chunks)
        best: NDArray[np.float32] = np.maximum.reduceat(scores, starts)
        return best

    @property
    def concurrent(self) -> bool:
        """Where the first stage is, and compiled loops may overlap."""
        return super().concurrent and kernels_may_overlap()

    def scorer_size(self) -> IndexSize:
        """Bytes of vectors and offsets."""
        return self._index.size()


SYSTEM = RerankMaxSim
