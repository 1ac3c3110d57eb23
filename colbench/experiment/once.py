"""A run that is part of a larger experiment: made once, found again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from colbench.collection.model import Collection
from colbench.config.settings import RunSettings
from colbench.experiment.repeat import is_repeat
from colbench.experiment.runner import Runner
from colbench.progress import note
from colbench.results.schema import Results
from colbench.results.store import read_results


def run_once(
    settings: RunSettings,
    overrides: Sequence[str],
    name: str,
    *,
    prepare: Callable[[Collection], Collection] | None = None,
) -> Results:
    """Return the results in the output folder, of this commit or an earlier one, or make them.

    Args:
        settings: with an output folder.
        overrides: of the command line, after `run`, for the results.
        name: of the run, for the log.
        prepare: changes the collection before the run.

    Raises:
        ColbenchError: the run failed.
    """
    folder = settings.output_dir
    assert folder is not None
    if is_repeat(settings, folder, any_commit=True):
        note(f"{name}: measured before")
        return read_results(folder)
    note(f"{name}: running")
    command = ["python", "-m", "benchmarks", "run", *overrides]
    return Runner(settings, command, prepare=prepare).run()[0]
