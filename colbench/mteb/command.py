"""`colbench mteb`: results as files of MTEB."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from colbench.console import open_console, tell

_ABOUT = """\
Write results of a full test set as MTEB writes them: a TaskResult file for each system, with
model_meta.json and run_settings.jsonl beside it, in the folders of MTEB's own cache of results.

examples:
  colbench mteb export results/scifact --output mteb_results
  colbench mteb export results/scifact --output mteb_results --systems bm25,colbert

The other way round, a TaskResult file is a row of a report and one side of a comparison:
  colbench report results/scifact --task-result SciFact.json
  colbench compare results/scifact SciFact.json
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "mteb",
        help="write results as files of MTEB",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("export",), help="what is done")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="results.json or its folder")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of MTEB's results"
    )
    parser.add_argument(
        "--systems", metavar="NAME,…", help="systems to write; default: all that were measured"
    )
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="the task that a folder of documents is the test set of, such as SciFact; default: "
        "known by the dataset's id",
    )
    parser.set_defaults(action=export)


def export(options: argparse.Namespace) -> int:
    """Write the files, and say where they are."""
    from colbench.mteb.export import export_results
    from colbench.results.store import read_results

    folder = options.results if options.results.is_dir() else options.results.parent
    systems = [name.strip() for name in (options.systems or "").split(",") if name.strip()]
    written = export_results(
        read_results(options.results), folder, options.output, systems=systems, task=options.task
    )
    console = open_console()
    for path in written:
        tell(console, "written", path)
    return 0
