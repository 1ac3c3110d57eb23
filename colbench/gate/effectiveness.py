"""Verdicts on effectiveness, of every system and measure.

A system is judged by paired tests (`colbench.gate.decision` says how); a deterministic system by
identity: there any difference counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from colbench.gate.decision import Corrected, correct, decide, draws, matters, queries_needed
from colbench.gate.record import MeasureVerdict, Verdict
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedPair
from colbench.measures.paired import PairedTest, paired_tests
from colbench.measures.ties import TIE, outcomes


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
    least = f"{100 * smallest:g} {'point' if smallest == 0.01 else 'points'}"
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
