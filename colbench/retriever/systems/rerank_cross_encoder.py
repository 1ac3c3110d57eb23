"""Any first stage, reranked by a cross-encoder that reads query and document together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.loading.cross_encoder import (
    CrossEncoder,
    CrossEncoderSettings,
    load_cross_encoder,
)
from colbench.encoder.settings import EncoderSettings
from colbench.index.size import IndexSize
from colbench.retriever.base import Workbench
from colbench.retriever.rerank import Reranker, RerankSettings


class RerankCrossEncoderSettings(RerankSettings):
    """Parameters of reranking with a cross-encoder."""

    cross_encoder: CrossEncoderSettings = Field(description="the model")

    def models(self) -> list[EncoderSettings | CrossEncoderSettings]:
        """The cross-encoder."""
        return [self.cross_encoder]


class RerankCrossEncoder(Reranker):
    """First stage, then a sentence-transformers CrossEncoder. Nothing is precomputed."""

    Settings = RerankCrossEncoderSettings
    _model: CrossEncoder

    def __init__(
        self, name: str, settings: RerankCrossEncoderSettings, bench: Workbench, folder: Path
    ) -> None:
        super().__init__(name, settings, bench, folder)
        self._scored: dict[str, NDArray[np.int64]] = {}

    def use(self, settings: RerankCrossEncoderSettings) -> None:
        """Rerank in another way."""
        super().use(settings)
        self._scored = {}

    def prepare_scorer(self) -> None:
        """Load the model."""
        self._model = load_cross_encoder(self.settings.cross_encoder)

    def encode_scorer(self, queries: Sequence[str]) -> Sequence[str]:
        """A cross-encoder takes the query as text."""
        return queries

    def score(self, query: str, docs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score (query, document text) pairs."""
        self._scored[query] = docs
        texts = self.bench.collection.texts
        return self._model.score([(query, texts[doc]) for doc in docs])

    def scorer_size(self) -> IndexSize:
        """A cross-encoder stores nothing a document."""
        return IndexSize()

    def metadata(self) -> dict[str, Any]:
        """Also the pairs of the queries searched, and those of them whose end was cut off.

        Counted here, outside of all that is timed: each text is tokenised once more.
        """
        pairs = sum(map(len, self._scored.values()))
        facts = super().metadata() | {"pairs": pairs}
        return facts | {"pairs_truncated": self._truncated()} if pairs else facts

    def _truncated(self) -> int:
        """Return the pairs scored that are longer than the model reads."""
        texts = self.bench.collection.texts
        docs = np.unique(np.concatenate(list(self._scored.values())))
        lengths = self._model.count_tokens([texts[doc] for doc in docs.tolist()])
        rooms = self._model.pair_limit - self._model.count_tokens(list(self._scored))
        return sum(
            int((lengths[np.searchsorted(docs, scored)] > room).sum())
            for scored, room in zip(self._scored.values(), rooms.tolist(), strict=True)
        )


SYSTEM = RerankCrossEncoder
