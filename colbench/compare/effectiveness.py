"""Differences in effectiveness of pairs of systems: paired tests, bootstrap intervals, and the
queries on which two differ most.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from colbench.compare.record import FirstDocument, MeasureChange, MovedQuery
from colbench.errors import DataError
from colbench.measures.significance import Significance, Test, compare_values, judge
from colbench.measures.ties import differ
from colbench.results.schema import Results, SystemResult

Values = Mapping[str, Mapping[str, float]]
"""Measure → query id → value."""


@dataclass(frozen=True)
class Pair:
    """Two systems and their per-query values.

    Attributes:
        a: the system in A.
        b: the system in B.
        values_a: of `a`; None where they were not kept.
        values_b: of `b`; None where they were not kept.
    """

    a: SystemResult
    b: SystemResult
    values_a: Values | None
    values_b: Values | None

    def measures(self, wanted: Sequence[str]) -> list[str]:
        """Return those measures that both have a mean of."""
        means_a, means_b = self.a.effectiveness or {}, self.b.effectiveness or {}
        return [measure for measure in wanted if measure in means_a and measure in means_b]

    def tested(self, wanted: Sequence[str]) -> list[str]:
        """Return those measures that both have a value of each query of."""
        first, second = self.values_a or {}, self.values_b or {}
        return [name for name in self.measures(wanted) if name in first and name in second]

    def aligned(self, measure: str) -> tuple[list[str], list[float], list[float]]:
        """Return query ids, and the values of both in their order."""
        assert self.values_a is not None and self.values_b is not None
        first, second = self.values_a[measure], self.values_b[measure]
        return list(first), list(first.values()), [second[query] for query in first]


class _Cell(NamedTuple):
    pair: int
    measure: str


def measure_changes(
    pairs: Sequence[Pair],
    measures: Sequence[str],
    test: Test = "student",
    alpha: float = 0.05,
    *,
    primary: str | None = None,
    untested: Collection[str] = (),
) -> list[list[MeasureChange]]:
    """Return for each pair its measures, tested where values of single queries are there.

    The tests of the primary measure, one a pair, are corrected among themselves, and so are those
    of all other pairs and measures.

    Args:
        pairs: systems to compare.
        measures: of both.
        test: paired test of the means.
        alpha: level of each family.
        primary: the primary measure; the first where None.
        untested: measures that say nothing of a ranking.

    Raises:
        DataError: the values of a pair are not of the same queries.
    """
    first = primary or next(iter(measures), "")
    compared = {
        _Cell(number, measure): found
        for number, pair in enumerate(pairs)
        for measure, found in _tests(pair, measures, test, first, untested).items()
    }
    tests = judge(compared, alpha)
    return [
        [
            _change(pair, measure, tests.get(_Cell(number, measure)))
            for measure in pair.measures(measures)
        ]
        for number, pair in enumerate(pairs)
    ]


def _tests(
    pair: Pair, measures: Sequence[str], test: Test, primary: str, untested: Collection[str]
) -> dict[str, Significance]:
    found = {}
    for measure in pair.tested(measures):
        assert pair.values_a is not None and pair.values_b is not None
        if pair.values_a[measure].keys() != pair.values_b[measure].keys():
            raise DataError(
                f"cannot compare '{pair.b.name}' with '{pair.a.name}' on '{measure}': they have "
                "values for different queries; evaluate both with the same judgments"
            )
        _, before, after = pair.aligned(measure)
        found[measure] = compare_values(
            np.subtract(after, before),
            test,
            primary=measure == primary,
            tested=measure not in untested,
        )
    return found


def _change(pair: Pair, measure: str, test: Significance | None) -> MeasureChange:
    a, b = (pair.a.effectiveness or {})[measure], (pair.b.effectiveness or {})[measure]
    if test is None:
        return MeasureChange(measure=measure, a=a, b=b, difference=b - a)
    return MeasureChange(
        measure=measure,
        a=a,
        b=b,
        significant=None if test.p_holm is None else test.significant,
        **test.model_dump(exclude={"significant"}),
    )


def moved_queries(
    pair: Pair, measure: str, a: Results, b: Results, count: int
) -> tuple[list[MovedQuery], list[MovedQuery]]:
    """Return the `count` largest drops and rises from A to B; equal ones in the queries' order.

    Args:
        pair: with values of single queries.
        measure: what counts as better.
        a: results that `pair.a` is of.
        b: results that `pair.b` is of.
        count: of each at most.
    """
    differences = [
        (query, first, second)
        for query, first, second in zip(*pair.aligned(measure), strict=True)
        if differ(first, second)
    ]
    differences.sort(key=lambda item: item[2] - item[1])
    drops = [item for item in differences if item[2] < item[1]][:count]
    differences.sort(key=lambda item: item[1] - item[2])
    rises = [item for item in differences if item[2] > item[1]][:count]
    looks = _Look(a, pair.a), _Look(b, pair.b)
    return [_moved(*item, *looks) for item in drops], [_moved(*item, *looks) for item in rises]


class _Look:
    """Looks up what results hold of a query."""

    def __init__(self, results: Results, system: SystemResult) -> None:
        self._results, self._top = results, system.top
        self._places = {query.id: place for place, query in enumerate(results.queries)}

    def text(self, query: str) -> str | None:
        place = self._places.get(query)
        return None if place is None else self._results.queries[place].text

    def first(self, query: str) -> FirstDocument | None:
        place = self._places.get(query)
        if place is None or self._top is None or not self._top[place]:
            return None
        document = self._results.documents[self._top[place][0]]
        judged = self._results.queries[place].judged or {}
        return FirstDocument(id=document.id, title=document.title, grade=judged.get(document.id))


def _moved(query: str, a: float, b: float, look_a: _Look, look_b: _Look) -> MovedQuery:
    return MovedQuery(
        id=query,
        text=look_a.text(query) or look_b.text(query),
        a=a,
        b=b,
        difference=b - a,
        first_a=look_a.first(query),
        first_b=look_b.first(query),
    )
