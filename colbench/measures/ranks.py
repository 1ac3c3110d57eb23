"""What a gate needs of rankings beside measures: where the first relevant document stands, and a
short digest by which two rankings are known to be the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from colbench.run.model import Ranking, Run

_DIGITS = 12
"""Hexadecimal digits of a digest: two of a million rankings share one with probability .002."""


def first_relevant(qrels: Mapping[str, Mapping[str, int]], run: Run) -> dict[str, int | None]:
    """Return query id → rank, from 1, of its first document graded above 0; None without one.

    >>> run = Run("x", {"q": Ranking.sort(["a", "b"], [2.0, 1.0])})
    >>> first_relevant({"q": {"b": 1, "a": 0}, "r": {"a": 1}}, run)
    {'q': 2, 'r': None}
    """
    return {query: _first(run.rankings.get(query), grades) for query, grades in qrels.items()}


def _first(ranking: Ranking | None, grades: Mapping[str, int]) -> int | None:
    found = ranking.doc_ids if ranking else ()
    ranks = (rank for rank, doc in enumerate(found, start=1) if grades.get(doc, 0) > 0)
    return next(ranks, None)


def ranking_digest(doc_ids: Sequence[str]) -> str:
    """Return the first digits of a sha256 over document ids in their order; scores do not count.

    >>> ranking_digest(["a", "b"]) == ranking_digest(["b", "a"])
    False
    """
    content = "".join(f"{len(doc)}:{doc}" for doc in doc_ids)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:_DIGITS]
