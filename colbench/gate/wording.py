"""How costs, rules, and where the two sides come from are written."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from colbench.gate.record import CostVerdict, GateReport, GateSide
from colbench.report.costs import Cost, costs
from colbench.report.formats import clean


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
