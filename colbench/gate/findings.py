"""What counts in a gate, in sentences: failures, improvements, doubts, and the verdict of all.

Also how costs, rules, and where the two sides come from are written.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from colbench.gate.record import CostVerdict, GateReport, GateSide, Guard, MeasureVerdict, Verdict
from colbench.report.costs import Cost, costs
from colbench.report.formats import clean

_MOST_DIGITS = 10
"""Of a number that lies very near to its limit."""


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


def exact(number: float) -> str:
    """Return a number that the rules declare, as it was written there.

    >>> exact(100 * 0.0005), exact(100 * 0.07), exact(12.34567)
    ('0.05', '7', '12.34567')
    """
    return f"{round(number, 9):.10g}"


def limit(allowed: float) -> str:
    """Return the largest ratio that passes as growth, with all the digits that it has.

    >>> limit(1.5), limit(1.0005), limit(1.123456), limit(31.5)
    ('+50%', '+0.05%', '+12.3456%', '+3,050%')
    """
    return f"{round(100 * (allowed - 1), 9):+,.10g}%"


def growth(ratio: float | None, allowed: float | None = None) -> str:
    """Return a ratio as growth, with digits enough to see on which side of a limit it is.

    Args:
        ratio: candidate over baseline; nothing is returned for None.
        allowed: the largest ratio that passes; None where there is no limit.

    >>> growth(1.25), growth(1.0), growth(0.5), growth(1.0000001), growth(31.5)
    ('+25%', '+0%', '-50%', '+1e-05%', '+3,050%')
    >>> growth(1.50004, allowed=1.5), growth(1.00194, allowed=1.002)
    ('+50.004%', '+0.194%')
    """
    if ratio is None:
        return ""
    percent = round(100 * (ratio - 1), 9)

    def written(digits: int) -> str:
        return f"{percent:+,.0f}" if abs(percent) >= 10**digits else f"{percent:+.{digits}g}"

    border = None if allowed is None else round(100 * (allowed - 1), 9)
    return f"{_beside(percent, border, written)}%"


def points_beside(difference: float, smallest: float) -> str:
    """Return a difference in points, with digits enough to see whether it is a drop that matters.

    >>> points_beside(-0.0231, 0.005), points_beside(-0.00499, 0.005), points_beside(-4e-5, 5e-5)
    ('-2.31', '-0.499', '-0.004')
    """
    shown = 100 * difference

    def written(digits: int) -> str:
        text = f"{shown:+.{digits}f}"
        return text if float(text) else text[1:]

    decimals = len(exact(100 * smallest).partition(".")[2])
    return _beside(shown, -100 * smallest, written, first=max(2, decimals))


def p_value(value: float | None, alpha: float = 0.05) -> str:
    """Return a p-value; nothing for None.

    >>> p_value(0.0123456), p_value(0.00009999), p_value(0.0003, alpha=0.0005), p_value(0.0504)
    ('0.012', '< 0.001', '0.0003', '0.0504')
    """
    if value is None:
        return ""
    if value < 0.001 <= alpha:
        return "< 0.001"
    first = 3 if value >= 0.001 else 4
    return _beside(value, alpha, lambda digits: f"{value:.{digits}f}", first=first)


def _beside(
    value: float, border: float | None, written: Callable[[int], str], first: int = 3
) -> str:
    """Return a value with as few digits as leave it on its side of a border, and apart from it."""
    for digits in range(first, _MOST_DIGITS):
        shown = float(written(digits).replace(",", ""))
        is_told = shown != border and border is not None and (shown < border) == (value < border)
        if border is None or value == border or is_told:
            return written(digits)
    return written(_MOST_DIGITS)


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
    drops = ", ".join(f"{name} {exact(100 * drop)}" for name, drop in rules["measures"].items())
    lost, allowed = rules["lost_queries"], rules["costs"]
    parts = [
        f"a drop matters from (points): {drops}" if drops else "no effectiveness is judged",
        f"alpha {exact(rules['alpha'])}, Holm-corrected",
        f"{rules['resamples']:,} draws, seed {rules['seed']}",
        f"identity of {', '.join(rules['exact']) or 'no kind of system'}",
        f"inconclusive: {rules['inconclusive']}",
        f"lost queries: at most {lost['at_most']} or {exact(100 * lost['share'])}%"
        if lost
        else "lost queries: not guarded",
        f"critical queries: {len(rules['must_find'])}",
        "growth at most: "
        + (
            ", ".join(
                f"{known.title} {exact(100 * allowed[known.source])}%"
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


def measure_summary(verdict: MeasureVerdict, alpha: float = 0.05) -> str:
    """Return what happened to a measure."""
    difference = points_beside(verdict.difference, verdict.smallest_drop)
    digits = max(4, len(difference.partition(".")[2]) + 2)
    means = f"{verdict.baseline:.{digits}f} → {verdict.candidate:.{digits}f}"
    p_value_text = p_text(verdict)
    p = f", Holm p {p_value(p_value_text, alpha)}" if p_value_text is not None else ""
    return f"{means} ({difference} points{p})"


def cost_summary(cost: CostVerdict) -> str:
    """Return what happened to a cost."""
    before, after = (value or "not measured" for value in values(cost))
    change = f"{before} → {after}"
    if cost.ratio is not None:
        change += f" ({growth(cost.ratio, cost.allowed)}, at most {limit(cost.allowed)})"
    return change


def _of_measure(verdict: MeasureVerdict, report: GateReport) -> Finding:
    summary = f"{verdict.verdict}, {measure_summary(verdict, report.rules['alpha'])}"
    return Finding(verdict.system, verdict.measure, summary, verdict.reason)


def _of_guard(guard: Guard) -> Finding:
    return Finding(guard.system, GUARDS[guard.guard], guard.finding)


def _of_cost(cost: CostVerdict) -> Finding:
    summary = f"{cost.verdict}, {cost_summary(cost)}"
    return Finding(cost.system, gated(cost.cost).title, summary, cost.reason)


def failures(report: GateReport) -> list[Finding]:
    """Return what makes the gate a regression."""
    return [
        *(_of_measure(v, report) for v in report.verdicts if verdict_fails(v.verdict, report)),
        *(_of_guard(guard) for guard in report.guards if not guard.passed),
        *(_of_cost(cost) for cost in report.costs if cost.verdict == "regressed"),
    ]


def improvements(report: GateReport) -> list[Finding]:
    """Return what is better than the baseline, which a new baseline would hold on to."""
    return [
        *(_of_measure(v, report) for v in report.verdicts if v.verdict == "improved"),
        *(_of_cost(cost) for cost in report.costs if cost.verdict == "improved"),
    ]


def doubts(report: GateReport) -> list[Finding]:
    """Return the measures on which nothing is shown, where the rules let that pass."""
    return [
        _of_measure(v, report)
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
