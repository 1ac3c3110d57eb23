"""Any first stage, reranked by a cross-encoder that reads query and document together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.cut_off import CutOff
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

    def reads_texts(self) -> bool:
        """The model reads query and document."""
        return True


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
        """Bytes of the texts, which it reads at each search: nothing of them is precomputed."""
        texts = self.bench.collection.texts
        return IndexSize(files={"texts": sum(len(text.encode("utf-8")) for text in texts)})

    def metadata(self) -> dict[str, Any]:
        """Also the pairs of the queries searched, and those of them whose end was cut off.

        Counted here, outside of all that is timed: each text is tokenised once more.
        """
        facts = super().metadata() | {"pairs": sum(map(len, self._scored.values()))}
        pairs = self._read()
        if pairs is None:
            return facts
        return facts | {
            "pairs_truncated": pairs.truncated,
            "pair_tokens": pairs.tokens,
            "pair_tokens_truncated": pairs.truncated_tokens,
        }

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Also how much of the pairs the model did not read."""
        pairs = self._read()
        told = pairs and pairs.told(
            name=self.settings.cross_encoder.name,
            limit=self._model.pair_limit,
            kind="pairs of a query and a document",
            remedy="a larger cross_encoder.max_length keeps them, where the model has positions",
        )
        return [*super().notes(queries), *([told] if told else [])]

    def _read(self) -> CutOff | None:
        """Return how much of the pairs scored the model reads; None without pairs."""
        if not any(map(len, self._scored.values())):
            return None
        texts = self.bench.collection.texts
        docs = np.unique(np.concatenate(list(self._scored.values())))
        lengths = self._model.count_tokens([texts[doc] for doc in docs.tolist()])
        asked = self._model.count_tokens(list(self._scored))
        pairs = [
            lengths[np.searchsorted(docs, scored)] + query
            for scored, query in zip(self._scored.values(), asked.tolist(), strict=True)
        ]
        return CutOff.of(np.concatenate(pairs), self._model.pair_limit)


SYSTEM = RerankCrossEncoder
