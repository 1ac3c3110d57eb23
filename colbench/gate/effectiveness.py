"""Verdicts on effectiveness: paired tests against the smallest drop that matters.

- regressed: the mean is lower by at least the smallest drop that matters, and the drop is shown
  (one-sided, Holm-corrected over everything tested, at the rules' alpha);
- improved: the same upwards;
- unchanged: neither, and a drop of that size is excluded (the one-sided lower limit lies above it,
  the test of non-inferiority);
- inconclusive: neither shown nor excluded.

A drop that is shown and too small to matter is therefore unchanged, and a large one that chance
explains is inconclusive: no tolerance is widened to let either pass. The tests are those of
`colbench.measures.paired`. An exact path is judged by identity: there any difference counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedPair
from colbench.measures.paired import PairedTest, paired_tests
from colbench.measures.significance import holm
from colbench.results.gate import MeasureVerdict, Verdict

_TIE = 1e-9


class _Cell(NamedTuple):
    pair: GatedPair
    measure: str


def measure_verdicts(pairs: Sequence[GatedPair], rules: GateRules) -> list[MeasureVerdict]:
    """Judge every pair on every measure of the rules that it has values of."""
    cells = [
        _Cell(pair, measure)
        for pair in pairs
        for measure in rules.measures
        if measure in pair.values_before and measure in pair.values_after
    ]
    tested = [cell for cell in cells if not cell.pair.exact]
    judged = dict(zip(map(_key, tested), _test(tested, rules), strict=True))
    return [judged.get(_key(cell)) or _by_identity(cell, rules) for cell in cells]


def _key(cell: _Cell) -> tuple[str, str]:
    return cell.pair.name, cell.measure


def _differences(cell: _Cell) -> list[float]:
    before, after = cell.pair.values_before[cell.measure], cell.pair.values_after[cell.measure]
    return [second - first for first, second in zip(before, after, strict=True)]


def _test(cells: Sequence[_Cell], rules: GateRules) -> list[MeasureVerdict]:
    if not cells:
        return []
    matrix = np.array([_differences(cell) for cell in cells]).T
    tests = paired_tests(matrix, alpha=rules.alpha, resamples=rules.resamples, seed=rules.seed)
    drops = holm([test.p_drop for test in tests])
    rises = holm([test.p_rise for test in tests])
    return [
        _verdict(cell, test, drop, rise, rules, len(cells))
        for cell, test, drop, rise in zip(cells, tests, drops, rises, strict=True)
    ]


def decide(
    test: PairedTest, p_drop: float, p_rise: float, smallest: float, alpha: float
) -> Verdict:
    """Return the verdict of a test whose p-values are corrected.

    >>> shown = PairedTest(-0.02, -0.03, -0.01, 0.001, 1.0, 0.1)
    >>> decide(shown, 0.004, 1.0, smallest=0.005, alpha=0.05)
    'regressed'
    >>> decide(shown, 0.004, 1.0, smallest=0.05, alpha=0.05)
    'unchanged'
    >>> decide(shown, 0.2, 1.0, smallest=0.005, alpha=0.05)
    'inconclusive'
    """
    if test.mean <= -smallest + _TIE and p_drop <= alpha:
        return "regressed"
    if test.mean >= smallest - _TIE and p_rise <= alpha:
        return "improved"
    return "unchanged" if test.low is not None and test.low > -smallest else "inconclusive"


def verdicts_of(
    differences: Mapping[tuple[str, str], NDArray[np.float64]], rules: GateRules, family: int
) -> dict[tuple[str, str], Verdict]:
    """Judge differences of single queries, (system, measure) → float64 array (queries,).

    Args:
        differences: candidate minus baseline, of systems that a test judges.
        rules: of the gate.
        family: tests that the correction counts, at least as many as there are differences; those
            beyond are of systems without a difference.
    """
    tests = paired_tests(
        np.array(list(differences.values())).T,
        alpha=rules.alpha,
        resamples=rules.resamples,
        seed=rules.seed,
    )
    untouched = [1.0] * (family - len(tests))
    drops = holm([test.p_drop for test in tests] + untouched)
    rises = holm([test.p_rise for test in tests] + untouched)
    return {
        cell: decide(test, drop, rise, rules.measures[cell[1]], rules.alpha)
        for cell, test, drop, rise in zip(differences, tests, drops, rises, strict=False)
    }


def queries_needed(test: PairedTest, smallest: float, alpha: float, tests: int) -> int | None:
    """Return about how many queries would decide, if they are like those seen.

    By the normal approximation: enough for the drop to be shown, where the mean is low enough to
    matter, else enough to exclude one that does.

    Args:
        test: what was seen.
        smallest: smallest drop that matters.
        alpha: level of the gate.
        tests: how many tests share it.

    Returns:
        None where nothing can be said: no query differs, or there is a single one.

    >>> queries_needed(PairedTest(0.0, -0.01, 0.01, 0.5, 0.5, 0.1), 0.005, 0.05, 1)
    1083
    """
    if not test.deviation:
        return None
    matters = test.mean <= -smallest
    level = 1 - alpha / tests if matters else 1 - alpha
    distance = -test.mean if matters else test.mean + smallest
    if distance <= _TIE:
        return None
    return math.ceil((NormalDist().inv_cdf(level) * test.deviation / distance) ** 2)


def _verdict(
    cell: _Cell, test: PairedTest, drop: float, rise: float, rules: GateRules, tests: int
) -> MeasureVerdict:
    smallest = rules.measures[cell.measure]
    verdict = decide(test, drop, rise, smallest, rules.alpha)
    count = len(cell.pair.queries)
    more = None
    if verdict == "inconclusive":
        needed = queries_needed(test, smallest, rules.alpha, tests)
        more = None if needed is None else max(needed - count, 1)
    found = _found(cell, verdict, smallest)
    return found.model_copy(
        update={
            "low": test.low,
            "high": test.high,
            "p_drop": test.p_drop,
            "p_holm": drop,
            "more_queries": more,
            "reason": _reason(verdict, test, smallest, more),
        }
    )


def _found(cell: _Cell, verdict: Verdict, smallest: float) -> MeasureVerdict:
    before, after = cell.pair.values_before[cell.measure], cell.pair.values_after[cell.measure]
    differences = _differences(cell)
    return MeasureVerdict(
        system=cell.pair.name,
        measure=cell.measure,
        verdict=verdict,
        judged_by="identity" if cell.pair.exact else "test",
        baseline=sum(before) / len(before),
        candidate=sum(after) / len(after),
        difference=sum(differences) / len(differences),
        smallest_drop=smallest,
        queries=len(differences),
        lower=sum(value < -_TIE for value in differences),
        higher=sum(value > _TIE for value in differences),
        reason="",
    )


def _by_identity(cell: _Cell, rules: GateRules) -> MeasureVerdict:
    found = _found(cell, "unchanged", rules.measures[cell.measure])
    if not found.lower and not found.higher:
        told = "an exact path, the baseline's values"
        return found.model_copy(update={"reason": told})
    verdict = "improved" if found.difference > _TIE else "regressed"
    told = "an exact path must be identical: same settings, versions and machine"
    return found.model_copy(update={"verdict": verdict, "reason": told})


def _reason(verdict: Verdict, test: PairedTest, smallest: float, more: int | None) -> str:
    matters = f"{100 * smallest:g} {'point' if smallest == 0.01 else 'points'}"
    if verdict == "regressed":
        return f"a drop of at least {matters}, and shown"
    if verdict == "improved":
        return f"a rise of at least {matters}, and shown: accept a new baseline"
    if verdict == "unchanged":
        return f"a drop of {matters} or more is excluded"
    if test.mean <= -smallest + _TIE:
        told = f"a drop of at least {matters}, which chance explains"
    else:
        told = f"a drop of {matters} or more is not excluded"
    return told if more is None else f"{told}; about {more:,} more queries would decide"
