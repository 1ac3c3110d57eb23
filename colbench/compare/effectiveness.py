"""Differences in effectiveness of pairs of systems: paired tests and bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from colbench.compare.record import MeasureChange
from colbench.measures.bootstrap import mean_difference
from colbench.measures.significance import Significance, Test, compare_to_reference, holm
from colbench.results.schema import SystemResult

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
