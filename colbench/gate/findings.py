"""What counts in a gate, in sentences: failures, improvements, doubts, and the verdict of all.

Also how costs, rules, and where the two sides come from are written.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from colbench.gate.record import CostVerdict, GateReport, GateSide, Guard, MeasureVerdict, Verdict
from colbench.report.costs import Cost, costs
from colbench.report.formats import clean, points


def gated(key: str) -> Cost:
    """Return the cost that the rules name so."""
    return next(cost for cost in costs("gate") if cost.source == key)


def values(cost: CostVerdict) -> tuple[str, str]:
    """Return the baseline's value and the candidate's; in full where rounded ones look equal."""
    known = gated(cost.cost)
    texts = [known.told(value) for value in (cost.baseline, cost.candidate)]
    if texts[0] == texts[1] and cost.baseline != cost.candidate:
        texts = [known.told(value, exact=True) for value in (cost.baseline, cost.candidate)]
    return texts[0], texts[1]


def growth(ratio: float | None) -> str:
    """Return a ratio as growth; nothing for None.

    >>> growth(1.25), growth(1.0), growth(0.5), growth(1.0000001), growth(31.5)
    ('+25%', '+0%', '-50%', '+1e-05%', '+3,050%')
    """
    if ratio is None:
        return ""
    percent = 100 * (ratio - 1)
    return f"{percent:+,.0f}%" if abs(percent) >= 1000 else f"{round(percent, 9):+.3g}%"


def p_value(value: float | None) -> str:
    """Return a p-value; nothing for None.

    >>> p_value(0.0123456), p_value(0.00009999)
    ('0.012', '< 0.001')
    """
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def origin(side: GateSide) -> str:
    """Return where one side comes from, but for its path and its command."""
    facts = [side.experiment, f"run {side.created}"]
    if side.git_commit:
        facts.append(f"commit {side.git_commit[:12]}")
    if side.accepted:
        facts.append(f"accepted {side.accepted}")
    description = ", ".join(facts)
    return clean(f"{description}: {side.reason}" if side.reason else description)


def accept_command(report: GateReport) -> str:
    """Return the command that makes the candidate the baseline."""
    # Plain results are no baseline file that could be written anew.
    target = report.baseline.path if report.baseline.accepted else "baseline.json"
    words = ["colbench", "baseline", "accept", report.candidate.path, "--output", target]
    return clean(shlex.join(words))


def rules_line(rules: Mapping[str, Any]) -> str:
    """Return the rules in one line."""
    drops = ", ".join(f"{name} {100 * drop:g}" for name, drop in rules["measures"].items())
    lost, allowed = rules["lost_queries"], rules["costs"]
    parts = [
        f"a drop matters from (points): {drops}",
        f"alpha {rules['alpha']:g}, Holm-corrected",
        f"{rules['resamples']:,} draws, seed {rules['seed']}",
        f"identity of {', '.join(rules['exact']) or 'no kind of system'}",
        f"inconclusive: {rules['inconclusive']}",
        f"lost queries: at most {lost['at_most']} or {100 * lost['share']:g}%"
        if lost
        else "lost queries: not guarded",
        f"critical queries: {len(rules['must_find'])}",
        "growth at most: "
        + (
            ", ".join(
                f"{known.title} {100 * allowed[known.source]:g}%"
                for known in costs("gate")
                if allowed.get(known.source) is not None
            )
            or "not limited"
        ),
    ]
    if rules["systems"] is not None:
        parts.insert(0, f"systems: {', '.join(rules['systems'])}")
    return clean("; ".join(parts))


_NAMED = 3
"""Findings that the first sentence names at most."""

GUARDS = {
    "identity": "identity",
    "lost_queries": "lost queries",
    "must_find": "critical query",
    "runs": "can be measured",
}
"""Key of a guard → its title."""


class Finding(NamedTuple):
    """One thing found.

    Attributes:
        system: of which system.
        what: measure, guard or cost.
        summary: what was found, in words.
        why: why that is the verdict; empty where `summary` says it.
    """

    system: str
    what: str
    summary: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.short}: {clean(self.why)}" if self.why else self.short

    @property
    def short(self) -> str:
        """All but the reason."""
        return clean(f"{self.system}, {self.what}: {self.summary}")


def verdict_fails(verdict: Verdict, report: GateReport) -> bool:
    """Return whether a verdict on effectiveness fails this gate, by its rules."""
    return verdict == "regressed" or (
        verdict == "inconclusive" and report.rules["inconclusive"] == "fail"
    )


def p_text(verdict: MeasureVerdict) -> float | None:
    """Return the corrected p-value in the direction of the verdict."""
    return verdict.p_rise_holm if verdict.verdict == "improved" else verdict.p_holm


def measure_summary(verdict: MeasureVerdict) -> str:
    """Return what happened to a measure."""
    means = f"{verdict.baseline:.4f} → {verdict.candidate:.4f}"
    p_value_text = p_text(verdict)
    p = f", Holm p {p_value(p_value_text)}" if p_value_text is not None else ""
    return f"{means} ({points(verdict.difference)} points{p})"


def cost_summary(cost: CostVerdict) -> str:
    """Return what happened to a cost."""
    before, after = (value or "not measured" for value in values(cost))
    change = f"{before} → {after}"
    if cost.ratio is not None:
        change += f" ({growth(cost.ratio)}, at most {growth(cost.allowed)})"
    return change


def _of_measure(verdict: MeasureVerdict) -> Finding:
    summary = f"{verdict.verdict}, {measure_summary(verdict)}"
    return Finding(verdict.system, verdict.measure, summary, verdict.reason)


def _of_guard(guard: Guard) -> Finding:
    return Finding(guard.system, GUARDS[guard.guard], guard.finding)


def _of_cost(cost: CostVerdict) -> Finding:
    summary = f"{cost.verdict}, {cost_summary(cost)}"
    return Finding(cost.system, gated(cost.cost).title, summary, cost.reason)


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
        line = f"Regression: {_some([findings.short for findings in failures(report)])}"
        count = len(report.unjudged)
        return clean(f"{line}; {count} not judged" if count else line) + "."
    if report.status == "unjudged":
        return clean(f"Cannot be judged: {_some(report.unjudged)}") + "."
    systems = len({verdict.system for verdict in report.verdicts})
    measures = ", ".join(dict.fromkeys(verdict.measure for verdict in report.verdicts))
    line = f"Pass: no regression in {systems} system{'s' * (systems != 1)} ({measures})"
    further = [
        f"{len(findings)} {name}"
        for name, findings in (("improved", improvements(report)), ("inconclusive", doubts(report)))
        if findings
    ]
    return clean("; ".join([line, *further])) + "."


def _some(sentences: Sequence[str]) -> str:
    more = len(sentences) - _NAMED
    return "; ".join(sentences[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
