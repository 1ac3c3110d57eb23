"""What `colbench reproduce` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from colbench.reproduce.record import Comparison, Reproduction
from colbench.reproduce.rows import (
    LEGEND,
    measured,
    not_run,
    points,
    reasons,
    settings,
    status,
    summary,
    value,
)

_STYLES = {"reproduced": "green", "differs": "yellow"}


def print_reproduction(reproduction: Reproduction, console: Console) -> None:
    """Print what was measured in full, and the rest by its reasons.

    A dataset of which nothing was measured is one line, unless it is the only one asked for.
    """
    found = measured(reproduction)
    if found:
        console.print(_table(found))
        console.print()
    for entry in found:
        if entry.status == "differs":
            _print_difference(entry, console)
    missing = not_run(reproduction)
    whole = {entry.dataset for entry in found}
    for dataset, entries in missing.items():
        if dataset in whole or len(missing) == 1:
            _print_reasons(dataset, entries, console)
    for dataset, entries in missing.items():
        if dataset not in whole and len(missing) > 1:
            first, _ = reasons(entries)[0]
            line = f"{dataset}: {len(entries)} not run, {first}"
            console.print(Text(line, style="dim"), soft_wrap=True)
    refused = sum(average.status == "refused" for average in reproduction.averages)
    if refused:
        line = f"{refused} averages refused: a member was not measured in full; see the report"
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text(summary(reproduction), style="bold"), soft_wrap=True)
    if found:
        console.print(Text(LEGEND, style="dim"))


def _table(entries: Sequence[Comparison]) -> Table:
    table = Table(header_style="bold", show_edge=False)
    table.add_column("figure", overflow="fold")
    for title in ("published", "measured", "difference", "tolerance"):
        table.add_column(title, justify="right")
    table.add_column("status", overflow="fold")
    for entry in entries:
        cells = [
            entry.id,
            value(entry.published),
            value(entry.measured),
            points(entry.difference),
            points(entry.tolerance, signed=False),
        ]
        style = "" if entry.suspect else _STYLES[entry.status]
        table.add_row(*map(Text, cells), Text(status(entry), style=style))
    return table


def _print_difference(entry: Comparison, console: Console) -> None:
    """Print what may explain a difference."""
    told = [settings(entry)]
    if entry.settings_unknown:
        told.append(f"not published: {', '.join(entry.settings_unknown)}")
    if entry.note:
        told.append(entry.note)
    line = f"{entry.id}: {'; '.join(part for part in told if part)}"
    console.print(Text(line), soft_wrap=True)


def _print_reasons(dataset: str, entries: Sequence[Comparison], console: Console) -> None:
    console.print(Text(f"{dataset}, not run:"), soft_wrap=True)
    for reason, count in reasons(entries):
        console.print(Text(f"  {count:3d}  {reason}", style="dim"), soft_wrap=True)
