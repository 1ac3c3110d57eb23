"""Whether results in a folder are those that a run would make again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.config.settings import RunSettings
from colbench.errors import StorageError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.output import half_published
from colbench.results.store import read_results

_PLACES = ("output_dir", "index_dir", "cache_dir")
_MACHINE = (
    "platform",
    "python",
    "cpu",
    "cores",
    "threads",
    "accelerator",
    "packages",
    "git_commit",
)


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
    if _comparable(results.config) != _comparable(settings.model_dump(mode="json")):
        return False
    here = describe_environment(settings.threads or usable_cores(), settings.seed)
    keys = [key for key in _MACHINE if not (any_commit and key == "git_commit")]
    if any(getattr(here, key) != getattr(results.environment, key) for key in keys):
        return False
    return load_collection(settings.dataset).fingerprint == results.collection.fingerprint


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(config))
    return {key: value for key, value in plain.items() if key not in _PLACES}
