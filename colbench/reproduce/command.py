"""`colbench reproduce`: published figures beside what this machine measures."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbench.console import open_console
from colbench.printing import printable

if TYPE_CHECKING:
    from rich.console import Console

    from colbench.reproduce.published import Entry, Reference
    from colbench.reproduce.record import Reproduction


_ABOUT = """\
Measure what was published of a dataset, or compare results that were measured before.

A figure is reproduced (within its tolerance), differs (with the settings that differ) or is not run
(with the reason). Figures and their sources: conf/published. The exit status is 0 when the
comparison was made, whatever it says, and 1 when a system or a run failed.

examples:
  colbench reproduce beir/scifact
  colbench reproduce beir/scifact --model minilm threads=2
  colbench reproduce all
  colbench reproduce beir/fiqa --list
  colbench reproduce beir/scifact --from results/scifact
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "reproduce",
        help="set published figures beside what is measured here",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "dataset", metavar="DATASET", help="a dataset with published figures, or all"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="configuration of the runs (Hydra)"
    )
    parser.add_argument(
        "--from",
        dest="measured",
        action="extend",
        nargs="+",
        default=[],
        type=Path,
        metavar="RESULTS",
        help="judge these results and run nothing",
    )
    parser.add_argument("--model", metavar="NAME", help="only models whose name holds NAME")
    parser.add_argument(
        "--large", action="store_true", help="also measure collections above 100,000 documents"
    )
    parser.add_argument("--list", action="store_true", help="show the figures and stop")
    parser.add_argument("--quiet", action="store_true", help="no progress output (for CI)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: results/runs/reproduce/<dataset>"
    )
    parser.set_defaults(action=reproduce)


def reproduce(options: argparse.Namespace) -> int:
    """Plan, run, judge, print and write."""
    from colbench.console import tell
    from colbench.experiment.output import file_stem
    from colbench.report.terminal import print_document
    from colbench.reproduce.published import load_reference
    from colbench.reproduce.record import write_reproduction
    from colbench.reproduce.report import reproduction_summary, write_reproduction_report

    reference = load_reference()
    entries = reference.of(options.dataset, options.model)
    console = open_console()
    if options.list:
        _print_entries(entries, console)
        return 0
    folder = options.output or Path("results/runs/reproduce") / file_stem(options.dataset)
    reproduction = _reproduction(options, reference, entries, folder)
    written = write_reproduction(reproduction, folder)
    report = write_reproduction_report(reproduction, folder)
    print_document(reproduction_summary(reproduction), console)
    tell(console, "results", written)
    tell(console, "report", report)
    failed = [entry for entry in reproduction.entries if "failed: " in (entry.reason or "")]
    if not failed or options.measured:
        return 0
    print(
        printable(
            f"colbench: {len(failed)} figures were not measured, {failed[0].reason}; the same "
            "command measures what failed again"
        ),
        file=sys.stderr,
    )
    return 1


def _reproduction(
    options: argparse.Namespace, reference: Reference, entries: Sequence[Entry], folder: Path
) -> Reproduction:
    from colbench.errors import ConfigError
    from colbench.files import ensure_writable
    from colbench.reproduce.plan import make_plan, never_measured
    from colbench.reproduce.run import make_reproduction, open_results, run_plan

    ensure_writable(folder)
    command = _command(options)
    if options.measured:
        if options.overrides:
            raise ConfigError(f"'{options.overrides[0]}' is for a run, and --from runs nothing")
        runs, reasons = open_results(options.measured), never_measured(entries, reference)
    else:
        plan = make_plan(entries, reference, options.overrides, large=options.large)
        runs, failed = run_plan(plan, folder, options.overrides, command)
        reasons = {**plan.reasons, **failed}
    return make_reproduction(
        entries,
        reference,
        runs,
        reasons,
        dataset=options.dataset,
        command=command,
        folder=folder,
    )


def _command(options: argparse.Namespace) -> list[str]:
    arguments = [options.dataset, *options.overrides]
    arguments += ["--model", options.model] if options.model else []
    arguments += ["--large"] if options.large else []
    arguments += ["--output", str(options.output)] if options.output else []
    arguments += ["--from", *map(str, options.measured)] if options.measured else []
    return ["colbench", "reproduce", *map(shlex.quote, arguments)]


def _print_entries(entries: Sequence[Entry], console: Console) -> None:
    from colbench.report.formats import unsigned_points
    from colbench.report.table import Cell, Column, Document, Table, names, numbers, texts
    from colbench.report.terminal import print_document
    from colbench.reproduce.published import OTHER_METRICS
    from colbench.reproduce.rows import value

    columns = [
        *names("figure"),
        *texts("system", priority=1),
        Column(title="value", priority=0),
        *numbers(unsigned_points, "tolerance", priority=0),
        *texts("source", priority=4),
    ]
    rows = [
        [
            *(entry.id, entry.system or entry.why),
            Cell(
                entry.value,
                value(entry.value, OTHER_METRICS.get(entry.metric)) + "?" * entry.suspect,
            ),
            *(entry.tolerance, f"{entry.source.title} ({entry.source.grade})"),
        ]
        for entry in entries
    ]
    note = f"{len(entries)} figures; ? marks one that is probably wrong"
    print_document(Document("", [Table("Figures", columns, rows, [note])]), console)
