"""Reranking: a first stage proposes, a costlier scorer orders.

Only the first stage's `depth` best documents are scored and returned, so recall beyond `depth`
cannot exceed the first stage's recall at `depth`.

A scorer may be told to keep a share of the first stage's score: the two are standardised over the
documents of the query and averaged, the interpolation of Akkalyoncu Yilmaz et al., "Cross-Domain
Modeling of Sentence-Level Evidence for Document Retrieval", EMNLP 2019, with standard scores so
that one weight suits scores of any scale.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.progress import bar
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.registry import make_system


class RerankSettings(SystemSettings):
    """What every reranking system has."""

    search_keys: ClassVar[frozenset[str]] = frozenset({"depth", "first_stage_weight"})

    first_stage: str = Field(description="name of the system that proposes documents")
    depth: int = Field(100, ge=1, description="documents reranked a query")
    first_stage_weight: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the first stage's score in the final one, both as standard scores "
        "over the documents reranked, among them one that is the query itself where such hits are "
        "dropped; 0 orders by the reranker alone",
    )

    def parts(self) -> list[str]:
        """The first stage."""
        return [self.first_stage]


class RerankQuery(NamedTuple):
    """A query encoded for both stages."""

    first: Any
    second: Any


class Reranker(Retriever):
    """First stage, then `score` on its documents."""

    def __init__(self, name: str, settings: RerankSettings, bench: Workbench, folder: Path) -> None:
        super().__init__(name, settings, bench, folder)
        self.first_stage = make_system(settings.first_stage, bench, inside=folder)

    @abstractmethod
    def prepare_scorer(self) -> None:
        """Load the models and vectors that `score` needs."""

    def build_scorer(self) -> None:
        """Build the index that `score` needs, if any."""
        return

    @abstractmethod
    def encode_scorer(self, queries: Sequence[str]) -> Sequence[Any]:
        """Encode queries for `score`."""

    @abstractmethod
    def score(self, query: Any, docs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score one query against the given documents."""

    @abstractmethod
    def scorer_size(self) -> IndexSize:
        """What the second stage needs on disk."""

    def prepare(self) -> None:
        """Prepare both stages."""
        self.prepare_scorer()
        self.first_stage.prepare()

    def build(self) -> None:
        """Build both stages."""
        self.build_scorer()
        self.first_stage.build()

    def encode(self, queries: Sequence[str]) -> list[RerankQuery]:
        """Encode for both stages."""
        pairs = zip(self.first_stage.encode(queries), self.encode_scorer(queries), strict=True)
        return [RerankQuery(first, second) for first, second in pairs]

    def search(self, queries: Sequence[RerankQuery], k: int) -> list[Hits]:
        """Rerank the first stage's `depth` best documents and return the k best of them."""
        depth = self.settings.depth + self.bench.spare_hits
        proposed = self.first_stage.search([q.first for q in queries], depth)
        work: Iterable[tuple[RerankQuery, Hits]] = zip(queries, proposed, strict=True)
        if len(queries) > 1:
            work = bar(work, total=len(queries), description=self.name, unit="query")
        return [
            top_k(hits.docs, self._final(query.second, hits), k, self.bench.ranks)
            if len(hits)
            else hits
            for query, hits in work
        ]

    def _final(self, query: Any, hits: Hits) -> NDArray[np.floating]:
        scores = self.score(query, hits.docs)
        share: float = self.settings.first_stage_weight
        if not share:
            return scores
        return share * standard_scores(hits.scores) + (1 - share) * standard_scores(scores)

    def composed_of(self) -> Sequence[Retriever]:
        """Return the first stage."""
        return [self.first_stage]

    @property
    def concurrent(self) -> bool:
        """Where the first stage is."""
        return self.first_stage.concurrent

    def size(self) -> IndexSize | None:
        """Both stages' files."""
        return IndexSize.together(
            {self.first_stage.name: self.first_stage.size(), "rerank": self.scorer_size()}
        )

    def metadata(self) -> dict[str, Any]:
        """The first stage's facts."""
        return {self.first_stage.name: self.first_stage.metadata()}

    def notes(self, queries: Sequence[str]) -> list[str]:
        """The first stage's notes."""
        return self.first_stage.notes(queries)


def standard_scores(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return float64 scores with mean 0 and standard deviation 1; zeros where all are equal.

    Infinite ones, of a document without tokens, stay and count in neither.

    >>> standard_scores(np.array([1.0, 2.0, 3.0])).round(4).tolist()
    [-1.2247, 0.0, 1.2247]
    >>> standard_scores(np.array([5.0, 5.0])).tolist()
    [0.0, 0.0]
    """
    values = scores.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return values
    centred = values - values[finite].mean()
    deviation = float(centred[finite].std())
    return centred / deviation if deviation > 0 else np.where(finite, 0.0, values)
