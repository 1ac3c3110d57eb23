"""`colbench.run`: systems measured on a collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from colbench.api.given import Folders, folders_of, settings_from
from colbench.api.live import System, described, named_systems
from colbench.api.load import Dataset, checked, dataset_named
from colbench.api.results import Results
from colbench.collection.model import Collection
from colbench.collection.settings import MemorySettings
from colbench.config.compose import SYSTEMS
from colbench.config.folder import options
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError
from colbench.experiment.runner import Runner
from colbench.features import entry_point, features
from colbench.paths import check_name
from colbench.progress import quieted
from colbench.retriever.systems.live import Held
from colbench.retriever.user_modules import modules_kept
from colbench.settings import explain

_SWEEP = "sweep"


def run(
    *,
    dataset: Dataset | Mapping[str, Any] | None = None,
    systems: System | Iterable[System] | Mapping[str, System] | None = None,
    config_dirs: Folders = (),
    verbose: bool = False,
    **settings: Any,
) -> Results:
    """Measure systems on a collection: effectiveness, significance, latency, memory and size.

    Systems of the configuration are each measured in a process of their own, as by `colbench run`.
    A function or object is measured in the calling process, and so without its memory; what it
    raises is a row of status `failed`.

    Args:
        dataset: as `load_collection` takes it; default: that of the configuration or experiment.
        systems: names of systems, functions `(query, k)`, and objects or classes with
            `search(query, k)` and perhaps `index(collection)`, in the order of the rows; a mapping
            gives them names. An answer holds pairs of document id and score in any order, or a
            mapping of these, or ids alone, best first.
        config_dirs: folders like `conf/` with systems, encoders or datasets of your own.
        verbose: whether progress and notes are shown on standard error.
        **settings: those of the configuration (`colbench run --show-config`): `k=100`,
            `encoder="colbertv2"`, `index={"nbits": 2}`, `system={"bm25": {"k1": 1.2}}`,
            `experiment="quickstart"`, `output_dir="out"`, `cache_dir=…`, and with dots
            `**{"dataset.sample.docs": 1000}`. Values mean what they are: nothing in a text is
            read as grammar.

    Returns:
        What was found. It was also written, with reports and run files, to `folder`.

    Raises:
        ConfigError: an unknown key, option, system or value; says which and what is near.
        DataError: the collection cannot be had or used.
        StorageError: a file or folder cannot be read or written.

    >>> import colbench
    >>> collection = colbench.load_collection("my_folder")
    >>> def longest(query: str, k: int) -> list[tuple[str, float]]:
    ...     return [(document.id, len(document.text)) for document in collection.documents]
    >>> results = colbench.run(dataset=collection, systems=["bm25", longest], output_dir="out")
    >>> [(system.name, system.status) for system in results.systems]
    [('bm25', 'ok'), ('longest', 'ok')]
    >>> round(results["bm25"].effectiveness["ndcg@10"], 2)
    1.0
    """
    folders = folders_of(config_dirs)
    given = dict(settings)
    choices: dict[str, str] = {}
    collection = None
    if isinstance(dataset, Collection):
        collection = checked(dataset)
        _check_alone(settings)
    elif isinstance(dataset, Mapping):
        given["dataset"] = dataset
    elif dataset is not None:
        choices["dataset"], values = dataset_named(dataset, folders)
        given |= {f"dataset.{key}": value for key, value in values.items()}
    held: dict[str, Held] = {}
    if systems is not None:
        given["systems"], held = named_systems(systems)
        known = options("system", folders).keys() | set(_mapping(settings.get("system")))
        for name, one in held.items():
            check_name(name, "a system")
            if name in known:
                raise ConfigError(
                    f"systems: '{name}' is the name of a system of the configuration: give yours "
                    f"another, as in systems={{'my_{name}': …}}"
                )
            place = f"system.{name}" if "." not in name else None
            if place is None:
                raise ConfigError(f"systems: '{name}' has a dot in it: give it another name")
            given |= {f"{place}.kind": "live", f"{place}.target": described(one)}
            given[f"{place}.held"] = one
    told = _told({"dataset": dataset, "systems": systems, **settings})
    with quieted(not verbose), modules_kept():
        found = settings_from(given, folders, choices)
        if collection is not None:
            found = found.model_copy(update={"dataset": _in_memory(collection)})
        return _measured(found, told, collection, bool(held))


def _in_memory(collection: Collection) -> MemorySettings:
    try:
        return MemorySettings(name=collection.name, query_length=collection.query_length)
    except ValidationError as error:
        raise ConfigError(explain(error, MemorySettings, "the collection")) from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _check_alone(settings: Mapping[str, Any]) -> None:
    """Refuse settings of a dataset beside a collection that is loaded."""
    if wrong := [key for key in settings if key.split(".")[0] == "dataset"]:
        raise ConfigError(
            f"'{wrong[0]}' is of no use to a collection in memory: give it where that is loaded"
        )


def _measured(
    settings: RunSettings, told: str, collection: Collection | None, live: bool
) -> Results:
    for feature in features():
        if feature.after_run is not None and feature.name in settings.features:
            raise ConfigError(
                f"{feature.name}: results are judged once they are there, in Python: "
                f"colbench.{feature.name}(results, …)"
            )
    if settings.task == SYSTEMS:
        return Results(*Runner(settings, [told], collection=collection).run())
    if settings.task != _SWEEP:
        raise ConfigError(
            f"task={settings.task} leaves no results of systems: it is for the command line, "
            f"colbench run task={settings.task}"
        )
    if collection is not None or live:
        raise ConfigError(
            "a sweep runs in processes of its own: name the dataset, and systems of the "
            "configuration"
        )
    from colbench.experiment.task import Invocation

    (task,) = [one.task for one in features() if one.name == _SWEEP and one.task is not None]
    finished = entry_point(task)(Invocation(settings, [told]))
    return Results(finished.results, finished.folder)


_LONGEST = 200


def _told(arguments: Mapping[str, Any]) -> str:
    """Return the call as results name it, in place of a command line."""

    def shown(value: Any) -> str:
        if isinstance(value, Collection):
            return f"<{value.name}>"
        if isinstance(value, str | int | float | None):
            return repr(value)
        if isinstance(value, Path):
            return repr(str(value))
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key!r}: {shown(one)}" for key, one in value.items()) + "}"
        if isinstance(value, list | tuple | set):
            return "[" + ", ".join(map(shown, value)) + "]"
        return f"<{getattr(value, '__name__', type(value).__name__)}>"

    words = [f"{key}={shown(value)}" for key, value in arguments.items() if value is not None]
    short = [word if len(word) <= _LONGEST else f"{word[:_LONGEST]}…" for word in words]
    return f"colbench.run({', '.join(short)})"
