"""From figures to `reproduction.json`: run what can be run, or open what was, and judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from colbench import __version__
from colbench.config.compose import compose_run
from colbench.config.folder import quoted
from colbench.errors import ColbenchError
from colbench.experiment.output import file_stem
from colbench.experiment.runner import Runner
from colbench.progress import note
from colbench.reproduce.judge import (
    count,
    describe_run,
    judge_average,
    judge_entries,
)
from colbench.reproduce.matching import Opened
from colbench.reproduce.plan import Plan, PlannedRun
from colbench.reproduce.published import Entry, Reference
from colbench.reproduce.record import Reproduction
from colbench.results.store import FILE_NAME, read_results
from colbench.timing import now


def run_plan(
    plan: Plan, folder: Path, overrides: Sequence[str], command: Sequence[str]
) -> tuple[list[Opened], dict[str, str]]:
    """Run everything planned, each run in a folder of its own below `folder`.

    Returns:
        The runs, and for every figure of a run that failed as a whole the reason, by its id.

    Raises:
        ConfigError: a run cannot be composed.
        ColbenchError: with `strict`, a run failed; those before it are finished.
    """
    opened = []
    reasons: dict[str, str] = {}
    for planned in plan.runs:
        place = folder / run_name(planned)
        note(f"{planned.dataset}, {planned.encoder or 'no encoder'}: {', '.join(planned.wanted)}")
        settings = compose_run(planned.overrides(overrides, [f"output_dir={quoted(str(place))}"]))
        try:
            results, root = Runner(settings, command).run()
        except ColbenchError as error:
            if settings.strict:
                raise
            note(f"failed: {error}")
            reasons |= {entry.id: f"the run failed: {error}" for entry in planned.entries}
            continue
        opened.append(Opened(root, results))
    return opened, reasons


def run_name(planned: PlannedRun) -> str:
    """Return the folder name of a run: its dataset and encoder."""
    return file_stem(f"{planned.dataset}-{planned.encoder or 'no-encoder'}")


def open_results(paths: Sequence[Path]) -> list[Opened]:
    """Read results that were measured before.

    Raises:
        StorageError: a folder that holds no results of this colbench.
    """
    return [
        Opened(path.parent if path.name == FILE_NAME else path, read_results(path))
        for path in paths
    ]


def make_reproduction(
    entries: Sequence[Entry],
    reference: Reference,
    runs: Sequence[Opened],
    reasons: Mapping[str, str],
    *,
    dataset: str,
    command: Sequence[str],
    folder: Path,
) -> Reproduction:
    """Judge every figure asked for, and every average over one of its collections."""
    judged = judge_entries(entries, runs, reasons, reference, folder)
    datasets = {entry.dataset for entry in entries}
    models = {entry.model for entry in entries}
    averages = [
        judge_average(average, runs)
        for average in reference.averages
        if average.model in models or average.members is None or datasets & {*average.members}
    ]
    return Reproduction(
        colbench_version=__version__,
        command=" ".join(command),
        created=now(),
        dataset=dataset,
        runs=[describe_run(opened, folder) for opened in runs],
        counts=count(judged),
        entries=judged,
        averages=averages,
    )
