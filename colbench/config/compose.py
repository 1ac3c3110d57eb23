"""From the command line's words to a checked `RunSettings`.

Every option of `conf/system/` is composed under `system.<name>`, so that any of them can be changed
from the command line or an experiment file; adding a system is adding its file. Hydra composes,
pydantic refuses what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from pydantic import ValidationError

from colbench.config.folder import (
    COMPOSITION_ERRORS,
    GROUPS,
    conf_folder,
    options,
    read_yaml,
    reason,
    search_path,
)
from colbench.config.models import NAMED_GROUPS, named_settings
from colbench.config.overrides import read_words
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, did_you_mean
from colbench.gate.rules import gate_values, merged
from colbench.measures.catalogue import check_measures
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import system_class, system_settings
from colbench.settings import explain

ROOT = "colbench_root"
"""Name under which `store_root` puts `config.yaml` where Hydra finds it."""


def compose_run(overrides: Sequence[str], extra: Sequence[Path] = ()) -> RunSettings:
    """Compose and check the configuration of a run.

    Args:
        overrides: Hydra overrides, such as `dataset=beir/scifact` or `system.bm25.k1=1.2`.
        extra: further configuration folders, searched before the built-in one.

    Raises:
        ConfigError: an unknown key, option, system or value; says which and what is near.
    """
    check_folders(extra)
    words = read_words(overrides, extra)
    values = _compose(words.hydra, extra)
    values["name"] = values["name"] or words.experiment
    if isinstance(values.get("gate"), dict):  # keys of a gate need no choice of one
        values["gate"] = merged(gate_values("default", extra), values["gate"])
    _validated(values)  # what follows relies on systems being a list, and each of them keys
    for path, value in words.system:
        _set_system_value(values, path, value, extra)
    for name in values["system"]:
        _resolve_names(values, name, extra)
    if "baseline" not in words.keys and values["baseline"] not in values["systems"]:
        values["baseline"] = None  # an experiment's choice does not outlive a change of its systems
    settings = _validated(values)
    check_measures(settings.measures)
    _check_systems(settings, changed=[path[0] for path, _ in words.system])
    return settings


def selected_systems(settings: RunSettings) -> dict[str, SystemSettings]:
    """Return checked settings of the systems that run and of every system they are made of.

    Raises:
        ConfigError: an unknown system, an unknown key in one, or systems made of each other.
    """
    return with_parts(settings, settings.systems)


def with_parts(settings: RunSettings, names: Iterable[str]) -> dict[str, SystemSettings]:
    """Return checked settings of systems and of every system they are made of.

    Raises:
        ConfigError: an unknown system, an unknown key in one, or systems made of each other.
    """
    checked: dict[str, SystemSettings] = {}

    def visit(name: str, parents: tuple[str, ...]) -> None:
        if name in parents:
            raise ConfigError(f"system '{name}' is made of itself: {' → '.join((*parents, name))}")
        if name not in settings.system:
            where = f" (needed by '{parents[-1]}')" if parents else ""
            raise ConfigError(f"unknown system '{name}'{where}: {_near(name, settings.system)}")
        checked[name] = system_settings(name, settings.system[name])
        for part in checked[name].parts():
            visit(part, (*parents, name))

    for name in names:
        visit(name, ())
    return checked


def resolved(settings: RunSettings) -> dict[str, Any]:
    """Return the whole configuration as plain values, every default of what runs spelt out."""
    systems = selected_systems(settings)
    values = settings.model_dump(mode="json")
    return {**values, "system": {n: s.model_dump(mode="json") for n, s in systems.items()}}


def check_folders(extra: Sequence[Path]) -> None:
    """Read every file of the user's folders: Hydra does not say in which one an error is.

    Raises:
        ConfigError: naming the folder or file that cannot be read.
    """
    for folder in extra:
        try:
            str(folder).encode("utf-8")  # results carry the command line
            if not folder.is_dir():
                raise ConfigError(f"configuration folder {folder} does not exist")
        except OSError as error:
            raise ConfigError(f"configuration folder {folder}: {error.strerror}") from error
        except UnicodeEncodeError as error:
            raise ConfigError(f"configuration folder {folder}: rename it, in UTF-8") from error
    for group in GROUPS:
        for path in options(group, extra).values():
            if not path.is_relative_to(conf_folder()):
                read_yaml(path)


def _validated(values: dict[str, Any]) -> RunSettings:
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, RunSettings)) from None


def _near(name: str, known: Any) -> str:
    return did_you_mean(name, [str(item) for item in known])


def _root(extra: Sequence[Path]) -> dict[str, Any]:
    """Return `config.yaml` with all systems put first, so that an experiment can change them."""
    root = OmegaConf.to_container(OmegaConf.load(conf_folder() / "config.yaml"))
    assert isinstance(root, dict)
    systems = [{f"system@system.{name}": name} for name in options("system", extra)]
    return {**root, "defaults": [*systems, *root["defaults"]]}


def _compose(words: Sequence[str], extra: Sequence[Path]) -> dict[str, Any]:
    store_root(extra)
    outside = GlobalHydra.instance().hydra  # set inside a job of Hydra's multirun
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
            composed = compose(config_name=ROOT, overrides=[*words, *search_path(extra)])
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except COMPOSITION_ERRORS as error:
        key = getattr(error, "full_key", None)
        if key and "issing" in str(error):
            raise ConfigError(f"'{key}' is required: set it with {key}=…") from None
        raise ConfigError(f"the configuration cannot be composed: {reason(error)}") from None
    finally:
        GlobalHydra.instance().hydra = outside
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def store_root(extra: Sequence[Path]) -> None:
    """Make the root configuration known to Hydra under `ROOT`."""
    ConfigStore.instance().store(name=ROOT, node=_root(extra))


def _set_system_value(
    values: dict[str, Any], path: list[str], value: Any, extra: Sequence[Path]
) -> None:
    """Set `system.<name>.<key>…`; an unknown key is made here and refused by the system's class."""
    name, *keys = path
    systems = values["system"]
    if name not in systems:
        raise ConfigError(f"unknown system '{name}': {_near(name, systems)}")
    if not keys:
        raise ConfigError(f"system.{name} is a group of keys: set one, as in system.{name}.KEY=…")
    _resolve_names(values, name, extra)
    node = systems[name]
    for key in keys[:-1]:
        if not isinstance(node.get(key), dict):
            node[key] = {}
        node = node[key]
    node[keys[-1]] = value


def _resolve_names(values: dict[str, Any], name: str, extra: Sequence[Path]) -> None:
    """Let a system name its model, index or search: `system.colbert.search=k100`."""
    system, scope = values["system"][name], {"seed": values["seed"]}
    kind = system.get("kind")
    fields = system_class(kind).Settings.model_fields if isinstance(kind, str) else {}
    for group, settings in NAMED_GROUPS.items():
        takes_it = group in fields and fields[group].annotation is settings
        if takes_it and isinstance(system.get(group), str):
            system[group] = named_settings(group, system[group], extra, scope)


def _check_systems(settings: RunSettings, changed: Sequence[str]) -> None:
    """Check what runs, and what was set on the command line whether it runs or not."""
    repeated = {name for name in settings.systems if settings.systems.count(name) > 1}
    if repeated:
        raise ConfigError(f"systems names {', '.join(sorted(repeated))} more than once")
    selected_systems(settings)
    for name in changed:
        system_settings(name, settings.system[name])
    if settings.baseline is not None and settings.baseline not in settings.systems:
        hint = _near(settings.baseline, settings.systems)
        raise ConfigError(f"baseline '{settings.baseline}' is not among the systems: {hint}")
