"""From the command line's words to a checked `RunSettings`.

Every option of `conf/system/` is composed under `system.<name>`, so that any of them can be changed
from the command line or an experiment file; adding a system is adding its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from colbench.config.folder import GROUPS, conf_folder, options
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, did_you_mean
from colbench.measures.catalogue import check_measures
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import system_settings
from colbench.validation import explain

_ROOT = "colbench_root"


def compose_run(overrides: Sequence[str], extra: Sequence[Path] = ()) -> RunSettings:
    """Compose and check the configuration of a run.

    Args:
        overrides: Hydra overrides, such as `dataset=beir/scifact` or `system.bm25.k1=1.2`.
        extra: further configuration folders, searched before the built-in one.

    Raises:
        ConfigError: an unknown key, option, system or value; says which and what is near.
    """
    for folder in extra:
        if not folder.is_dir():
            raise ConfigError(f"configuration folder {folder} does not exist")
    parsed = _parse(overrides)
    _check_choices(parsed, extra)
    composed = _compose(overrides, parsed, extra)
    try:
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_missing(error)) from None
    assert isinstance(values, dict)
    values = {str(key): value for key, value in values.items()}
    values["name"] = values["name"] or _chosen("experiment", parsed)
    values["system"] = _resolve_models(values["system"], extra)
    try:
        settings = RunSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, RunSettings)) from None
    check_measures(settings.measures)
    _check_systems(settings)
    return settings


def selected_systems(settings: RunSettings) -> dict[str, SystemSettings]:
    """Return checked settings of the systems that run and of every system they are made of.

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

    for name in settings.systems:
        visit(name, ())
    return checked


def _near(name: str, known: Any) -> str:
    return did_you_mean(name, [str(item) for item in known])


def _parse(overrides: Sequence[str]) -> list[Override]:
    try:
        return list(OverridesParser.create().parse_overrides(list(overrides)))
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"cannot read an override: {reason}; write KEY=VALUE") from None


def _chosen(group: str, parsed: Sequence[Override]) -> Any:
    values = [override.value() for override in parsed if override.key_or_group == group]
    return values[-1] if values else None


def _check_choices(parsed: Sequence[Override], extra: Sequence[Path]) -> None:
    """Refuse an unknown option of a group before Hydra does, with the nearest name."""
    for override in parsed:
        group = override.key_or_group.split("@")[0].lstrip("/")
        value = override.value()
        if group in GROUPS and isinstance(value, str) and value not in options(group, extra):
            hint = did_you_mean(value, options(group, extra))
            if group == "dataset":
                hint += f" (any ir_datasets id: dataset=irds dataset.id={value})"
            raise ConfigError(f"unknown {group} '{value}': {hint}")


def _root(extra: Sequence[Path]) -> dict[str, Any]:
    """Return `config.yaml` with all systems put first, so that an experiment can change them."""
    root = OmegaConf.to_container(OmegaConf.load(conf_folder() / "config.yaml"))
    assert isinstance(root, dict)
    systems = [{f"system@system.{name}": name} for name in options("system", extra)]
    return {**root, "defaults": [*systems, *root["defaults"]]}


def _compose(
    overrides: Sequence[str], parsed: Sequence[Override], extra: Sequence[Path]
) -> DictConfig:
    ConfigStore.instance().store(name=_ROOT, node=_root(extra))
    search = ",".join(f"file://{folder.resolve()}" for folder in extra)
    paths = [f"hydra.searchpath=[{search}]"] if extra else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        try:
            return compose(config_name=_ROOT, overrides=[*overrides, *paths])
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_diagnose(error, parsed, paths)) from None


def _diagnose(error: Exception, parsed: Sequence[Override], paths: list[str]) -> str:
    """Find the override that names no key; otherwise give Hydra's own first line."""
    groups = [str(o.input_line) for o in parsed if o.key_or_group.split("@")[0] in GROUPS]
    try:
        known = compose(config_name=_ROOT, overrides=[*groups, *paths])
    except (HydraException, OmegaConfBaseException):
        return str(error).splitlines()[0]
    keys = {*_keys(OmegaConf.to_container(known, resolve=False)), *GROUPS}
    for override in parsed:
        key = override.key_or_group
        if key not in keys and key.split("@")[0] not in GROUPS and not override.is_add():
            return f"unknown key '{key}': {_hint(key, keys)}"
    return str(error).splitlines()[0]


def _hint(key: str, keys: set[str]) -> str:
    """Name the nearest key beside it, else keys elsewhere that end alike, else all beside it."""
    beside = did_you_mean(key, _siblings(key, keys))
    if not beside.startswith("did you mean"):
        alike = {name for name in keys if name.rpartition(".")[2] == key.rpartition(".")[2]}
        if alike:
            return f"did you mean {' or '.join(sorted(alike)[:3])}?"
    return beside


def _siblings(key: str, keys: set[str]) -> set[str]:
    """Return the keys of the deepest existing node on the way to `key`."""
    parent = key
    while parent:
        parent = parent.rpartition(".")[0]
        depth = parent.count(".") + 1 if parent else 0
        near = {
            k for k in keys if k.count(".") == depth and (not parent or k.startswith(parent + "."))
        }
        if near:
            return near
    return keys


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield f"{prefix}{name}"
            yield from _keys(value, f"{prefix}{name}.")


def _missing(error: OmegaConfBaseException) -> str:
    key = getattr(error, "full_key", None)
    if key:
        return f"'{key}' is required: set it with {key}=…"
    return str(error).splitlines()[0]


def _resolve_models(systems: dict[str, Any], extra: Sequence[Path]) -> dict[str, Any]:
    """Let a system name its model: `system.bi_encoder.encoder=bge_small`, a folder or hub name."""
    resolved = {}
    for name, values in systems.items():
        resolved[name] = dict(values)
        for key in ("encoder", "cross_encoder"):
            if isinstance(values.get(key), str):
                resolved[name][key] = _named_model(key, values[key], extra)
    return resolved


def _named_model(group: str, name: str, extra: Sequence[Path]) -> Any:
    known = options(group, extra)
    if name in known:
        return OmegaConf.to_container(OmegaConf.load(known[name]))
    if "/" in name or Path(name).is_dir():
        return {"name": name.rstrip("/").rpartition("/")[2], "model": name}
    raise ConfigError(f"unknown {group} '{name}': {did_you_mean(name, known)}")


def _check_systems(settings: RunSettings) -> None:
    repeated = {name for name in settings.systems if settings.systems.count(name) > 1}
    if repeated:
        raise ConfigError(f"systems names {', '.join(sorted(repeated))} more than once")
    selected_systems(settings)
    if settings.baseline is not None and settings.baseline not in settings.systems:
        hint = _near(settings.baseline, settings.systems)
        raise ConfigError(f"baseline '{settings.baseline}' is not among the systems: {hint}")
