"""A run: one system's ranked documents for every query, by document id.

Invariant: every `Ranking` that exists is in canonical order, (score, document id) both descending,
with float32 scores and no document twice. It is the order trec_eval gives the same results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.hits import Hits


@dataclass(frozen=True, eq=False)
class Ranking:
    """Documents retrieved for one query, best first.

    Attributes:
        doc_ids: document ids.
        scores: float32 array of the same length.

    Raises:
        ValueError: the order is not canonical, a document stands twice, or a score is NaN.

    >>> list(Ranking.sort(["a", "b", "c"], [1.0, 2.0, 1.0]))
    [('b', 2.0), ('c', 1.0), ('a', 1.0)]
    """

    doc_ids: tuple[str, ...]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.scores.dtype != np.float32 or self.scores.shape != (len(self.doc_ids),):
            raise ValueError(f"a ranking needs {len(self.doc_ids)} float32 scores")
        if np.isnan(self.scores).any():
            raise ValueError("a score is NaN, which has no place in an order")
        if len(set(self.doc_ids)) != len(self.doc_ids):
            raise ValueError("a document is ranked twice")
        if any(better < worse for better, worse in pairwise(self._keys())):
            raise ValueError("a ranking must be sorted by (score, document id), both descending")

    @classmethod
    def sort(cls, doc_ids: Sequence[str], scores: Sequence[float]) -> Ranking:
        """Rank documents given in any order; scores are rounded to float32 first."""
        with np.errstate(over="ignore"):  # beyond float32 is infinity, as in trec_eval
            rounded = np.asarray(scores, dtype=np.float64).astype(np.float32)
        keys = sorted(zip(rounded.tolist(), doc_ids, strict=True), reverse=True)
        return cls(
            tuple(doc_id for _, doc_id in keys),
            np.array([score for score, _ in keys], dtype=np.float32),
        )

    def _keys(self) -> Iterator[tuple[float, str]]:
        return zip(self.scores.tolist(), self.doc_ids, strict=True)

    def __len__(self) -> int:
        return len(self.doc_ids)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.doc_ids, self.scores.tolist(), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranking):
            return NotImplemented
        return self.doc_ids == other.doc_ids and np.array_equal(self.scores, other.scores)


@dataclass(frozen=True)
class Run:
    """What one system retrieved.

    Attributes:
        name: name of the system; the tag of the TREC file.
        rankings: query id → ranking; the order is that of the collection's queries. A ranking may
            be empty.
    """

    name: str
    rankings: Mapping[str, Ranking]

    @property
    def query_ids(self) -> list[str]:
        """Ids of the queries searched, in order."""
        return list(self.rankings)

    @classmethod
    def from_hits(cls, name: str, collection: Collection, hits: Sequence[Hits], k: int) -> Run:
        """Name the documents of `hits`, apply the rule of identical ids, keep the k best.

        Args:
            name: name of the system.
            collection: what was searched.
            hits: one result a query, in the order of the collection's queries, each of
                `fetch_depth(collection, k)` documents where there are as many.
            k: documents to keep at most per query.

        Raises:
            ValueError: the results do not fit the collection or break the canonical order.
        """
        drop = collection.ignore_identical_ids
        rankings = {
            query.id: _ranking(ranking, collection.doc_ids, query.id if drop else None, k)
            for query, ranking in zip(collection.queries, hits, strict=True)
        }
        return cls(name, rankings)

    def cut(self, name: str, k: int) -> Run:
        """Return the k best of each ranking, under a name."""
        rankings = {
            query_id: Ranking(ranking.doc_ids[:k], ranking.scores[:k])
            for query_id, ranking in self.rankings.items()
        }
        return Run(name, rankings)


def fetch_depth(collection: Collection, k: int) -> int:
    """Return how many documents to retrieve so that k remain after the rule of identical ids.

    It is one more than k where the rule is on and some query's id is also a document's.
    """
    drop = collection.ignore_identical_ids
    if drop and not {query.id for query in collection.queries}.isdisjoint(collection.doc_ids):
        return k + 1
    return k


def _ranking(hits: Hits, doc_ids: Sequence[str], dropped: str | None, k: int) -> Ranking:
    if len(hits) and hits.docs.min() < 0:
        raise ValueError("a document number is negative: the index returned padding as a result")
    if not np.issubdtype(hits.docs.dtype, np.integer):
        raise ValueError(f"document numbers must be integers, not {hits.docs.dtype}")
    if len(hits) and hits.docs.max() >= len(doc_ids):
        raise ValueError(f"document number {hits.docs.max()} of {len(doc_ids)} documents")
    named = [doc_ids[number] for number in hits.docs.tolist()]
    scores = hits.scores
    if dropped in named:
        place = named.index(dropped)
        del named[place]
        scores = np.delete(scores, place)
    return Ranking(tuple(named[:k]), scores[:k])
