"""A comparison in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.table import Table
from rich.text import Text

from colbench.compare.record import Comparison
from colbench.compare.sections import sections
from colbench.compare.tables import ComparisonTable, Section
from colbench.report.table import caption

_UNBOUNDED = 10_000
"""Columns of a terminal in which every table fits."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print all sections."""
    console.print(Text(caption(comparison), style="bold"), soft_wrap=True)
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        told = f"{name}: {side.path} ({side.experiment}, {side.created})"
        console.print(Text(told), soft_wrap=True)
    for note in comparison.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    for section in sections(comparison):
        print_section(section, console)


def print_section(section: Section, console: Console) -> None:
    """Print the heading and what stands below it; a wide table in parts."""
    console.print()
    console.print(Text(section.heading, style="bold underline"))
    for note in section.notes:
        console.print(Text(note), soft_wrap=True)
    for found in section.tables:
        console.print()
        if found.name:
            console.print(Text(found.name, style="bold"), soft_wrap=True)
        for number, table in enumerate(_tables(found, console)):
            if number:
                console.print()
            console.print(table)
    if section.legend:
        console.print()
        console.print(Text(section.legend, style="dim"))


def _tables(found: ComparisonTable, console: Console) -> list[Table]:
    """Return one table where it fits; else as few as show every number in full."""
    numbers = range(found.left, len(found.titles))
    prose = console.width // 3 if numbers else None
    tables = [_table(found, numbers, prose)]
    for count in range(2, len(numbers) + 1):
        if all(_fits(table, console) for table in tables):
            break
        cuts = [len(numbers) * part // count for part in range(count + 1)]
        tables = [_table(found, numbers[start:end], prose) for start, end in pairwise(cuts)]
    return tables


def _fits(table: Table, console: Console) -> bool:
    unbounded = console.options.update_width(_UNBOUNDED)
    return console.measure(table, options=unbounded).maximum <= console.width


def _table(found: ComparisonTable, numbers: Sequence[int], prose: int | None) -> Table:
    """Return the left columns and some of the others; a repeated name is left out.

    Args:
        found: all of it.
        numbers: right-aligned columns to show.
        prose: columns of the terminal that a left-aligned one may take; None for no bound.
    """
    table = Table(header_style="bold", show_edge=False)
    for number in range(found.left):
        table.add_column(Text(found.titles[number]), overflow="fold", max_width=prose)
    for number in numbers:
        table.add_column(Text(found.titles[number]), justify="right", overflow="fold")
    before = None
    for line in found.lines:
        name = "" if line[0] == before else line[0]
        cells = [name, *line[1 : found.left], *(line[number] for number in numbers)]
        table.add_row(*map(Text, cells))
        before = line[0]
    return table
