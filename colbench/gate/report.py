"""The report of a gate, the same in the terminal and in Markdown for a pull request or a step.

GitHub shows the summary of a step of at most 1 MiB and none at all beyond: long tables are cut.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from colbench.compare.record import Change
from colbench.compare.sections import changes_table, moved_table, section
from colbench.errors import StorageError
from colbench.gate.findings import (
    GUARDS,
    accept_command,
    exact,
    failures,
    gated,
    growth,
    headline,
    improvements,
    limit,
    origin,
    p_text,
    p_value,
    points_beside,
    rules_line,
)
from colbench.gate.findings import values as cost_values
from colbench.gate.record import CostVerdict, GateReport, GateSide, MeasureVerdict
from colbench.report.formats import clean, fraction, points
from colbench.report.markdown import prose, render_block, table_lines
from colbench.report.rows import UNTRAINED
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
    spans,
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
    alpha = report.rules["alpha"]
    level = f"{exact(100 * (1 - alpha))}%"
    legend = (
        "points: candidate minus baseline, × 100. interval: one-sided limits, each at "
        f"{level}, bootstrap over queries (BCa), not corrected. p: no drop (of an improvement: no "
        "rise), one-sided, Holm-corrected over all systems and measures tested. worse / better: "
        "queries."
    )
    rows = [[_name(v.system, report), *_measure(v, alpha)] for v in report.verdicts]
    table = Table("", columns, rows)
    return section("Effectiveness", [table.compact()], legend)


def _name(system: str, report: GateReport) -> Cell:
    return Cell(system, caveat=UNTRAINED if system in report.untrained else "")


def _measure(verdict: MeasureVerdict, alpha: float) -> list[Any]:
    smallest, p = verdict.smallest_drop, p_text(verdict)
    return [
        *(verdict.measure, verdict.verdict, verdict.reason or None),
        *(verdict.baseline, verdict.candidate),
        Cell(verdict.difference, points_beside(verdict.difference, smallest)),
        _interval(verdict.low, verdict.high, smallest),
        None if p is None else Cell(p, p_value(p, alpha)),
        f"{verdict.lower} / {verdict.higher}",
    ]


def _interval(low: float | None, high: float | None, smallest: float) -> str | None:
    if low is None or high is None:
        return None
    return f"{points_beside(low, smallest)} to {points_beside(high, smallest)}"


def _guards(report: GateReport) -> Section:
    columns = [*names("system"), *texts("guard", "verdict"), *texts("why", priority=4)]
    rows = [
        [
            *(_name(guard.system, report), GUARDS[guard.guard]),
            *("passed" if guard.passed else "failed", guard.finding),
        ]
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
        "Latency: of single queries from text to documents, median and 95th percentile, over "
        "the baseline's mean query made of fixed work timed beside either side (a matrix "
        "product for encoding, a scan for searching). Of encoding and search apart: medians over "
        "that work (GEMM, scan). B/vector: without headers, offsets, lists, graphs and manifests."
    )
    rows = [[_name(cost.system, report), *_cost(cost)] for cost in report.costs]
    table = Table("", columns, rows)
    return section("Costs", [table.compact()], legend)


def _cost(cost: CostVerdict) -> list[Any]:
    before, after = cost_values(cost)
    return [
        *(gated(cost.cost).title, cost.verdict, cost.reason or None),
        *(Cell(cost.baseline, before), Cell(cost.candidate, after)),
        None if cost.ratio is None else Cell(cost.ratio, growth(cost.ratio, cost.allowed)),
        Cell(cost.allowed, limit(cost.allowed)),
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


LIMIT = 1_000_000
"""Bytes of a page, a little below GitHub's 1 MiB."""

_ROWS = 200
"""Rows or notes of a section's part that are shown at most."""

_LONGEST = 500
"""Characters of a cell, a note or a name that are shown."""

_FOR_THE_END = 500
"""Bytes kept for what closes the page, and for the line that says that it was cut."""


def render_gate(report: GateReport, limit: int = LIMIT) -> str:
    """Return the gate as Markdown, the verdict first.

    Args:
        report: what was found.
        limit: bytes that it takes at most; too few for the verdict are exceeded.
    """
    page = _Page(limit)
    document = gate_document(report)
    page.add(f"# {prose(document.title)}")
    verdict, *lead = document.lead
    page.add(render_block(_short(verdict, 4 * _LONGEST)), always=True)
    for block in lead:
        _add(page, block)
    for part in document.sections:
        _add_section(page, part)
    return page.text()


def write_step_summary(report: GateReport) -> Path | None:
    """Append the gate to the summary of the step, where one is running.

    The summary of a step may hold 1 MiB: what stands there already is counted.

    Returns:
        The file, None where there is none (`GITHUB_STEP_SUMMARY` is not set, or empty).

    Raises:
        StorageError: the file cannot be written.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    if not name:
        return None
    path = Path(name)
    try:
        # Appended and not replaced: other commands of the step write there as well.
        with path.open("a", encoding="utf-8", errors="replace") as stream:
            written = stream.tell()
            before = "\n" if written else ""
            stream.write(before + render_gate(report, LIMIT - written))
    except OSError as error:
        raise StorageError(
            f"cannot write the summary of the step, {path}: {error.strerror or error}; "
            "unset GITHUB_STEP_SUMMARY to do without"
        ) from error
    return path


class _Page:
    """Blocks of Markdown, as many as there is room for."""

    def __init__(self, limit: int) -> None:
        self._left = limit - _FOR_THE_END
        self._blocks: list[str] = []
        self._is_cut = False

    def add(self, block: str, *, always: bool = False) -> bool:
        """Append a block if it fits; return whether it did."""
        cost = _bytes(block) + 2
        fits = always or cost <= self._left
        if fits:
            self._blocks.append(block)
            self._left -= cost
        self._is_cut |= not fits
        return fits

    def lines(self, lines: Sequence[str], head: Sequence[str] = ()) -> None:
        """Append a list, or the rows of a table below its head: those there is room for."""
        room = self._left - _bytes("\n".join(head)) - 100
        paragraphs: list[str] = []
        for line in lines[:_ROWS]:
            room -= _bytes(line) + 1
            if room < 0:
                break
            paragraphs.append(line)
        if paragraphs:
            self.add("\n".join([*head, *paragraphs]))
        if missing := len(lines) - len(paragraphs):
            self.add(f"{missing:,} more are left out here; gate.json (`--json`) has all.")

    def text(self) -> str:
        """Return the page."""
        end = ["The rest is left out: GitHub shows 1 MiB at most."] if self._is_cut else []
        return "\n\n".join([*self._blocks, *end]) + "\n"


def _bytes(block: str) -> int:
    return len(block.encode(errors="replace"))


def _short(block: Block, longest: int = 8 * _LONGEST) -> Block:
    """Return a paragraph of bounded length; another block as it is."""
    if not isinstance(block, Paragraph):
        return block
    return replace(block, text=_bounded(block.text, longest))


def _bounded(value: Prose, longest: int = _LONGEST) -> Prose:
    """Return a sentence whose spans are of bounded length."""
    parts = tuple(
        type(part)(f"{part[: longest - 1]}…")
        if isinstance(part, str) and len(part) > longest
        else part
        for part in spans(value)
    )
    return parts if isinstance(value, tuple) else parts[0]


def _bounded_cell(cell: Cell) -> Cell:
    return replace(cell, text=_bounded(cell.shown))


def _add_section(page: _Page, section: Section) -> None:
    rows = sum(len(table.rows) for table in section.tables())
    if section.folded is not None and rows > section.folded:
        summary = f"{prose(section.heading)}: {rows:,} differ"
        if page.add(f"<details><summary>{summary}</summary>"):
            _add_all(page, section)
            page.add("</details>", always=True)  # open, it would swallow what follows
    elif page.add(f"## {prose(section.heading)}"):
        _add_all(page, section)


def _add_all(page: _Page, section: Section) -> None:
    for block in section.blocks:
        _add(page, block)


def _add(page: _Page, block: Block) -> None:
    if isinstance(block, Bullets):
        page.lines([f"- {prose(_bounded(item))}" for item in block.items])
    elif isinstance(block, Table):
        if block.titled:
            page.add(f"### {prose(_bounded(block.title))}")
        bounded = replace(
            block, rows=[[_bounded_cell(cell) for cell in row] for row in block.cells()]
        )
        head, lines = table_lines(bounded)
        page.lines(lines, head=head)
    else:
        page.add(render_block(_short(block)))
