"""What a gate found: the report of it, the same in the terminal and in Markdown."""

from __future__ import annotations

from typing import Any

from colbench.compare.record import Change
from colbench.compare.sections import changes_table, limits, moved_table, section
from colbench.gate.findings import GUARDS, failures, headline, improvements, p_text
from colbench.gate.record import CostVerdict, GateReport, GateSide, MeasureVerdict
from colbench.gate.wording import accept_command, gated, growth, origin, p_value, rules_line
from colbench.gate.wording import values as cost_values
from colbench.report.formats import clean, fraction, points
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Paragraph,
    Prose,
    Section,
    Style,
    Table,
    caption,
    names,
    numbers,
    texts,
)

_SIDES = ("baseline", "candidate")
_STYLES: dict[str, Style] = {"pass": "good", "regression": "bad", "unjudged": "doubtful"}

LONG = 8
"""Rows beyond which settings that differ are folded."""


def gate_document(report: GateReport) -> Document:
    """Return the report of a gate, the verdict first."""
    lead: list[Block] = [
        Paragraph(headline(report), _STYLES[report.status]),
        Paragraph(caption(report), "caption"),
    ]
    if found := notes(report):
        lead.append(Bullets(found))
    if command := next_command(report):
        lead.append(Paragraph(Code(command)))
    sides = [_side("baseline", report.baseline), _side("candidate", report.candidate)]
    rules = Paragraph(f"rules: {rules_line(report.rules)}")
    shown = [*sections(report), Section("Origin", [Bullets(sides), rules])]
    return Document("Retrieval quality", lead, shown)


def _side(title: str, side: GateSide) -> Prose:
    return (f"{title}: ", Code(side.path), f" ({origin(side)}), made by ", Code(side.command))


def notes(report: GateReport) -> list[str]:
    """Return what stands above the tables."""
    lines = [*report.notes]
    if failures(report):
        lines.append("if this is intended, accept a new baseline and say why with --reason")
    elif improvements(report):
        lines.append("better than the baseline: accept a new one, so that it is not lost again")
    return [clean(note) for note in lines]


def next_command(report: GateReport) -> str:
    """Return the command that accepts the candidate, where there is a reason to; else nothing."""
    return accept_command(report) if improvements(report) or failures(report) else ""


def sections(report: GateReport) -> list[Section]:
    """Return the sections that have something to say."""
    parts = [
        _effectiveness(report),
        _guards(report),
        _costs(report),
        Section("Not judged", [Bullets(report.unjudged)] if report.unjudged else []),
        _worst(report),
        *changed(report),
    ]
    return [one for one in parts if one.blocks]


def _effectiveness(report: GateReport) -> Section:
    columns = [
        *names("system"),
        *texts("measure"),
        *texts("verdict", priority=0),
        *texts("why", priority=4, optional=True),
        *numbers(fraction, *_SIDES, priority=1),
        *numbers(points, "points", priority=1),
        Column(title="interval"),
        *numbers(p_value, "p (Holm)"),
        Column(title="worse / better"),
    ]
    level = f"{1 - report.rules['alpha']:.0%}"
    legend = (
        "points: candidate minus baseline, × 100. interval: one-sided limits, each at "
        f"{level}, bootstrap over queries (BCa), not corrected. p: no drop (of an improvement: no "
        "rise), one-sided, Holm-corrected over all systems and measures tested. worse / better: "
        "queries."
    )
    table = Table("", columns, [_measure(verdict) for verdict in report.verdicts])
    return section("Effectiveness", [table.compact()], legend)


def _measure(verdict: MeasureVerdict) -> list[Any]:
    return [
        *(verdict.system, verdict.measure, verdict.verdict, verdict.reason or None),
        *(verdict.baseline, verdict.candidate, verdict.difference),
        limits(verdict.low, verdict.high),
        p_text(verdict),
        f"{verdict.lower} / {verdict.higher}",
    ]


def _guards(report: GateReport) -> Section:
    columns = [*names("system"), *texts("guard", "verdict"), *texts("why", priority=4)]
    rows = [
        [guard.system, GUARDS[guard.guard], "passed" if guard.passed else "failed", guard.finding]
        for guard in report.guards
    ]
    return section("Guards", [Table("", columns, rows)])


def _costs(report: GateReport) -> Section:
    columns = [
        *names("system"),
        *texts("cost"),
        *texts("verdict", priority=0),
        *texts("why", priority=4, optional=True),
        *numbers(str, *_SIDES, priority=1),
        *numbers(growth, "growth", "at most"),
    ]
    legend = (
        "Latency: median over single queries, over that of fixed work timed beside it (GEMM: a "
        "matrix product; scan: a matrix times a vector)."
    )
    table = Table("", columns, [_cost(cost) for cost in report.costs])
    return section("Costs", [table.compact()], legend)


def _cost(cost: CostVerdict) -> list[Any]:
    before, after = cost_values(cost)
    return [
        *(cost.system, gated(cost.cost).title, cost.verdict, cost.reason or None),
        *(Cell(cost.baseline, before), Cell(cost.candidate, after)),
        *(cost.ratio, cost.allowed),
    ]


def _worst(report: GateReport) -> Section:
    tables = [
        moved_table(
            f"{worst.system}, {worst.measure}", worst.queries, _SIDES, ("first then", "first now")
        )
        for worst in report.worst
    ]
    legend = "first then, first now: the document ranked first, and its judgment where known."
    return section("Queries that lost most", tables, legend)


def changed(report: GateReport) -> list[Section]:
    """Return what differs between the two sides: settings, and where they ran."""
    keys = {change.key for change in report.config}
    systems = [
        (
            system.system,
            [c for c in system.changes if f"system.{system.system}.{c.key}" not in keys],
        )
        for system in report.systems
    ]
    return [
        _changes("Configuration", [("", report.config)], "key"),
        _changes("Systems", systems, "setting"),
        _changes("Environment", [("", report.environment)], "key"),
    ]


def _changes(heading: str, found: list[tuple[str, list[Change]]], title: str) -> Section:
    tables = [changes_table(changes, title, system, _SIDES) for system, changes in found]
    return section(heading, tables, folded=LONG)
