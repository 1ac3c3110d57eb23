"""The words of the command line, sorted into choices of options, plain values and system values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from colbench.config.folder import GROUPS, options
from colbench.config.models import is_model_name, model_name
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Words:
    """Parsed overrides.

    Attributes:
        hydra: what Hydra composes: choices, and values other than those of systems.
        system: (path below `system`, value) of system values, applied once interpolations such as
            `${encoder}` are resolved, so that a system can change its copy of the encoder alone.
        experiment: the chosen experiment.
        keys: every key that was set.
    """

    hydra: list[str]
    system: list[tuple[list[str], Any]]
    experiment: str | None
    keys: set[str]


def read_words(overrides: Sequence[str], extra: Sequence[Path]) -> Words:
    """Parse and sort overrides.

    Args:
        overrides: `KEY=VALUE` in Hydra's grammar.
        extra: further configuration folders.

    Raises:
        ConfigError: unreadable words, an unknown option or an unknown top-level key.
    """
    words = Words([], [], None, set())
    for override in map(_parse, overrides):
        key = override.key_or_group.lstrip("/")
        words.keys.add(key)
        if key in GROUPS:
            words.hydra.extend(_choice(override, key, extra))
        elif key.startswith("system."):
            words.system.append((key.split(".")[1:], override.value()))
        else:
            _check_top(key)
            # Forced, so that pydantic and not Hydra refuses an unknown key: it knows all of them.
            words.hydra.append("++" + str(override.input_line).lstrip("+"))
    chosen = [word.partition("=")[2] for word in words.hydra if word.startswith("experiment=")]
    return Words(words.hydra, words.system, chosen[-1] if chosen else None, words.keys)


def _parse(word: str) -> Override:
    try:
        override: Override = OverridesParser.create().parse_overrides([word])[0]
    except HydraException:
        raise ConfigError(
            f"cannot read {word!r}: write KEY=VALUE, and quote a value with spaces or brackets "
            "(KEY='\"a (b)\"')"
        ) from None
    if override.is_sweep_override():
        raise ConfigError(f"{word!r} names several values: give one, or a list [A,B] where it fits")
    if override.is_delete():
        raise ConfigError(f"{word!r}: keys cannot be removed, set them to another value")
    return override


def _choice(override: Override, group: str, extra: Sequence[Path]) -> list[str]:
    """Return the words for one choice; a model that has no file becomes `custom`."""
    value = override.value()
    known = options(group, extra)
    if group == "system" and override.package is None:
        raise ConfigError(f"choose the systems that run with systems=[{value}]")
    if value is None or value in known:
        return [str(override.input_line)]
    if group in ("encoder", "cross_encoder") and is_model_name(str(value)):
        name = model_name(str(value))
        return [f"{group}=custom", f"++{group}.model='{value}'", f"++{group}.name='{name}'"]
    hint = did_you_mean(str(value), known)
    if group == "dataset":
        hint += f" (any ir_datasets id: dataset=irds dataset.id={value})"
    if group in ("encoder", "cross_encoder"):
        hint += f" (any hub name or folder: {group}=OWNER/NAME)"
    raise ConfigError(f"unknown {group} '{value}': {hint}")


def _check_top(key: str) -> None:
    top = key.split(".")[0]
    known = {*RunSettings.model_fields, *GROUPS}
    if top not in known:
        raise ConfigError(f"unknown key '{key}': {did_you_mean(top, known)}")
