"""A gate as GitHub-flavoured Markdown: for a pull request, or the summary of a step.

GitHub shows a summary of at most 1 MiB and none at all beyond: long tables are cut.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from colbench.compare.markdown import render_table
from colbench.compare.tables import Section
from colbench.errors import StorageError
from colbench.gate.findings import headline
from colbench.gate.record import GateReport, GateSide
from colbench.gate.sections import next_command, notes, sections
from colbench.gate.wording import clean, origin, rules_line
from colbench.report.gfm import code, text
from colbench.report.table import caption

LIMIT = 1_000_000
"""Bytes of a page, a little below GitHub's 1 MiB."""

_ROWS = 200
"""Rows or notes of a section's part that are shown at most."""

_LONGEST = 500
"""Characters of a cell, a note or a name that are shown."""

_FOLDED = ("Configuration", "Systems", "Environment")
"""Sections that are collapsed where they are long."""

_LONG = 8
"""Rows from which they are."""

_FOR_THE_END = 500
"""Bytes kept for what closes the page, and for the line that says that it was cut."""


def render_gate(report: GateReport, limit: int = LIMIT) -> str:
    """Return the gate as Markdown, the verdict first.

    Args:
        report: what was found.
        limit: bytes that it takes at most; too few for the verdict are exceeded.
    """
    page = _Page(limit)
    page.add("# Retrieval quality")
    page.add(f"**{_short(headline(report), 2000)}**", always=True)
    page.add(_short(caption(report)))
    page.lines([f"- {_short(note)}" for note in notes(report)])
    if command := next_command(report):
        page.add(code(_bounded(command, 4 * _LONGEST)))
    for section in sections(report):
        _add_section(page, section)
    page.add("## Origin")
    page.lines([_side("baseline", report.baseline), _side("candidate", report.candidate)])
    page.add(f"Rules: {_short(rules_line(report.rules), 8 * _LONGEST)}")
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
        shown: list[str] = []
        for line in lines[:_ROWS]:
            room -= _bytes(line) + 1
            if room < 0:
                break
            shown.append(line)
        if shown:
            self.add("\n".join([*head, *shown]))
        if missing := len(lines) - len(shown):
            self.add(f"{missing:,} more are left out here; gate.json (`--json`) has all.")

    def text(self) -> str:
        """Return the page."""
        end = ["The rest is left out: GitHub shows 1 MiB at most."] if self._is_cut else []
        return "\n\n".join([*self._blocks, *end]) + "\n"


def _bytes(block: str) -> int:
    return len(block.encode(errors="replace"))


def _bounded(value: str, longest: int = _LONGEST) -> str:
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def _short(value: str, longest: int = _LONGEST) -> str:
    return text(_bounded(value, longest))


def _side(name: str, side: GateSide) -> str:
    path, command = (code(_bounded(clean(value))) for value in (side.path, side.command))
    return f"- {name}: {path} ({_short(origin(side))}), made by {command}"


def _add_section(page: _Page, section: Section) -> None:
    rows = sum(len(table.lines) for table in section.tables)
    if section.heading in _FOLDED and rows > _LONG:
        summary = f"{section.heading}: {rows:,} differ"
        if page.add(f"<details><summary>{summary}</summary>"):
            _add_content(page, section)
            page.add("</details>", always=True)  # open, it would swallow what follows
    elif page.add(f"## {section.heading}"):
        _add_content(page, section)


def _add_content(page: _Page, section: Section) -> None:
    page.lines([f"- {_short(note)}" for note in section.notes])
    for found in section.tables:
        lines = [[_bounded(cell) for cell in line] for line in found.lines]
        rendered = render_table(replace(found, name="", lines=lines)).split("\n")
        if found.name:
            page.add(f"### {_short(found.name)}")
        page.lines(rendered[2:], head=rendered[:2])
    if section.legend:
        page.add(_short(section.legend))
