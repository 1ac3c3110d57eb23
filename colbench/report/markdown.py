"""A report as GitHub-flavoured Markdown, for a pull request or a README."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from colbench.files import atomic_write
from colbench.report import gfm
from colbench.report.formats import clean, counted
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Extra,
    Facts,
    Link,
    Listing,
    Paragraph,
    Picture,
    Prose,
    Section,
    Strong,
    Table,
    plain,
    spans,
)

_LOUD = ("warning", "good", "bad", "doubtful")
"""Styles of what must not be overlooked."""

_SIGNED = re.compile(r"[-+][0-9.,e%-]+( to [-+]?[0-9.]+)?")


def render_markdown(document: Document) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    title = [f"# {prose(document.title)}"] if document.title else []
    parts = [*title, *(render_block(block) for block in document.blocks())]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_markdown(document: Document, path: Path) -> None:
    """Write the report as GitHub-flavoured Markdown.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as stream:
        stream.write(render_markdown(document))


def render_block(block: Block, level: int = 2) -> str:
    """Return a part of a report; nothing for what Markdown does not show.

    Args:
        block: the part.
        level: of its heading, if it is a section.
    """
    match block:
        case Section():
            return _section(block, level)
        case Table():
            return _table(block)
        case Bullets():
            return "\n".join(f"- {prose(item)}" for item in block.items)
        case Facts():
            return "\n".join(f"- {prose(term)}: {prose(told)}" for term, told in block.items)
        case Listing():
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.text)), default=0))
            return f"{fence}{block.language}\n{block.text}\n{fence}"
        case Picture():
            shown = f"![{prose(block.title)}]({block.path})" if block.path else ""
            return "\n\n".join(part for part in (shown, prose(block.summary)) if part)
        case Extra():
            return ""
        case Paragraph():
            text = prose(block.text)
            return f"**{text}**" if block.style in _LOUD and text else text


def _section(section: Section, level: int) -> str:
    parts = [render_block(block, level + 1) for block in section.blocks]
    content = "\n\n".join(part for part in parts if part)
    if not content or section.scope == "page":
        return ""
    rows = sum(len(table.rows) for table in section.tables())
    if section.folded is None or rows <= section.folded:
        return f"{'#' * level} {prose(section.heading)}\n\n{content}"
    # A summary is HTML, in which Markdown's own marks are not read.
    title = html.escape(clean(plain(section.heading)), quote=False)
    summary = f"<summary>{title}: {counted(rows, 'row')}</summary>"
    return f"<details>{summary}\n\n{content}\n\n</details>"


def _table(table: Table) -> str:
    head, lines = table_lines(table)
    parts = [
        f"### {prose(table.title)}" if table.titled else "",
        "\n".join([*head, *lines]),
        *map(prose, table.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def table_lines(table: Table) -> tuple[list[str], list[str]]:
    """Return the head of a table, its title line and its rule, and a line for each row."""
    left = [column.kind != "number" for column in table.columns]
    rows = [
        [_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.cells()
    ]
    head, rule, *lines = gfm.table(
        [gfm.text(column.title) for column in table.columns], rows, left=left
    ).split("\n")
    return [head, rule], lines


def _cell(cell: Cell, column: Column) -> str:
    if column.kind == "name" and isinstance(cell.shown, str):
        written = gfm.code(cell.shown)
    else:
        written = _value(cell.shown)
    written += cell.mark
    if cell.best and written:
        written = f"**{written}**"
    return f"{written} ({gfm.text(cell.words)})" if cell.words else written


def _value(shown: Prose) -> str:
    """Return what a cell shows; the sign of a number opens no list and is left as it is."""
    return shown if isinstance(shown, str) and _SIGNED.fullmatch(shown) else prose(shown)


def prose(value: Prose) -> str:
    """Return a sentence as Markdown that shows exactly its characters."""
    parts: Sequence[str | Link] = spans(value)
    if len(parts) == 1:
        return _span(parts[0])
    return "".join(_joined(part) for part in parts)


def _joined(part: str | Link) -> str:
    """Return a span with the spaces at its ends, which part it from its neighbours."""
    written = _span(part)
    if type(part) is not str:
        return written
    if not part.strip():
        return " " if part else ""
    before, after = part[:1].isspace(), part[-1:].isspace()
    return f"{' ' if before else ''}{written}{' ' if after else ''}"


def _span(part: str | Link) -> str:
    match part:
        case Link():
            return f"[{gfm.text(part.text)}]({part.url})"
        case Code():
            return gfm.code(part)
        case Strong():
            return f"**{gfm.text(part)}**" if part else ""
        case _:
            return gfm.text(part)
