"""Any first stage, reranked by a cross-encoder that reads query and document together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.cross_encoder import CrossEncoder, CrossEncoderSettings, load_cross_encoder
from colbench.index.size import IndexSize
from colbench.retriever.rerank import Reranker, RerankSettings


class RerankCrossEncoderSettings(RerankSettings):
    """Parameters of reranking with a cross-encoder."""

    cross_encoder: CrossEncoderSettings = Field(description="the model")

    def weights(self) -> list[tuple[str, str | None]]:
        """The cross-encoder."""
        return [(self.cross_encoder.model, self.cross_encoder.revision)]


class RerankCrossEncoder(Reranker):
    """First stage, then a sentence-transformers CrossEncoder. Nothing is precomputed."""

    Settings = RerankCrossEncoderSettings
    _model: CrossEncoder

    def prepare_scorer(self) -> None:
        """Load the model."""
        self._model = load_cross_encoder(self.settings.cross_encoder)

    def encode_scorer(self, queries: Sequence[str]) -> Sequence[str]:
        """A cross-encoder takes the query as text."""
        return queries

    def score(self, query: str, docs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score (query, document text) pairs."""
        texts = self.bench.collection.texts
        return self._model.score([(query, texts[doc]) for doc in docs])

    def scorer_size(self) -> IndexSize:
        """A cross-encoder stores nothing a document."""
        return IndexSize()


SYSTEM = RerankCrossEncoder
