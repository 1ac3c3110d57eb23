"""`colbench baseline`: what later results are held against."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_ABOUT = """\
Accept results as the baseline of a gate: a small file with the values of every query and where they
come from, made to be committed. It holds no documents.

examples:
  colbench baseline accept results/quickstart
  colbench baseline accept out/scifact --output baselines/scifact.json --reason "new tokenizer"
  colbench baseline accept out/scifact --systems bm25 colbert
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("baseline", help="accept results as the baseline of a gate")
    parser.set_defaults(action=lambda _: parser.print_help() or 2)
    actions = parser.add_subparsers(metavar="ACTION")
    accepting = actions.add_parser(
        "accept",
        help="write the baseline file",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    accepting.add_argument("results", type=Path, metavar="RESULTS", help="folder or results.json")
    accepting.add_argument(
        "--output", type=Path, metavar="FILE", help="default: baseline.json beside the results"
    )
    accepting.add_argument(
        "--systems", nargs="+", metavar="NAME", help="systems to keep (default: all measured)"
    )
    accepting.add_argument("--reason", metavar="TEXT", help="why, kept in the file")
    accepting.set_defaults(action=accept)


def accept(options: argparse.Namespace) -> int:
    """Write the file and say what is in it."""
    from colbench.errors import ConfigError
    from colbench.gate.baseline import accept as accepted
    from colbench.gate.baseline import is_baseline, write_baseline
    from colbench.printing import printable
    from colbench.report.formats import size
    from colbench.results.store import read_results

    if is_baseline(options.results):
        raise ConfigError(f"{options.results} is a baseline already: name what a run left")
    results = read_results(options.results)
    folder = options.results if options.results.is_dir() else options.results.parent
    output = options.output or folder / "baseline.json"
    baseline = accepted(results, options.systems, options.reason)
    write_baseline(baseline, output)
    names = ", ".join(system.name for system in baseline.results.systems)
    print(printable(f"{results.collection.name}, {len(results.queries)} queries: {names}"))
    for name, reason in baseline.skipped.items():
        print(printable(f"not in it, not measured: {name} ({reason})"))
    print(printable(f"written: {output} ({size(output.stat().st_size)})"))
    return 0
