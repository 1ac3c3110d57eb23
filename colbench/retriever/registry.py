"""From a system's `kind` to its class, without importing the others.

A kind is the name of a module in `colbench.retriever.systems`, or a module of the user's own
(`mine`, `./mine.py`, `mypackage.my_system`) that defines `SYSTEM` the same way; see `user_modules`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from colbench.errors import ConfigError, did_you_mean
from colbench.paths import plain_name
from colbench.progress import note
from colbench.retriever import systems
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.user_modules import (
    is_file_kind,
    load_module,
    module_digests,
    module_folders,
)
from colbench.settings import explain


def kinds() -> list[str]:
    """Names of the built-in kinds."""
    return sorted(module.name for module in pkgutil.iter_modules(systems.__path__))


def system_class(kind: str) -> type[Retriever]:
    """Return the class that implements `kind`.

    Raises:
        ConfigError: there is no such module, it cannot be imported, or it defines no `SYSTEM`.
    """
    module = _module(kind)
    retriever = getattr(module, "SYSTEM", None)
    if not (isinstance(retriever, type) and issubclass(retriever, Retriever)):
        what = "no SYSTEM" if retriever is None else "a SYSTEM that is no Retriever"
        where = getattr(module, "__file__", None) or module.__name__
        raise ConfigError(f"{where} defines {what}: set SYSTEM to the Retriever subclass")
    return retriever


def _module(kind: str) -> ModuleType:
    if kind in kinds():
        return importlib.import_module(f"{systems.__name__}.{kind}")
    module = load_module(kind)
    if module is None:
        places = ", ".join(map(str, module_folders()))
        hint = did_you_mean(kind, kinds())
        if is_file_kind(kind):
            hint = f"there is no such file in {places}"
        elif hint.startswith("choose"):
            hint += f"; or name a module of your own, such as a file in {places}"
        raise ConfigError(f"unknown system kind '{kind}': {hint}")
    return module


def own_module(kind: str) -> dict[str, str]:
    """Return the sha256 of the files of a module of the user's own, its own file first."""
    return {} if kind in kinds() else module_digests(_module(kind))


def module_metadata(kind: str) -> dict[str, dict[str, str]]:
    """Return what results say of a module of the user's own: the sha256 of its files."""
    files = own_module(kind)
    return {"module_sha256": files} if files else {}


_SAID: set[str] = set()


def say_whose_code_runs(name: str, settings: SystemSettings) -> None:
    """Tell, once, whose code runs, and where queries go, where it is not colbench's own.

    Args:
        name: of a system that is to run.
        settings: of it.

    Raises:
        ConfigError: what is to run is not there.
    """
    told = [
        f"trust_remote_code=true: the code that comes with {model.model}, if any, runs"
        for model in settings.models()
        if model.trust_remote_code
    ]
    if settings.kind not in kinds():
        code = _module(settings.kind).__file__
        told.append(f"system kind '{settings.kind}': the code of {code} runs")
    if (announcement := settings.announcement()) is not None:
        told.append(f"system '{name}': {announcement}")
    for line in told:
        if line not in _SAID:
            _SAID.add(line)
            note(line)


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
