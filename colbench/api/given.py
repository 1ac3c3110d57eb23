"""From keyword arguments to the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from colbench.config.compose import compose_run
from colbench.config.folder import groups, options
from colbench.config.given import nested
from colbench.config.models import MODEL_GROUPS, NAMED_GROUPS, is_model_name, model_name
from colbench.config.overrides import unknown_option
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError

Folders = str | Path | Iterable[str | Path]
"""A folder, or several."""


def folders_of(config_dirs: Folders) -> list[Path]:
    """Return configuration folders as a list."""
    listed = [config_dirs] if isinstance(config_dirs, str | Path) else list(config_dirs)
    return [Path(folder).expanduser() for folder in listed]


def settings_from(
    given: Mapping[str, Any], folders: list[Path], choices: Mapping[str, str] | None = None
) -> RunSettings:
    """Return checked settings of a run.

    Args:
        given: settings as keyword arguments have them: a value by its key, keys with dots in them
            too; of a group, its values as a mapping, or the name of an option.
        folders: further configuration folders.
        choices: options of groups that `given` changes.

    Raises:
        ConfigError: an unknown key, option or value.
    """
    chosen = dict(choices or {})
    rest = dict(given)
    below: dict[str, Any] = {}
    for group in groups():
        if group == "system" or group not in given or _is_group(given[group]):
            continue
        value = rest.pop(group)
        if value is None and group not in NAMED_GROUPS and group != "dataset":
            continue  # no experiment, no gate: as it is by default
        if not isinstance(value, str | Path):
            raise ConfigError(
                f"'{group}' is {value!r}: give the name of an option, or a mapping of its keys"
            )
        chosen[group], model = _choice(group, str(value), folders)
        below |= {f"{group}.{key}": name for key, name in model.items()}
    values = nested({**below, **rest})
    kind = values.get("dataset", {}).get("kind")
    if kind in options("dataset", folders):
        chosen.setdefault("dataset", kind)
    for key in ("systems", "measures"):
        if isinstance(values.get(key), str):
            values[key] = [values[key]]
    return compose_run([f"{group}={name}" for group, name in chosen.items()], folders, values)


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping | BaseModel)


def _choice(group: str, value: str, folders: list[Path]) -> tuple[str, dict[str, str]]:
    """Return the option that a name stands for, and the values that make it this one."""
    known = options(group, folders)
    if value in known:
        return value, {}
    if group in MODEL_GROUPS and is_model_name(value):
        return "custom", {"model": value, "name": model_name(value)}
    raise unknown_option(group, value, known)
