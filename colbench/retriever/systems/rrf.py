"""Reciprocal rank fusion: score(d) = Σ over systems of 1 / (k + rank of d).

Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.registry import make_system


class RRFSettings(SystemSettings):
    """Parameters of the fusion."""

    systems: list[str] = Field(min_length=2, description="names of the systems that are fused")
    rrf_k: int = Field(60, ge=1, description="constant k of the paper")
    depth: int = Field(1000, ge=1, description="documents taken from each system")

    def parts(self) -> list[str]:
        """The fused systems."""
        return list(self.systems)


class RRF(Retriever):
    """Several systems, fused by rank."""

    Settings = RRFSettings

    def __init__(self, name: str, settings: RRFSettings, bench: Workbench, folder: Path) -> None:
        super().__init__(name, settings, bench, folder)
        self._parts = [make_system(part, bench, inside=folder) for part in settings.systems]

    def prepare(self) -> None:
        """Prepare every part."""
        for part in self._parts:
            part.prepare()

    def build(self) -> None:
        """Build every part."""
        for part in self._parts:
            part.build()

    def encode(self, queries: Sequence[str]) -> list[tuple[Any, ...]]:
        """Encode for every part."""
        return list(zip(*(part.encode(queries) for part in self._parts), strict=True))

    def search(self, queries: Sequence[tuple[Any, ...]], k: int) -> list[Hits]:
        """Search every part and fuse the rankings."""
        depth = self.settings.depth + self.bench.spare_hits
        rankings = [
            part.search([query[i] for query in queries], depth)
            for i, part in enumerate(self._parts)
        ]
        rrf_k, ranks = self.settings.rrf_k, self.bench.ranks
        return [fuse_hits(hits, rrf_k, k, ranks) for hits in zip(*rankings, strict=True)]

    def composed_of(self) -> Sequence[Retriever]:
        """Return the systems whose rankings are fused."""
        return self._parts

    @property
    def concurrent(self) -> bool:
        """Where all parts are."""
        return all(part.concurrent for part in self._parts)

    def size(self) -> IndexSize | None:
        """All parts' files."""
        return IndexSize.together({part.name: part.size() for part in self._parts})

    def metadata(self) -> dict[str, Any]:
        """The parts' facts."""
        return {part.name: part.metadata() for part in self._parts}

    def notes(self, queries: Sequence[str]) -> list[str]:
        """The parts' notes."""
        return [note for part in self._parts for note in part.notes(queries)]


def fuse_hits(rankings: Sequence[Hits], rrf_k: int, k: int, ranks: NDArray[np.int64]) -> Hits:
    """Fuse rankings of one query and return the k best.

    Args:
        rankings: one per system; empty ones contribute nothing.
        rrf_k: constant k of the paper.
        k: documents returned at most.
        ranks: `tie_ranks` of the collection.

    >>> from colbench.hits import tie_ranks
    >>> one, other = (Hits(np.array(docs), np.arange(2.0, 0, -1)) for docs in ([0, 1], [1, 2]))
    >>> fuse_hits([one, other], 60, 2, tie_ranks(["a", "b", "c"])).docs.tolist()
    [1, 0]
    """
    found = np.concatenate([np.empty(0, dtype=np.int64), *(hits.docs for hits in rankings)])
    docs, places = np.unique(found, return_inverse=True)
    scores, first = np.zeros(len(docs)), 0
    for hits in rankings:
        scores[places[first : first + len(hits)]] += 1 / (rrf_k + np.arange(1, len(hits) + 1))
        first += len(hits)
    return top_k(docs, scores, k, ranks)


SYSTEM = RRF
