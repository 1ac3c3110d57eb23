"""A gate as GitHub-flavoured Markdown: for a pull request, or the summary of a step.

GitHub shows a summary of at most 1 MiB and none at all beyond: long tables are cut.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from colbench.errors import StorageError
from colbench.gate.record import GateReport
from colbench.gate.sections import gate_document
from colbench.report.markdown import prose, render_block, table_lines
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Paragraph,
    Prose,
    Section,
    Table,
    spans,
)

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
    for section in document.sections:
        _add_section(page, section)
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
