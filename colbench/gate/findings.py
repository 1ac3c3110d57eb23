"""What counts in a gate, in sentences: failures, improvements, doubts, and the verdict of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from colbench.gate.record import CostVerdict, GateReport, Guard, MeasureVerdict, Verdict
from colbench.gate.wording import gated, growth, p_value, values
from colbench.report.formats import clean, points

_NAMED = 3
"""Findings that the first sentence names at most."""

GUARDS = {
    "identity": "identity",
    "lost_queries": "lost queries",
    "must_find": "critical query",
}
"""Key of a guard → its title."""


class Finding(NamedTuple):
    """One thing found.

    Attributes:
        system: of which system.
        what: measure, guard or cost.
        told: what was found, in words.
        why: why that is the verdict; empty where `told` says it.
    """

    system: str
    what: str
    told: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.short}: {clean(self.why)}" if self.why else self.short

    @property
    def short(self) -> str:
        """All but the reason."""
        return clean(f"{self.system}, {self.what}: {self.told}")


def verdict_fails(verdict: Verdict, report: GateReport) -> bool:
    """Return whether a verdict on effectiveness fails this gate, by its rules."""
    return verdict == "regressed" or (
        verdict == "inconclusive" and report.rules["inconclusive"] == "fail"
    )


def shown_p(verdict: MeasureVerdict) -> float | None:
    """Return the corrected p-value in the direction of the verdict."""
    return verdict.p_rise_holm if verdict.verdict == "improved" else verdict.p_holm


def measure_told(verdict: MeasureVerdict) -> str:
    """Return what happened to a measure."""
    means = f"{verdict.baseline:.4f} → {verdict.candidate:.4f}"
    shown = shown_p(verdict)
    p = f", Holm p {p_value(shown)}" if shown is not None else ""
    return f"{means} ({points(verdict.difference)} points{p})"


def cost_told(cost: CostVerdict) -> str:
    """Return what happened to a cost."""
    before, after = (value or "not measured" for value in values(cost))
    told = f"{before} → {after}"
    if cost.ratio is not None:
        told += f" ({growth(cost.ratio)}, at most {growth(cost.allowed)})"
    return told


def _of_measure(verdict: MeasureVerdict) -> Finding:
    told = f"{verdict.verdict}, {measure_told(verdict)}"
    return Finding(verdict.system, verdict.measure, told, verdict.reason)


def _of_guard(guard: Guard) -> Finding:
    return Finding(guard.system, GUARDS[guard.guard], guard.told)


def _of_cost(cost: CostVerdict) -> Finding:
    told = f"{cost.verdict}, {cost_told(cost)}"
    return Finding(cost.system, gated(cost.cost).title, told, cost.reason)


def failures(report: GateReport) -> list[Finding]:
    """Return what makes the gate a regression."""
    return [
        *(_of_measure(v) for v in report.verdicts if verdict_fails(v.verdict, report)),
        *(_of_guard(guard) for guard in report.guards if not guard.passed),
        *(_of_cost(cost) for cost in report.costs if cost.verdict == "regressed"),
    ]


def improvements(report: GateReport) -> list[Finding]:
    """Return what is better than the baseline, which a new baseline would hold on to."""
    return [
        *(_of_measure(v) for v in report.verdicts if v.verdict == "improved"),
        *(_of_cost(cost) for cost in report.costs if cost.verdict == "improved"),
    ]


def doubts(report: GateReport) -> list[Finding]:
    """Return the measures on which nothing is shown, where the rules let that pass."""
    return [
        _of_measure(v)
        for v in report.verdicts
        if v.verdict == "inconclusive" and not verdict_fails(v.verdict, report)
    ]


def headline(report: GateReport) -> str:
    """Return the verdict in one sentence."""
    if report.status == "regression":
        told = f"Regression: {_some([found.short for found in failures(report)])}"
        count = len(report.unjudged)
        return clean(f"{told}; {count} not judged" if count else told) + "."
    if report.status == "unjudged":
        return clean(f"Cannot be judged: {_some(report.unjudged)}") + "."
    systems = len({verdict.system for verdict in report.verdicts})
    measures = ", ".join(dict.fromkeys(verdict.measure for verdict in report.verdicts))
    told = f"Pass: no regression in {systems} system{'s' * (systems != 1)} ({measures})"
    further = [
        f"{len(found)} {name}"
        for name, found in (("improved", improvements(report)), ("inconclusive", doubts(report)))
        if found
    ]
    return clean("; ".join([told, *further])) + "."


def _some(told: Sequence[str]) -> str:
    more = len(told) - _NAMED
    return "; ".join(told[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
