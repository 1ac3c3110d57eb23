"""A gate in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from colbench.compare.terminal import print_section
from colbench.gate.findings import headline
from colbench.gate.record import GateReport
from colbench.gate.sections import next_command, notes, sections
from colbench.gate.wording import clean, origin, rules_line
from colbench.report.table import caption

_STYLES = {"pass": "bold green", "regression": "bold red", "unjudged": "bold yellow"}


def print_gate(report: GateReport, console: Console) -> None:
    """Print the verdict, then all that it rests on."""
    _line(console, headline(report), _STYLES[report.status])
    _line(console, caption(report))
    for name, side in (("baseline", report.baseline), ("candidate", report.candidate)):
        _line(console, f"{name}: {clean(side.path)} ({origin(side)})")
    for note in notes(report):
        _line(console, f"note: {note}", "yellow")
    if command := next_command(report):
        _line(console, f"  {command}")
    for section in sections(report):
        print_section(section, console)
    console.print()
    _line(console, f"rules: {rules_line(report.rules)}", "dim")


def _line(console: Console, told: str, style: str = "") -> None:
    console.print(Text(told, style=style), soft_wrap=True)
