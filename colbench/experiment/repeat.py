"""Whole runs that are part of a larger experiment, found again by their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import collections
from colbench.errors import StorageError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.output import half_published
from colbench.experiment.runner import Runner
from colbench.experiment.store import machine, work_key
from colbench.progress import note
from colbench.results.origin import Environment
from colbench.results.schema import Results
from colbench.results.store import read_results

_PLACES = ("output_dir", "index_dir", "cache_dir")


def is_repeat(settings: RunSettings, folder: Path, *, any_commit: bool = False) -> bool:
    """Return whether the folder holds all results of equal settings, collection, code and machine.

    Results that lack a system are not: its weights may be there by now, its error mended. With
    `any_commit`, results of another commit are; the caller then says of which they are.
    """
    if half_published(folder):
        return False
    try:
        results = read_results(folder)
    except StorageError:
        return False
    if any(system.status != "ok" for system in results.systems):
        return False
    if results.colbench_version != __version__:
        return False
    here = describe_environment(settings.threads or usable_cores(), settings.seed)
    if not any_commit and here.git_commit != results.environment.git_commit:
        return False
    if _key(settings.model_dump(mode="json"), here) != _key(results.config, results.environment):
        return False
    collection = load_collection(settings.dataset, collections(settings.cache_dir))
    return collection.fingerprint == results.collection.fingerprint


def _key(config: dict[str, Any], environment: Environment) -> str:
    relevant = {key: value for key, value in config.items() if key not in _PLACES}
    return work_key(relevant, machine(environment))


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
