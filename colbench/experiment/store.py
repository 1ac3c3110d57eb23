"""Finished work, kept so that a run that was interrupted, or is made again, does not do it twice.

A piece of work lies in a checksummed file with a key: the digest of everything that its outcome
depends on. What is of another key, damaged, or written by a colbench that measured something else,
is done again. A whole run that is part of a larger experiment is found by its results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.config.settings import RunSettings
from colbench.digests import json_digest
from colbench.encoder.cache.store import collections
from colbench.errors import StorageError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.output import half_published
from colbench.experiment.runner import Runner
from colbench.progress import note
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.results.origin import Environment
from colbench.results.schema import Results
from colbench.results.store import read_results

_MACHINE = ("platform", "python", "cpu", "cores", "threads", "accelerator", "packages")
_AGAIN = "it is measured again"

Value = TypeVar("Value")


def work_key(*relevant: Any) -> str:
    """Return what a piece of work is kept under.

    Args:
        relevant: everything that its outcome depends on: plain values, paths, enumerations and
            pydantic models, in lists and mappings.

    >>> work_key({"b": 1, "a": [2]}) == work_key({"a": [2], "b": 1}) != work_key({"a": [2]})
    True
    """
    return json_digest(to_jsonable_python(list(relevant)))


def machine(environment: Environment) -> dict[str, Any]:
    """Return what of an environment decides whether measurements can be put beside each other."""
    return environment.model_dump(mode="json", include=set(_MACHINE))


def keep(file: Path, key: str, value: Any) -> None:
    """Keep finished work.

    Args:
        file: where; an earlier one is replaced.
        key: its `work_key`, or a name made from that.
        value: plain JSON or a pydantic model.

    Raises:
        StorageError: the file cannot be written.
    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    write_checksummed(file, {"key": key, "value": plain})


def recall(file: Path, key: str, check: Callable[[Any], Value], *, what: str) -> Value | None:
    """Return what `keep` has kept; None where that is not there or cannot be used.

    Args:
        file: where it was kept.
        key: it must have been kept under.
        check: makes it from plain JSON, such as `Model.model_validate`.
        what: it is, with its article, for messages.
    """
    if not file.is_file():
        return None
    try:
        held = read_checksummed(file, what=what, renew=_AGAIN)
        if held["key"] == key:
            return check(held["value"])
    except StorageError as error:
        note(str(error))
    except (ValidationError, KeyError):
        note(f"{file} is of another colbench: {_AGAIN}")
    return None


_PLACES = ("output_dir", "index_dir", "cache_dir")


def is_repeat(settings: RunSettings, folder: Path, *, any_commit: bool = False) -> bool:
    """Return whether the folder holds all results of equal settings, collection, code and machine.

    Results with a skipped system are not: its weights may be there by now. With `any_commit`,
    results of another commit are; the caller then says of which they are.
    """
    if half_published(folder):
        return False
    try:
        results = read_results(folder)
    except StorageError:
        return False
    if any(system.status == "skipped" for system in results.systems):
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
