"""How much of one ranking is in another, whatever is relevant: a search against the exact one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colbench.run.model import Ranking, Run

PERSISTENCE = 0.99
"""RBO's p: the first 100 documents carry 85 % of the weight (Webber et al. 2010, equation 21)."""


@dataclass(frozen=True)
class Overlap:
    """Agreement of two runs, each value a mean over queries in [0, 1].

    Attributes:
        rbo: extrapolated rank-biased overlap.
        intersection: cutoff → share of the reference's documents above it that are above it in the
            other run as well.
    """

    rbo: float
    intersection: dict[int, float]


def rbo(ranking: Sequence[str], reference: Sequence[str], p: float = PERSISTENCE) -> float:
    """Return the extrapolated rank-biased overlap of two rankings, RBO_EXT.

    What lies below the end of a ranking is taken to agree as much as what was seen of it. The
    result is the same when the rankings change places. Takes time linear in their lengths.

    Equation 32 of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", ACM
    Transactions on Information Systems 28(4), 2010, https://doi.org/10.1145/1852102.1852106.

    Args:
        ranking: document ids, best first, each at most once.
        reference: the same, of any other length.
        p: persistence, between 0 and 1; the higher, the deeper the comparison looks.

    Returns:
        1 where they are equal, or one begins with the whole of the other; 0 where they share
        nothing. Two empty rankings are equal, an empty one shares nothing with any other.

    Raises:
        ValueError: p is not between 0 and 1.

    >>> round(rbo(["a", "b"], ["b", "a"], p=0.9), 2)
    0.9
    """
    if not 0 < p < 1:
        raise ValueError(f"p={p} is not between 0 and 1")
    short, long = sorted((ranking, reference), key=len)
    if not short:
        return 0.0 if long else 1.0
    places = {doc_id: place for place, doc_id in enumerate(long, start=1)}
    # A shared document counts from the depth at which both rankings have reached it.
    shared = [max(n, places[doc_id]) for n, doc_id in enumerate(short, start=1) if doc_id in places]
    overlaps = np.bincount(np.array(shared, dtype=np.int64), minlength=len(long) + 1)
    overlap = np.cumsum(overlaps)[1:]
    depths = np.arange(1, len(long) + 1)
    assumed = overlap[len(short) - 1] / len(short) * np.maximum(depths - len(short), 0)
    agreement = (overlap + assumed) / depths
    seen = (1 - p) * float(agreement @ p ** (depths - 1.0))
    return min(seen + float(agreement[-1]) * p ** len(long), 1.0)  # rounding may pass 1


def intersection(ranking: Sequence[str], reference: Sequence[str], k: int) -> float:
    """Return the share of the reference's first k documents that are among the ranking's first k.

    A reference of fewer documents is expected whole; an empty one is met by an empty ranking alone.

    Raises:
        ValueError: k is less than 1.

    >>> intersection(["a", "b", "x"], ["b", "c", "a"], 2)
    0.5
    """
    if k < 1:
        raise ValueError(f"k={k} is less than 1")
    wanted = set(reference[:k])
    if not wanted:
        return 0.0 if ranking else 1.0
    return len(wanted.intersection(ranking[:k])) / len(wanted)


def mean_overlap(run: Run, reference: Run, cutoffs: Sequence[int]) -> Overlap:
    """Compare two runs query by query and return the means over the queries of `reference`.

    A query that `run` lacks counts as one without results; other queries of `run` are ignored.

    Raises:
        ValueError: the reference has no queries, or a cutoff is less than 1.
    """
    if not reference.rankings:
        raise ValueError("the reference has no queries: there is nothing to take a mean of")
    nothing = Ranking.sort([], [])
    pairs = [
        (run.rankings.get(query_id, nothing).doc_ids, wanted.doc_ids)
        for query_id, wanted in reference.rankings.items()
    ]
    return Overlap(
        rbo=_mean([rbo(ranking, wanted) for ranking, wanted in pairs]),
        intersection={
            k: _mean([intersection(ranking, wanted, k) for ranking, wanted in pairs])
            for k in cutoffs
        },
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
