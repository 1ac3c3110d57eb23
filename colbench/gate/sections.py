"""What a gate found: headings, notes and cells, the same in the terminal and in Markdown."""

from __future__ import annotations

from dataclasses import replace

from colbench.compare.record import Change
from colbench.compare.sections import changes_table, query_cells
from colbench.compare.tables import ComparisonTable, Section, points
from colbench.gate.findings import GUARDS, failures, improvements, shown_p
from colbench.gate.record import CostVerdict, GateReport, MeasureVerdict
from colbench.gate.wording import COSTS, accept_command, clean, growth, p_value, values

_SIDES = ("baseline", "candidate")


def notes(report: GateReport) -> list[str]:
    """Return what stands above the tables."""
    found = [*report.notes]
    if failures(report):
        found.append("if this is intended, accept a new baseline and say why with --reason")
    elif improvements(report):
        found.append("better than the baseline: accept a new one, so that it is not lost again")
    return [clean(note) for note in found]


def next_command(report: GateReport) -> str:
    """Return the command that accepts the candidate, where there is a reason to; else nothing."""
    return accept_command(report) if improvements(report) or failures(report) else ""


def sections(report: GateReport) -> list[Section]:
    """Return the sections that have something to say."""
    found = [
        _effectiveness(report),
        _guards(report),
        _costs(report),
        Section("Not judged", list(report.unjudged)),
        _worst(report),
        *changed(report),
    ]
    return [_cleaned(section) for section in found if section.notes or section.tables]


def _effectiveness(report: GateReport) -> Section:
    titles = [
        *("system", "measure", "verdict", "baseline", "candidate"),
        *("points", "interval", "p (Holm)", "worse / better"),
    ]
    lines = [_measure(verdict) for verdict in report.verdicts]
    if not lines:
        return Section("Effectiveness")
    level = f"{1 - report.rules['alpha']:.0%}"
    legend = (
        "points: candidate minus baseline, × 100. interval: one-sided limits, each at "
        f"{level}, bootstrap over queries (BCa), not corrected. p: no drop (of an improvement: no "
        "rise), one-sided, Holm-corrected over all systems and measures tested. worse / better: "
        "queries."
    )
    return Section(
        "Effectiveness", tables=[ComparisonTable("", titles, lines, left=3)], legend=legend
    )


def _measure(verdict: MeasureVerdict) -> list[str]:
    limits = (
        ""
        if verdict.low is None or verdict.high is None
        else f"{points(verdict.low)} to {points(verdict.high)}"
    )
    return [
        verdict.system,
        verdict.measure,
        f"{verdict.verdict}: {verdict.reason}" if verdict.reason else verdict.verdict,
        f"{verdict.baseline:.4f}",
        f"{verdict.candidate:.4f}",
        points(verdict.difference),
        limits,
        p_value(shown_p(verdict)),
        f"{verdict.lower} / {verdict.higher}",
    ]


def _guards(report: GateReport) -> Section:
    lines = [
        [guard.system, GUARDS[guard.guard], "passed" if guard.passed else "failed", guard.told]
        for guard in report.guards
    ]
    titles = ["system", "guard", "verdict", "found"]
    return Section("Guards", tables=[ComparisonTable("", titles, lines, left=4)] if lines else [])


def _costs(report: GateReport) -> Section:
    titles = ["system", "cost", "verdict", "baseline", "candidate", "growth", "at most"]
    lines = [_cost(cost) for cost in report.costs]
    if not lines:
        return Section("Costs")
    legend = (
        "Latency: median over single queries, over that of fixed work timed beside it (GEMM: a "
        "matrix product; scan: a matrix times a vector)."
    )
    return Section("Costs", tables=[ComparisonTable("", titles, lines, left=3)], legend=legend)


def _cost(cost: CostVerdict) -> list[str]:
    return [
        cost.system,
        COSTS[cost.cost].title,
        f"{cost.verdict}: {cost.reason}" if cost.reason else cost.verdict,
        *values(cost),
        growth(cost.ratio),
        growth(cost.allowed),
    ]


def _worst(report: GateReport) -> Section:
    titles = ["query", "text", "baseline", "candidate", "points", "first then", "first now"]
    tables = [
        ComparisonTable(
            f"{found.system}, {found.measure}",
            titles,
            [query_cells(query) for query in found.queries],
            left=2,
        )
        for found in report.worst
    ]
    legend = "first then, first now: the document ranked first, and its judgment where known."
    return Section("Queries that lost most", tables=tables, legend=legend if tables else "")


def changed(report: GateReport) -> list[Section]:
    """Return what differs between the two sides: settings, and where they ran."""
    told = {change.key for change in report.config}
    systems = [
        (found.system, [c for c in found.changes if f"system.{found.system}.{c.key}" not in told])
        for found in report.systems
    ]
    return [
        Section("Configuration", tables=_changes("", report.config, "key")),
        Section(
            "Systems",
            tables=[t for name, found in systems for t in _changes(name, found, "setting")],
        ),
        Section("Environment", tables=_changes("", report.environment, "key")),
    ]


def _changes(name: str, changes: list[Change], title: str) -> list[ComparisonTable]:
    return [changes_table(name, changes, title, _SIDES)] if changes else []


def _cleaned(section: Section) -> Section:
    tables = [
        replace(
            table,
            name=clean(table.name),
            lines=[[clean(cell) for cell in line] for line in table.lines],
        )
        for table in section.tables
    ]
    return replace(section, notes=[clean(note) for note in section.notes], tables=tables)
