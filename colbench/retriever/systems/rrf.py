"""Reciprocal rank fusion: score(d) = Σ over systems of 1 / (k + rank of d).

Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods", SIGIR 2009. The fusion is ranx's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.index.threads import kernels_may_overlap
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
        """Where all parts are, and ranx's compiled loops."""
        return all(part.concurrent for part in self._parts) and kernels_may_overlap()

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
    """Fuse rankings of one query with ranx and return the k best.

    Args:
        rankings: one per system; empty ones contribute nothing.
        rrf_k: constant k of the paper.
        k: documents returned at most.
        ranks: `tie_ranks` of the collection.
    """
    import numba
    from ranx import Run, fuse

    lists = [hits for hits in rankings if len(hits)]
    if not lists:
        return Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    if len(lists) == 1:  # ranx refuses to fuse a single run
        (hits,) = lists
        return top_k(hits.docs, 1 / (rrf_k + np.arange(1, len(hits) + 1)), k, ranks)
    # Descending ranks instead of scores: ranx's own sort leaves tied scores in any order. Ids of
    # one width: ranx is compiled anew, for half a minute, for every width of the longest.
    runs = [
        Run({"q": {f"{doc:010}": float(len(hits) - i) for i, doc in enumerate(hits.docs)}})
        for hits in lists
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numba.NumbaTypeSafetyWarning)
        fused = fuse(runs, norm=None, method="rrf", params={"k": rrf_k})["q"]
    docs = np.fromiter((int(doc) for doc in fused), dtype=np.int64, count=len(fused))
    scores = np.fromiter(fused.values(), dtype=np.float64, count=len(fused))
    return top_k(docs, scores, k, ranks)


SYSTEM = RRF
