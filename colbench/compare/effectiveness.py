"""Differences in effectiveness of pairs of systems: paired tests, bootstrap intervals, and the
queries on which two differ most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from colbench.compare.record import FirstDocument, MeasureChange, MovedQuery
from colbench.measures.bootstrap import mean_difference
from colbench.measures.significance import Significance, Test, compare_to_reference, holm
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
) -> list[list[MeasureChange]]:
    """Return for each pair its measures, tested where values of single queries are there.

    Holm's correction counts every pair and measure tested.

    Raises:
        DataError: the values of a pair are not of the same queries.
    """
    tests = {
        _Cell(number, measure): results_of_tests
        for number, pair in enumerate(pairs)
        for measure, results_of_tests in _tests(pair, pair.tested(measures), test).items()
    }
    p_values = {cell: t.p_value for cell, t in tests.items() if t.p_value is not None}
    corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [
        [
            _change(pair, measure, tests.get(cell), corrected.get(cell), alpha)
            for measure in pair.measures(measures)
            for cell in [_Cell(number, measure)]
        ]
        for number, pair in enumerate(pairs)
    ]


def _tests(pair: Pair, measures: Sequence[str], test: Test) -> dict[str, Significance]:
    if not measures or pair.values_a is None or pair.values_b is None:
        return {}
    return compare_to_reference("A", {"A": pair.values_a, "B": pair.values_b}, measures, test)["B"]


def _change(
    pair: Pair, measure: str, test: Significance | None, p_holm: float | None, alpha: float
) -> MeasureChange:
    a, b = (pair.a.effectiveness or {})[measure], (pair.b.effectiveness or {})[measure]
    if test is None:
        return MeasureChange(measure=measure, a=a, b=b, difference=b - a)
    _, values_a, values_b = pair.aligned(measure)
    interval = mean_difference(values_b, values_a)
    return MeasureChange(
        measure=measure,
        a=a,
        b=b,
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        p_value=test.p_value,
        p_holm=p_holm,
        significant=None if p_holm is None else p_holm <= alpha,
        wins=test.wins,
        ties=test.ties,
        losses=test.losses,
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
