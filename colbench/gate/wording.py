"""How costs, rules, and where the two sides come from are written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from colbench.gate.record import CostVerdict, GateReport, GateSide
from colbench.report.rows import number, size, three_digits

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class _Cost(NamedTuple):
    title: str
    shown: Callable[[float], str]
    exact: Callable[[float], str]


def _bytes(value: float) -> str:
    return f"{value:,.0f} B"


_SIZES = (lambda value: size(int(value)), _bytes)
COSTS = {
    "index_bytes": _Cost("index", *_SIZES),
    "bytes_per_vector": _Cost(
        "bytes per vector", lambda value: f"{number(value)} B", lambda value: f"{value:.10g} B"
    ),
    "peak_rss_bytes": _Cost("peak RAM", *_SIZES),
    "encode_latency": _Cost(
        "encode latency",
        lambda value: f"{three_digits(value)} × GEMM",
        lambda value: f"{value:.10g} × GEMM",
    ),
    "search_latency": _Cost(
        "search latency",
        lambda value: f"{three_digits(value)} × scan",
        lambda value: f"{value:.10g} × scan",
    ),
}
"""Key of the rules' costs → title, and how its values are written: shortly and exactly."""


def clean(value: str) -> str:
    r"""Return `value` as one line without control characters, which ids and texts may hold.

    >>> clean("two\nlines, \x1b[31mred")
    'two lines, �[31mred'
    """
    return _UNSEEN.sub("\ufffd", " ".join(value.split()))


def values(cost: CostVerdict) -> tuple[str, str]:
    """Return the baseline's value and the candidate's; in full where rounded ones look equal."""
    known = COSTS[cost.cost]
    shown = [_shown(value, known.shown) for value in (cost.baseline, cost.candidate)]
    if shown[0] == shown[1] and cost.baseline != cost.candidate:
        shown = [_shown(value, known.exact) for value in (cost.baseline, cost.candidate)]
    return shown[0], shown[1]


def _shown(value: float | None, how: Callable[[float], str]) -> str:
    return "" if value is None else how(value)


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
    told = ", ".join(facts)
    return clean(f"{told}: {side.reason}" if side.reason else told)


def accept_command(report: GateReport) -> str:
    """Return the command that makes the candidate the baseline."""
    # Plain results are no baseline file that could be written anew.
    target = report.baseline.path if report.baseline.accepted else "baseline.json"
    words = ["colbench", "baseline", "accept", report.candidate.path, "--output", target]
    return clean(shlex.join(words))


def rules_line(rules: Mapping[str, Any]) -> str:
    """Return the rules in one line."""
    drops = ", ".join(f"{name} {100 * drop:g}" for name, drop in rules["measures"].items())
    lost, costs = rules["lost_queries"], rules["costs"]
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
                f"{known.title} {100 * costs[key]:g}%"
                for key, known in COSTS.items()
                if costs.get(key) is not None
            )
            or "not limited"
        ),
    ]
    if rules["systems"] is not None:
        parts.insert(0, f"systems: {', '.join(rules['systems'])}")
    return clean("; ".join(parts))
