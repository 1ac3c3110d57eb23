"""Verdicts on effectiveness, of every system and measure, against the smallest drop that matters.

A deterministic system is judged by identity: there any difference counts. All others are judged by
paired tests:

- regressed: the mean is lower by at least the smallest drop that matters, and the drop is shown
  (one-sided, Holm-corrected over everything tested, at the rules' alpha);
- improved: the same upwards;
- unchanged: neither, and the one-sided lower limit of the mean difference lies above that drop
  (a test of non-inferiority, not corrected);
- inconclusive: neither shown nor excluded.

A large drop that chance explains is inconclusive, and so is a drop that is shown but of which it is
open whether it is large enough to matter: no tolerance is widened to let either pass. The tests are
those of `colbench.measures.paired`. The limit is of queries like these: of a kind of query that is
not among them nothing is known, and where only a handful differ it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colbench.gate.record import MeasureVerdict, Verdict
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedPair
from colbench.measures.paired import PairedTest, paired_tests
from colbench.measures.significance import holm, least_queries
from colbench.measures.ties import TIE, outcomes


def draws(rules: GateRules, tests: int) -> int:
    """Return how many draws a gate of so many tests needs: p-values end at one over them."""
    return max(rules.resamples, math.ceil(2 * tests / rules.alpha))


class Corrected(NamedTuple):
    """Holm-corrected p-values of one test.

    Attributes:
        drop: of "the mean is not below 0".
        rise: of "the mean is not above 0".
    """

    drop: float
    rise: float


def correct(tests: Sequence[PairedTest], family: int) -> list[Corrected]:
    """Correct the tests of a gate; those of its family that are not given have no difference."""
    untouched = [1.0] * (family - len(tests))
    drops = holm([test.p_drop for test in tests] + untouched)
    rises = holm([test.p_rise for test in tests] + untouched)
    return [Corrected(*both) for both in zip(drops, rises, strict=True)][: len(tests)]


def decide(test: PairedTest, p: Corrected, smallest: float, alpha: float) -> Verdict:
    """Return the verdict of a test.

    >>> shown = PairedTest(-0.02, -0.03, -0.01, 0.001, 1.0, 0.1)
    >>> decide(shown, Corrected(0.004, 1.0), smallest=0.005, alpha=0.05)
    'regressed'
    >>> decide(shown, Corrected(0.004, 1.0), smallest=0.05, alpha=0.05)
    'unchanged'
    >>> decide(shown, Corrected(0.2, 1.0), smallest=0.005, alpha=0.05)
    'inconclusive'
    """
    if matters(test, smallest) and p.drop <= alpha:
        return "regressed"
    if test.mean >= smallest - TIE and p.rise <= alpha:
        return "improved"
    excluded = test.low is not None and test.low > -smallest + TIE
    return "unchanged" if excluded else "inconclusive"


def matters(test: PairedTest, smallest: float) -> bool:
    """Return whether the mean is lower by at least the smallest drop that matters."""
    return test.mean <= -smallest + TIE


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
        resamples=draws(rules, family),
        seed=rules.seed,
    )
    return {
        cell: decide(test, p, rules.measures[cell[1]], rules.alpha)
        for cell, test, p in zip(differences, tests, correct(tests, family), strict=True)
    }


def queries_needed(test: PairedTest, smallest: float, alpha: float, tests: int) -> int | None:
    """Return about how many queries would decide, if they are like those seen.

    By the normal approximation: enough for the drop to be shown, where the mean is low enough to
    matter, else enough to exclude one that does; and never fewer than can show anything.

    Args:
        test: what was seen.
        smallest: smallest drop that matters.
        alpha: level of the gate.
        tests: how many tests share it.

    Returns:
        None where nothing can be said: the mean lies on the border.

    >>> queries_needed(PairedTest(0.0, -0.01, 0.01, 0.5, 0.5, 0.1), 0.005, 0.05, 1)
    1083
    """
    low_enough = matters(test, smallest)
    level = 1 - alpha / tests if low_enough else 1 - alpha
    distance = -test.mean if low_enough else test.mean + smallest
    if distance <= TIE:
        return None
    wanted = math.ceil((NormalDist().inv_cdf(level) * test.deviation / distance) ** 2)
    return max(wanted, least_queries(tests, alpha, sides=1))


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
    count = len(cells)
    tests = paired_tests(matrix, alpha=rules.alpha, resamples=draws(rules, count), seed=rules.seed)
    return [
        _verdict(cell, test, corrected, rules, count)
        for cell, test, corrected in zip(cells, tests, correct(tests, count), strict=True)
    ]


def _verdict(
    cell: _Cell, test: PairedTest, p: Corrected, rules: GateRules, tests: int
) -> MeasureVerdict:
    smallest = rules.measures[cell.measure]
    verdict = decide(test, p, smallest, rules.alpha)
    more = None
    if verdict == "inconclusive":
        needed = queries_needed(test, smallest, rules.alpha, tests)
        more = None if needed is None else max(needed - len(cell.pair.queries), 1)
    return _found(cell, verdict, smallest).model_copy(
        update={
            "low": test.low,
            "high": test.high,
            "p_drop": test.p_drop,
            "p_holm": p.drop,
            "p_rise": test.p_rise,
            "p_rise_holm": p.rise,
            "more_queries": more,
            "reason": _reason(verdict, test, smallest, more, shown=p.drop <= rules.alpha),
        }
    )


def _found(cell: _Cell, verdict: Verdict, smallest: float) -> MeasureVerdict:
    before, after = cell.pair.values_before[cell.measure], cell.pair.values_after[cell.measure]
    differences = _differences(cell)
    counted = outcomes(differences)
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
        lower=counted.losses,
        higher=counted.wins,
        reason="",
    )


def _by_identity(cell: _Cell, rules: GateRules) -> MeasureVerdict:
    unchanged = _found(cell, "unchanged", rules.measures[cell.measure])
    if not unchanged.lower and not unchanged.higher:
        reason = "a deterministic system, the baseline's values"
        return unchanged.model_copy(update={"reason": reason})
    verdict = "improved" if unchanged.difference > TIE else "regressed"
    reason = "a deterministic system must be identical: same settings, versions and machine"
    return unchanged.model_copy(update={"verdict": verdict, "reason": reason})


def _reason(
    verdict: Verdict, test: PairedTest, smallest: float, more: int | None, *, shown: bool
) -> str:
    least = f"{round(100 * smallest, 9):.10g} {'point' if smallest == 0.01 else 'points'}"
    if verdict == "regressed":
        return f"a drop of at least {least}, and shown"
    if verdict == "improved":
        return f"a rise of at least {least}, and shown: accept a new baseline"
    if verdict == "unchanged":
        differs = test.deviation or test.mean
        return f"the interval excludes a drop of {least}" if differs else "no query differs"
    if matters(test, smallest):
        reason = f"a drop of at least {least}, which chance explains"
    elif shown:
        reason = f"a drop is shown; whether it reaches {least} is open"
    else:
        reason = f"a drop of {least} or more is not excluded"
    if more is None:
        return reason
    return f"{reason}; about {more:,} more quer{'y' if more == 1 else 'ies'} would decide"
