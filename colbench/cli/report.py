"""`colbench report`: make the report of finished runs again, or a table for a paper or a plot."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.console import add_wide, draw, put, tell

if TYPE_CHECKING:
    from rich.console import Console

    from colbench.results.schema import Results

_ABOUT = """\
Make the report of finished runs again. Without --format: print the table and write the report
files beside the results.

examples:
  colbench report results/quickstart
  colbench report results/scifact results/vaswani --format html --output report.html
  colbench report results/scifact --slices length,relevant
  colbench report results/scifact --format latex --output table.tex
  colbench report results/scifact results/cranfield --format csv --output all.csv
  colbench report results/scifact --task-result SciFact.json    a row of MTEB's beside them
"""

_Runs = Sequence[tuple[Path, "Results"]]


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "report",
        help="make the report of a finished run again, also as HTML, LaTeX or CSV",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "results", type=Path, nargs="+", help="a results.json or the folder that holds it"
    )
    parser.add_argument("--format", choices=("terminal", *_FORMATS), help="one format, no files")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="with --format; default: standard output"
    )
    parser.add_argument(
        "--slices",
        type=lambda value: value.strip("[]").split(","),
        metavar="NAMES",
        help="also by group of queries, in place of the slices that the run has: length, relevant, "
        "metadata.COLUMN, with commas between them; as CSV the groups alone",
    )
    parser.add_argument(
        "--task-result",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a TaskResult file of MTEB, a row below the systems; may be given several times; "
        "nothing is written beside the results",
    )
    add_wide(parser)
    parser.set_defaults(action=report)


def report(options: argparse.Namespace) -> int:
    """Read results, show them in the format asked for."""
    from colbench.errors import ConfigError
    from colbench.results.store import read_results

    if options.output is not None and options.format is None:
        raise ConfigError("--output says nothing without --format: add --format markdown, say")
    runs = [(path, read_results(path)) for path in options.results]
    if options.slices is not None:
        from colbench.results.sliced import sliced

        runs = [(path, sliced(results, options.slices)) for path, results in runs]
    sliced_here = options.slices is not None
    if options.task_result:
        runs = list(_with_rows(runs, options.task_result))
        options.format = options.format or "terminal"
    if options.format is None:
        draw(partial(_print_and_write, runs, options.wide, sliced_here), None)
    elif options.format == "terminal":
        draw(partial(_print, runs, options.wide, sliced_here), options.output)
    elif options.format == "csv" and sliced_here:
        put(_csv_of_slices(runs), options.output)
    else:
        put(_FORMATS[options.format](runs), options.output)
    return 0


def _with_rows(runs: _Runs, files: Sequence[Path]) -> _Runs:
    from colbench.errors import ConfigError
    from colbench.results.task_result import read_task_result, with_rows

    if len(runs) > 1:
        raise ConfigError("--task-result goes with one result: name one, for each has its own task")
    (path, results), found = runs[0], [read_task_result(file) for file in files]
    return [(path, with_rows(results, found))]


def _print(runs: _Runs, wide: bool, slices: bool, console: Console) -> None:
    from colbench.report.run import run_document
    from colbench.report.slices import HEADING, slice_sections
    from colbench.report.table import Section
    from colbench.report.terminal import print_block, print_document

    for number, (_, results) in enumerate(runs):
        if number:
            console.print()
        print_document(run_document(results), console, wide=wide, brief=True)
        if slices and (blocks := slice_sections(results)):
            print_block(Section(HEADING, blocks), console, wide=wide)


def _print_and_write(runs: _Runs, wide: bool, slices: bool, console: Console) -> None:
    from colbench.report.write import write_report

    for path, results in runs:
        folder = path if path.is_dir() else path.parent
        _print([(path, results)], wide, slices, console)
        tell(console, "report", write_report(results, folder))


def _markdown(runs: _Runs) -> str:
    from colbench.report.markdown import render_markdown
    from colbench.report.run import run_document

    return "\n".join(render_markdown(run_document(results)) for _, results in runs)


def _html(runs: _Runs) -> str:
    from colbench.report.html.page import render_html

    return render_html([results for _, results in runs])


def _latex(runs: _Runs) -> str:
    from colbench.report.latex import render_latex

    return render_latex([results for _, results in runs])


def _csv(runs: _Runs) -> str:
    from colbench.report.csv import csv_text
    from colbench.report.tidy import tidy, together

    if len(runs) == 1:
        return csv_text(tidy(runs[0][1]))
    return csv_text(together([tidy(results, run=str(path)) for path, results in runs]))


def _csv_of_slices(runs: _Runs) -> str:
    from colbench.report.csv import csv_text
    from colbench.report.slices import slice_values
    from colbench.report.tidy import together

    return csv_text(together([slice_values(results) for _, results in runs]))


_FORMATS: dict[str, Callable[[_Runs], str]] = {
    "markdown": _markdown,
    "html": _html,
    "latex": _latex,
    "csv": _csv,
}
