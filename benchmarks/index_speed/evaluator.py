"""How good the found documents are: overlap with exact search, and nDCG@10."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.index_speed.record import SearchResult
from benchmarks.index_speed.vectors import VectorFiles, effectiveness, exact_hits, overlap
from colbench.collection.model import Collection

_MEASURE = "ndcg@10"
_EXACT_DEPTH = 1000


class Evaluator:
    """Knows what exact search finds in one collection.

    Args:
        collection: with the judgments.
        files: its vectors.
        k: depth of the overlap.
        timed: queries that are timed, the first ones.
        memory_gb: for exact search.
    """

    def __init__(
        self, collection: Collection, files: VectorFiles, k: int, timed: int, memory_gb: float
    ) -> None:
        self.collection = collection
        self.files = files
        self.k = k
        self.timed = min(timed, len(collection.queries))
        self.exact_hits = exact_hits(files, max(k, _EXACT_DEPTH), int(memory_gb * 1e9))

    def query_tokens(self) -> float:
        """Return the mean length of the timed queries."""
        return float(np.mean([len(query) for query in self.files.read_queries()[: self.timed]]))

    def exact_ndcg(self, *, timed: bool) -> float:
        """Return exact search's nDCG@10 over the timed queries or all."""
        return self._mean([hits.docs.tolist() for hits in self.exact_hits], timed=timed)

    def result(
        self, name: str, parameters: dict[str, object], ms: Sequence[float], docs: list[list[int]]
    ) -> SearchResult:
        """Evaluate what one search setting found.

        Args:
            name: of the setting.
            parameters: of the setting.
            ms: milliseconds of each query; the first `timed` count.
            docs: found for every query, best first; padded with -1.
        """
        count = self.timed
        return SearchResult(
            name=name,
            parameters=dict(parameters),
            p50_ms=float(np.percentile(ms[:count], 50)),
            p95_ms=float(np.percentile(ms[:count], 95)),
            overlap=overlap(docs[:count], self.exact_hits[:count], self.k),
            overlap_all=overlap(docs, self.exact_hits, self.k),
            ndcg=self._mean(docs, timed=True),
            ndcg_all=self._mean(docs, timed=False),
        )

    def _mean(self, docs: Sequence[Sequence[int]], *, timed: bool) -> float:
        values = effectiveness(docs, self.collection, _MEASURE)
        queries = self.collection.queries[: self.timed if timed else None]
        return float(np.mean([values[query.id] for query in queries]))
