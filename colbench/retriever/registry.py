"""From a system's `kind` to its class, without importing the others.

A kind is the name of a module in `colbench.retriever.systems`, or the dotted name of a module
elsewhere (`mypackage.my_system`) that defines `SYSTEM` the same way.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from colbench.errors import ConfigError, did_you_mean
from colbench.paths import plain_name
from colbench.progress import note
from colbench.retriever import systems
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.settings import explain


def kinds() -> list[str]:
    """Names of the built-in kinds."""
    return sorted(module.name for module in pkgutil.iter_modules(systems.__path__))


def system_class(kind: str) -> type[Retriever]:
    """Return the class that implements `kind`.

    Raises:
        ConfigError: there is no such module, or it defines no `SYSTEM`.
    """
    if kind.startswith("."):  # a relative name: import_module takes none
        raise ConfigError(f"unknown system kind '{kind}': {did_you_mean(kind, kinds())}")
    name = kind if "." in kind else f"{systems.__name__}.{kind}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise ConfigError(f"unknown system kind '{kind}': {did_you_mean(kind, kinds())}") from None
    retriever: type[Retriever] | None = getattr(module, "SYSTEM", None)
    if retriever is None:
        raise ConfigError(f"module {name} defines no SYSTEM: set it to the Retriever subclass")
    return retriever


_SAID: set[str] = set()


def say_imported(used: Iterable[str]) -> None:
    """Tell, once, whose code runs where a kind of system is not colbench's own.

    Args:
        used: kinds of the systems that run.
    """
    for kind in sorted(set(used) - set(kinds()) - _SAID):
        _SAID.add(kind)
        note(f"system kind '{kind}': the code of {inspect.getfile(system_class(kind))} runs")


def system_settings(name: str, values: Mapping[str, Any]) -> SystemSettings:
    """Validate the settings of one system.

    Raises:
        ConfigError: naming the key that is wrong and, where one is near, the right one.
    """
    kind = values.get("kind")
    if not isinstance(kind, str):
        raise ConfigError(f"system.{name} has no kind: set it to one of {', '.join(kinds())}")
    settings = system_class(kind).Settings
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, settings, f"system.{name}")) from None


def make_system(name: str, bench: Workbench, inside: Path | None = None) -> Retriever:
    """Instantiate a configured system; nothing is built yet.

    Args:
        name: of the system.
        bench: what it works with.
        inside: folder of the system it is a part of; default: the bench's own.

    Raises:
        ConfigError: no system of that name is configured.
    """
    if name not in bench.systems:
        raise ConfigError(f"unknown system '{name}': {did_you_mean(name, bench.systems)}")
    settings = bench.systems[name]
    folder = system_folder(inside or bench.folder, name)
    return system_class(settings.kind)(name, settings, bench, folder)


_TAKEN = ("shared", "sweep", "exact", "token_vectors")
"""Folders that lie beside those of systems: of indexes that several share, of a sweep's variants,
and of a system that has others as its parts."""


def system_folder(indexes: Path, name: str) -> Path:
    """Return the folder of a system among indexes; distinct systems have distinct folders."""
    return indexes / plain_name(name, _TAKEN)
