"""`colbench report`: make the report of a finished run again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("report", help="make the report of a finished run again")
    parser.add_argument("results", type=Path, help="a results.json or the folder that holds it")
    parser.set_defaults(action=report)


def report(options: argparse.Namespace) -> int:
    """Read results, print the table, write `report.md` beside them."""
    from rich.console import Console

    from colbench.report.terminal import print_results
    from colbench.report.write import write_report
    from colbench.results.store import read_results

    results = read_results(options.results)
    folder = options.results if options.results.is_dir() else options.results.parent
    console = Console(width=None if sys.stdout.isatty() else 200)
    print_results(results, console)
    console.print(f"report: {write_report(results, folder)}", soft_wrap=True)
    return 0
