"""From a model's name in a system's settings to the settings of that model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from colbench.config.folder import options
from colbench.errors import ConfigError, did_you_mean

MODEL_GROUPS = ("encoder", "cross_encoder")


def is_model_name(value: str) -> bool:
    """Return whether `value` can be a hub name or is a folder."""
    return "/" in value or Path(value).is_dir()


def model_name(value: str) -> str:
    """Return the short name of a hub name or folder.

    >>> model_name("owner/model"), model_name("path/to/model/")
    ('model', 'model')
    """
    return value.rstrip("/").rpartition("/")[2]


def named_model(group: str, name: str, extra: Sequence[Path]) -> dict[str, Any]:
    """Return the settings of a model named by an option of `conf/`, a hub name or a folder.

    Raises:
        ConfigError: there is no such option, or it needs a model to be named.
    """
    known = options(group, extra)
    if name in known:
        node = OmegaConf.load(known[name])
        if missing := OmegaConf.missing_keys(node):
            keys = ", ".join(sorted(missing))
            raise ConfigError(f"{group} '{name}' does not set {keys}: name a hub model or a folder")
        values = OmegaConf.to_container(node)
        return {str(key): value for key, value in dict(values).items()}  # type: ignore[arg-type]
    if is_model_name(name):
        return {"name": model_name(name), "model": name}
    raise ConfigError(f"unknown {group} '{name}': {did_you_mean(name, known)}")
