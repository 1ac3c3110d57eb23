"""Reranking: a first stage proposes, a costlier scorer orders.

Only the first stage's `depth` best documents are scored and returned, so recall beyond `depth`
cannot exceed the first stage's recall at `depth`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.index.size import IndexSize
from colbench.progress import bar
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.hits import Hits, top_k
from colbench.retriever.registry import make_system


class RerankSettings(SystemSettings):
    """What every reranking system has."""

    search_keys: ClassVar[frozenset[str]] = frozenset({"depth"})

    first_stage: str = Field(description="name of the system that proposes documents")
    depth: int = Field(100, ge=1, description="documents reranked a query")

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
            top_k(hits.docs, self.score(query.second, hits.docs), k, self.bench.ranks)
            if len(hits)
            else hits
            for query, hits in work
        ]

    def size(self) -> IndexSize:
        """Both stages' files."""
        return IndexSize.together(
            {self.first_stage.name: self.first_stage.size(), "rerank": self.scorer_size()}
        )

    def facts(self) -> dict[str, Any]:
        """The first stage's facts."""
        return {self.first_stage.name: self.first_stage.facts()}
