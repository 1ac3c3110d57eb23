"""`colbench run task=sweep`, and `colbench run -m`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from colbench.console import open_console, tell
from colbench.printing import printable

if TYPE_CHECKING:
    from colbench.experiment.task import Finished, Invocation


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `-m` to `colbench run`."""
    parser.add_argument(
        "-m",
        "--multirun",
        action="store_const",
        const=multirun,
        dest="instead",
        help="run all combinations of overrides with several values, such as index.nbits=1,2,4",
    )


def sweep(run: Invocation) -> Finished:
    """Measure one system in every combination of a grid."""
    from colbench.experiment.task import finished_run
    from colbench.sweep.runner import SweepRunner

    return finished_run(*SweepRunner(run.settings, run.command).run())


def multirun(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Run all combinations, print their tables.

    Args:
        options: of `colbench run`.
        overrides: of the command line, after `run`.

    Raises:
        ConfigError: what a multirun does not have, or a word that cannot be read.
        ColbenchError: every job failed.
    """
    from colbench.errors import ConfigError
    from colbench.features import features
    from colbench.report.run import run_document
    from colbench.report.terminal import print_document
    from colbench.sweep.multirun import JOBS, Multirun

    if options.show_config:
        raise ConfigError("-m has a configuration for every job: show that of one without -m")
    keys = {word.lstrip("+").split("=")[0].split(".")[0] for word in options.overrides}
    for feature in features():
        if feature.after_run is not None and feature.name in keys:
            name = feature.name
            raise ConfigError(
                f"-m has no {name}: run the jobs, then {name} each with colbench {name}"
            )
    jobs = Multirun(options.overrides, options.config_dir)
    command = [*options.program.split(), "run", *map(shlex.quote, ["-m", *words])]
    done, results = jobs.run(" ".join(command))
    console = open_console()
    for one in [results] if results else [job.results for job in done]:
        print_document(run_document(one), console, wide=options.wide, brief=True)
    if results:
        tell(console, "results", jobs.root / "results.json")
        tell(console, "report", jobs.root / "report.html")
    tell(console, "jobs", jobs.root / JOBS)
    systems = sum(s.status == "failed" for job in done for s in job.results.systems)
    if not jobs.failed and not systems:
        return 0
    told = [f"{len(jobs.failed)} jobs failed ({', '.join(jobs.failed)})"] if jobs.failed else []
    told += [f"{systems} systems of the others failed"] if systems else []
    print(
        printable(
            f"colbench: {'; '.join(told)}; the same command runs them again and keeps what has "
            "finished"
        ),
        file=sys.stderr,
    )
    return 1
