"""The comparison table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from colbench.report.rows import caption, header, legend, rows, skipped
from colbench.results.schema import Results


def print_results(results: Results, console: Console) -> None:
    """Print the table, what was skipped and how to read it."""
    table = Table(title=escape(caption(results)), title_justify="left", header_style="bold")
    for number, title in enumerate(header(results)):
        table.add_column(escape(title), justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows(results):
        table.add_row(*(f"[bold]{escape(c.text)}[/]" if c.best else escape(c.text) for c in row))
    console.print(table)
    for name, reason in skipped(results):
        console.print(f"[yellow]skipped[/] {escape(name)}: {escape(reason)}", soft_wrap=True)
    for text in [*results.collection.notes, *results.notes]:
        console.print(f"[dim]note: {escape(text)}[/]", soft_wrap=True)
    console.print(f"[dim]{escape(legend(results))}[/]", soft_wrap=True)
