"""From a name in a system's settings to the settings it stands for: a model, an index, a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from colbench.config.folder import options, read_yaml, reason
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.errors import ConfigError, did_you_mean
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.settings import Settings

MODEL_GROUPS = ("encoder", "cross_encoder")
NAMED_GROUPS: Mapping[str, type[Settings]] = {
    "encoder": EncoderSettings,
    "cross_encoder": CrossEncoderSettings,
    "index": IndexSettings,
    "search": SearchSettings,
}
"""Groups of `conf/` whose options a system can name, and what the named settings are."""


def is_model_name(value: str) -> bool:
    """Return whether `value` can be a hub name or is a folder."""
    try:
        return "/" in value or Path(value).is_dir()
    except OSError:  # too long to be a path
        return False


def model_name(value: str) -> str:
    """Return the short name of a hub name or folder.

    >>> model_name("owner/model"), model_name("path/to/model/")
    ('model', 'model')
    """
    return value.rstrip("/").rpartition("/")[2]


def named_settings(
    group: str, name: str, extra: Sequence[Path], scope: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings named by an option of `conf/`, or of a model's hub name or folder.

    Args:
        group: one of `NAMED_GROUPS`.
        name: what stands in the system's settings.
        extra: further configuration folders.
        scope: top-level values that an option may refer to, such as `${seed}`.

    Raises:
        ConfigError: there is no such option, or it needs a model to be named.
    """
    known = options(group, extra)
    if name in known:
        whole = OmegaConf.create({**scope, "option": read_yaml(known[name])})
        if missing := OmegaConf.missing_keys(whole.option):
            keys = ", ".join(sorted(key.removeprefix("option.") for key in missing))
            raise ConfigError(f"{group} '{name}' does not set {keys}: name a hub model or a folder")
        try:
            values = OmegaConf.to_container(whole.option, resolve=True)
        except OmegaConfBaseException as error:
            raise ConfigError(f"{known[name]}: {reason(error)}") from None
        return {str(key): value for key, value in dict(values).items()}  # type: ignore[arg-type]
    if group in MODEL_GROUPS and is_model_name(name):
        return {"name": model_name(name), "model": name}
    raise ConfigError(f"unknown {group} '{name}': {did_you_mean(name, known)}")
