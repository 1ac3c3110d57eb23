"""The overrides of the command line, sorted into choices of options, plain values and system
values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from colbench.config.annotations import typed
from colbench.config.folder import groups, options, quoted
from colbench.config.models import is_model_name, model_name
from colbench.config.settings import RunSettings
from colbench.config.verbatim import hydra_override
from colbench.errors import ConfigError, did_you_mean
from colbench.features import features
from colbench.settings import retired


def _optional() -> dict[str, list[str]]:
    """Return groups of which none may be chosen, and the words for that: Hydra takes no null."""
    chosen = [feature.name for feature in features() if feature.group]
    return {"experiment": [], **{name: [f"~{name}"] for name in chosen}}


@dataclass(frozen=True)
class Overrides:
    """Parsed overrides.

    Attributes:
        hydra: what Hydra composes: choices, and values other than those of systems.
        system: (path below `system`, `SystemValue.value`), applied once interpolations such as
            `${encoder}` are resolved, so that a system can change its copy of the encoder alone.
        experiment: the chosen experiment.
        keys: every key that was set.
    """

    hydra: list[str]
    system: list[tuple[list[str], Any]]
    experiment: str | None
    keys: set[str]


def read_overrides(overrides: Sequence[str], extra: Sequence[Path]) -> Overrides:
    """Parse and sort overrides.

    Args:
        overrides: `KEY=VALUE` in Hydra's grammar; paths as they are, lists without brackets too.
        extra: further configuration folders.

    Raises:
        ConfigError: unreadable overrides, an unknown option or an unknown top-level key.
    """
    parsed = Overrides([], [], None, set())
    experiment = None
    for text in overrides:
        if (value := SystemValue.of(text)) is not None:
            parsed.keys.add(value.key)
            parsed.system.append((value.key.split(".")[1:], value.value))
            continue
        override = _parse(hydra_override(text, extra))
        key = override.key_or_group.lstrip("/")
        parsed.keys.add(key)
        if key in groups():
            parsed.hydra.extend(_choice(override, key, extra))
            if key == "experiment":
                experiment = override.value()
        else:
            check_top(key)
            # Forced, so that pydantic and not Hydra refuses an unknown key: it knows all of them.
            parsed.hydra.append("++" + str(override.input_line).lstrip("+"))
    return replace(parsed, experiment=None if experiment is None else str(experiment))


@dataclass(frozen=True)
class MultirunOverrides:
    """Overrides some of which have several values.

    Attributes:
        hydra: what Hydra's multirun is given.
        varied: keys with several values.
        keys: every key that was set.
        experiment: the chosen experiment, where there is one.
        output_dir: where everything goes, if it was named.
    """

    hydra: list[str]
    varied: list[str]
    keys: set[str]
    experiment: str | None
    output_dir: str | None


def multirun_overrides(overrides: Sequence[str], extra: Sequence[Path]) -> MultirunOverrides:
    """Parse the overrides of a multirun; those with one value may be all that a run takes.

    Args:
        overrides: in Hydra's grammar; keys of Hydra's own, such as `hydra/launcher`, are kept.
        extra: further configuration folders.

    Raises:
        ConfigError: unreadable overrides, an unknown key, or no override with several values.
    """
    multirun = MultirunOverrides([], [], set(), None, None)
    experiment, output_dir = None, None
    for text in overrides:
        override = _read(_in_multirun(text, extra))
        key, line = override.key_or_group.lstrip("/"), str(override.input_line)
        multirun.keys.add(key)
        if key == "output_dir":
            output_dir = str(override.value())
        elif key.split(".")[0].split("/")[0] == "hydra":
            multirun.hydra.append(line)
        elif override.is_sweep_override():
            if key not in groups():
                check_top(key)
            multirun.hydra.append(line if key in groups() else "++" + line.lstrip("+"))
            multirun.varied.append(key)
        else:
            parsed = read_overrides([text if key.startswith("system.") else line], extra)
            multirun.hydra.extend(parsed.hydra or ["++" + line.lstrip("+")])
            experiment = parsed.experiment or experiment
    if not multirun.varied:
        raise ConfigError("-m needs an override with several values, such as index.nbits=1,2,4")
    return replace(multirun, experiment=experiment, output_dir=output_dir)


@dataclass(frozen=True)
class SystemValue:
    """A value of a system, as it was written: what it means says the class of the system.

    Attributes:
        text: the override.
        key: what is set.
    """

    text: str
    key: str

    @classmethod
    def of(cls, text: str) -> SystemValue | None:
        """Return the value that an override gives a system; None for any other override."""
        name, equals, _ = text.partition("=")
        key = name.lstrip("+/")
        return cls(text, key) if equals and key.startswith("system.") and "@" not in key else None

    def value(self, annotations: Sequence[Any] = ()) -> Any:
        """Return what is meant by it.

        Args:
            annotations: of the settings of the system's class that it is for.

        Raises:
            ConfigError: it cannot be read, or has several values.
        """
        name, _, value = self.text.partition("=")
        return _parse(f"{name}={typed(value, annotations)}").value()


def _in_multirun(text: str, extra: Sequence[Path]) -> str:
    """Return an override for Hydra's multirun; a system's that Hydra cannot read in quotes."""
    value = SystemValue.of(text)
    if value is None:
        return hydra_override(text, extra, sweep=True)
    try:
        _read(text)
    except ConfigError:
        name, _, plain = text.partition("=")
        return f"{name}={quoted(plain)}"
    return text


def _read(text: str) -> Override:
    try:
        text.encode("utf-8")  # results carry the overrides, and their files hold UTF-8 only
        override: Override = OverridesParser.create().parse_overrides([text])[0]
    except (HydraException, ValueError, RecursionError):  # the latter two: as Hydra's parser ends
        raise ConfigError(
            f"cannot read {text!r}: write KEY=VALUE, and quote a value with spaces or brackets "
            "(KEY='\"a (b)\"')"
        ) from None
    return override


def _parse(text: str) -> Override:
    override = _read(text)
    if override.is_sweep_override():
        raise ConfigError(
            f"{text!r} names several values: give one, a list [A,B] where it fits, or run them all "
            "with -m"
        )
    if override.is_delete():
        raise ConfigError(f"{text!r}: keys cannot be removed, set them to another value")
    return override


def _choice(override: Override, group: str, extra: Sequence[Path]) -> list[str]:
    """Return the overrides for one choice; a model that has no file becomes `custom`."""
    value = override.value()
    known = options(group, extra)
    if group == "system" and override.package is None:
        raise ConfigError(f"choose the systems that run with systems={value}")
    if value is None and group in (optional := _optional()):
        return optional[group]
    if value is None or isinstance(value, list | dict):
        raise ConfigError(f"{str(override.input_line)!r}: choose one {group}")
    if value in known:
        return [str(override.input_line)]
    if group in ("encoder", "cross_encoder") and is_model_name(str(value)):
        name = model_name(str(value))
        return [
            f"{group}=custom",
            f"++{group}.model={quoted(str(value))}",
            f"++{group}.name={quoted(name)}",
        ]
    raise unknown_option(group, str(value), known)


def unknown_option(group: str, value: str, known: Iterable[str]) -> ConfigError:
    """Return the error of a choice that a group does not have."""
    hint = retired(f"{group}={value}") or did_you_mean(value, known)
    if group == "dataset":
        hint += f" (any ir_datasets id: dataset=irds dataset.id={value})"
    if group in ("encoder", "cross_encoder"):
        hint += f" (any hub name or folder: {group}=OWNER/NAME)"
    return ConfigError(f"unknown {group} '{value}': {hint}")


def check_top(key: str) -> None:
    """Refuse a key that no configuration has.

    Raises:
        ConfigError: naming it, and what is near.
    """
    top = key.split(".")[0]
    own = {feature.name for feature in features() if feature.settings}
    known = {*RunSettings.model_fields, *groups(), *own} - {"features"}
    if top not in known:
        hint = retired(top) or retired(key) or did_you_mean(top, known)
        raise ConfigError(f"unknown key '{key}': {hint}")
