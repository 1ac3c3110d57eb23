"""The ranks that systems may have, as far as the queries can tell them apart.

A system's rank on a measure is an interval: one more than the systems that are significantly
better, up to the number of systems less those that are significantly worse. Every pair is tested,
and the tests of one measure are Holm-corrected together, so that all intervals of a measure hold at
once with probability 1 - alpha: Mogstad, Romano, Shaikh and Wilhelm, "Inference for ranks",
Review of Economic Studies 91 (2024). Systems that cannot be told apart share ranks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np

from colbench.measures.significance import (
    Scores,
    Test,
    holm,
    least_queries,
    paired_differences,
    two_sided_p,
)
from colbench.measures.ties import TIE

Ranks = tuple[int, int]
"""Best and worst rank a system may have, from 1."""


def rank_intervals(
    per_query: Scores,
    measures: Sequence[str],
    test: Test = "student",
    alpha: float = 0.05,
    *,
    untested: Collection[str] = (),
) -> dict[str, dict[str, Ranks]]:
    """Return the ranks that each system may have on each measure.

    Args:
        per_query: system → measure → query id → value.
        measures: the measures to rank by.
        test: as in `compare_to_reference`.
        alpha: level of all tests of one measure together.
        untested: measures that say nothing of a ranking: left out.

    Returns:
        system → measure → (best, worst); nothing of a measure that a system has no values of, and
        nothing at all for fewer than two systems.

    Raises:
        DataError: two systems were not evaluated on the same queries.

    >>> a = {f"q{n}": 0.5 + n / 100 for n in range(40)}
    >>> b = {query: value - 0.2 - (n % 3) / 100 for n, (query, value) in enumerate(a.items())}
    >>> c = {query: value + (-1) ** n / 50 for n, (query, value) in enumerate(a.items())}
    >>> values = {name: {"map": of} for name, of in {"a": a, "b": b, "c": c}.items()}
    >>> {name: ranks["map"] for name, ranks in rank_intervals(values, ["map"]).items()}
    {'a': (1, 2), 'b': (3, 3), 'c': (1, 2)}
    """
    ranks: dict[str, dict[str, Ranks]] = {system: {} for system in per_query}
    for measure in measures:
        ranked = [system for system, values in per_query.items() if measure in values]
        if measure in untested or len(ranked) < 2:
            continue
        better = _told_apart(per_query, ranked, measure, test, alpha)
        for system in ranked:
            above = sum(worse == system for _, worse in better)
            below = sum(best == system for best, _ in better)
            ranks[system][measure] = (1 + above, len(ranked) - below)
    return ranks


def _told_apart(
    per_query: Scores, systems: Sequence[str], measure: str, test: Test, alpha: float
) -> list[tuple[str, str]]:
    """Return the pairs that differ significantly, the better system first.

    As everywhere, a pair that differs on no query is not counted, and one that differs on fewer
    queries than random signs would need is not told apart.
    """
    pairs = []
    for one, other in combinations(systems, 2):
        delta = paired_differences(per_query, one, other, measure)
        differ = int((np.abs(delta) > TIE).sum())
        p = two_sided_p(delta, test)
        if differ and p is not None:
            pairs.append((one, other, float(delta.mean()), differ, p))
    corrected = holm([p for *_, p in pairs])
    least = least_queries(len(pairs), alpha)
    return [
        (one, other) if mean > 0 else (other, one)
        for (one, other, mean, differ, _), p in zip(pairs, corrected, strict=True)
        if p <= alpha and differ >= least
    ]
