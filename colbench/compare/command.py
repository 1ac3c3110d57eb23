"""`colbench compare`: two results side by side."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.console import add_wide, draw, put

if TYPE_CHECKING:
    from colbench.compare.record import Comparison


_ABOUT = """\
Compare two results: configuration, environment, measures, latency, size, and the queries that
moved most. Every difference is B minus A.

examples:
  colbench compare results/quickstart out/quickstart
  colbench compare results/scifact out/scifact --format markdown --output comparison.md
  colbench compare results/quickstart out/quickstart --systems bm25=colbert_exact
  colbench compare results/quickstart --systems bm25=hybrid_rrf    two systems of one run
  colbench compare results/scifact SciFact.json                    a TaskResult file of MTEB
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="put two results side by side",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, metavar="A", help="results.json or its folder")
    parser.add_argument(
        "b", type=Path, metavar="B", nargs="?", help="the other one; default: A, with --systems"
    )
    parser.add_argument(
        "--systems",
        action="append",
        default=[],
        metavar="NAME[=NAME]",
        help="a system of A and one of B, or a name that both have; may be given several times; "
        "default: all systems of one name",
    )
    parser.add_argument(
        "--test", choices=("student", "fisher"), default="student", help="paired test"
    )
    parser.add_argument("--alpha", type=_level, default=0.05, help="its level (default: 0.05)")
    parser.add_argument(
        "--queries", type=_count, default=5, metavar="N", help="drops and rises to show (default 5)"
    )
    parser.add_argument(
        "--format", choices=("terminal", "markdown", "json"), default="terminal", help="of output"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    add_wide(parser)
    parser.set_defaults(action=compare)


def compare(options: argparse.Namespace) -> int:
    """Read both, compare them, show or write the outcome."""
    from colbench.compare.compute import compare as compare_results
    from colbench.compare.pairing import Opened
    from colbench.errors import ConfigError

    if options.b is None and not options.systems:
        raise ConfigError(
            f"nothing to compare {options.a} with: name a second results folder, or two systems "
            "of this one with --systems NAME=NAME"
        )
    comparison = compare_results(
        *Opened.read_both(options.a, options.b or options.a),
        options.systems,
        test=options.test,
        alpha=options.alpha,
        queries=options.queries,
    )
    _show(comparison, options.format, options.output, options.wide)
    return 0


def _show(comparison: Comparison, form: str, output: Path | None, wide: bool) -> None:
    if form == "json":
        put(comparison.model_dump_json(indent=2) + "\n", output)
        return
    from colbench.compare.sections import comparison_document

    document = comparison_document(comparison)
    if form == "markdown":
        from colbench.report.markdown import render_markdown

        put(render_markdown(document), output)
    else:
        from colbench.report.terminal import print_document

        draw(partial(print_document, document, wide=wide), output)


def _level(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value
