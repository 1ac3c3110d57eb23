"""The comparison table in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from colbench.report.attribution import HEADING, explain_losses, loss_tables
from colbench.report.rows import COSTS, Cell, caption, legend, rows, skipped
from colbench.report.sweep import MARKS, explanation, sweep_table
from colbench.results.schema import Results, SweepInfo

_UNBOUNDED = 10_000
"""Columns of a terminal in which every table fits."""


@dataclass(frozen=True)
class _Column:
    title: str
    cells: list[Cell]


def print_results(results: Results, console: Console) -> None:
    """Print the comparison, what was skipped, how to read it, and where quality is lost.

    One table where the console is wide enough for it; else effectiveness and costs apart, each in
    as many tables as it takes to show every value in full.
    """
    console.print(Text(caption(results), style="bold"), soft_wrap=True)
    if results.sweep is not None:
        _print_sweep(results, results.sweep, console)
        return
    for table in _tables(results, console):
        console.print()
        console.print(table)
    console.print()
    for name, reason in skipped(results):
        console.print(Text.assemble(("skipped", "yellow"), f" {name}: {reason}"), soft_wrap=True)
    for text in [*results.collection.notes, *results.notes]:
        console.print(Text(f"note: {text}", style="dim"), soft_wrap=True)
    console.print(Text(legend(results), style="dim"))
    _print_losses(results, console)


def _print_sweep(results: Results, sweep: SweepInfo, console: Console) -> None:
    """Print what lies on a front, and what to choose."""
    found = sweep_table(results, sweep, front_only=True)
    console.print(Text(f"{len(sweep.points)} points; those on a front:"), soft_wrap=True)
    console.print()
    console.print(_plain_table(found.titles, found.lines, left=1 + len(sweep.axes)))
    console.print()
    for advice in sweep.advice:
        console.print(Text(advice), soft_wrap=True)
    for name, reason in skipped(results):
        console.print(Text.assemble(("skipped", "yellow"), f" {name}: {reason}"), soft_wrap=True)
    for text in [*results.collection.notes, *results.notes]:
        console.print(Text(f"note: {text}", style="dim"), soft_wrap=True)
    told = f"{MARKS} {explanation(results)} The other points are in the report."
    console.print(Text(told, style="dim"))


def _print_losses(results: Results, console: Console) -> None:
    losses = loss_tables(results)
    if not losses:
        return
    console.print()
    console.print(Text(HEADING, style="bold"))
    for loss in losses:
        console.print()
        console.print(Text(loss.system), soft_wrap=True)
        console.print(_plain_table(loss.titles, loss.lines, left=1))
        if loss.told:
            console.print(Text(loss.told), soft_wrap=True)
    console.print()
    console.print(Text(explain_losses(results), style="dim"))


def _plain_table(titles: Sequence[str], lines: Iterable[Sequence[str]], *, left: int) -> Table:
    """Return a table whose first columns are left-aligned, the others right-aligned."""
    table = Table(header_style="bold", show_edge=False)
    for number, title in enumerate(titles):
        justify: Literal["left", "right"] = "left" if number < left else "right"
        table.add_column(Text(title), justify=justify, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def _tables(results: Results, console: Console) -> list[Table]:
    measured = rows(results)
    if not measured:
        return []
    measures = [
        _Column(title, [row.measures[number] for row in measured])
        for number, title in enumerate(results.measures)
    ]
    costs = [
        _Column(title, [row.costs[number] for row in measured])
        for number, title in enumerate(COSTS)
    ]
    marked = [row.name + (" (baseline)" if row.is_baseline else "") for row in measured]
    together = _table(marked, [*measures, *costs], console)
    if _fits(together, console):
        return [together]
    # Space is short: the legend names the baseline.
    names = [row.name for row in measured]
    return [*_parts(names, measures, console), *_parts(names, costs, console)]


def _parts(names: Sequence[str], columns: Sequence[_Column], console: Console) -> list[Table]:
    """Cut columns into the fewest tables of about equal length that fit."""
    tables: list[Table] = []
    for count in range(1, len(columns) + 1):
        cuts = [len(columns) * number // count for number in range(count + 1)]
        tables = [_table(names, columns[start:end], console) for start, end in pairwise(cuts)]
        if all(_fits(table, console) for table in tables):
            break
    return tables


def _fits(table: Table, console: Console) -> bool:
    unbounded = console.options.update_width(_UNBOUNDED)
    return console.measure(table, options=unbounded).maximum <= console.width


def _table(names: Sequence[str], columns: Sequence[_Column], console: Console) -> Table:
    # Folded rather than cut short where even one column is too wide; a name leaves room for values.
    table = Table(header_style="bold", show_edge=False)
    table.add_column("system", overflow="fold", max_width=console.width // 2)
    for column in columns:
        table.add_column(Text(column.title), justify="right", overflow="fold")
    for number, name in enumerate(names):
        cells = [column.cells[number] for column in columns]
        styled = [Text(cell.text, style="bold" if cell.best else "") for cell in cells]
        table.add_row(Text(name), *styled)
    return table
