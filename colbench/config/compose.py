"""From the command line's overrides to a checked `RunSettings`.

Every option of `conf/system/` is composed under `system.<name>`, so that any of them can be changed
from the command line or an experiment file; adding a system is adding its file. Hydra composes,
pydantic refuses what is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from pydantic import ValidationError

from colbench.config.folder import (
    COMPOSITION_ERRORS,
    conf_folder,
    further_folders,
    hydra_in,
    options,
    reason,
    search_path,
)
from colbench.config.foreign import ROOT, check_foreign_folder
from colbench.config.given import Given, changes, nested
from colbench.config.models import NAMED_GROUPS
from colbench.config.overrides import check_top, read_overrides
from colbench.config.settings import RunSettings
from colbench.config.systems import Systems
from colbench.errors import ConfigError, did_you_mean
from colbench.features import entry_point, features
from colbench.measures.catalogue import check_measures
from colbench.paths import check_name
from colbench.retriever.user_modules import search_modules_in
from colbench.settings import Settings, explain

SYSTEMS = "systems"
"""The task that is no feature's: measure the systems that are chosen."""

DEFAULTS_ONLY = ("index", "search")
"""Groups that only systems refer to, as `${index}`: checked, and then of no further use."""

_PLACES = ("output_dir", "index_dir", "cache_dir")

_Settings = TypeVar("_Settings", bound=Settings)


def compose_run(
    overrides: Sequence[str],
    extra: Sequence[Path] = (),
    given: Mapping[str, Any] | None = None,
) -> RunSettings:
    """Compose and check the configuration of a run.

    Args:
        overrides: Hydra overrides, such as `dataset=beir/scifact` or `system.bm25.k1=1.2`.
        extra: further configuration folders, searched before the built-in one.
        given: settings as values, each under its key, dotted or nested; they stand above the
            overrides, and nothing in them is read as grammar.

    Raises:
        ConfigError: an unknown key, option, system or value; says which and what is near.
    """
    check_folders(extra)
    search_modules_in(place for folder in extra for place in (folder / "system", folder))
    parsed = read_overrides(overrides, extra)
    known = nested(given or {})
    for key in known:
        check_top(key)
    of_systems = list(changes(_group(known.pop("system", {}))))
    own = Given()
    values = own.restored(_completed(_compose(parsed.hydra, extra, own, known), extra))
    for key in _PLACES:
        if values.get(key) is not None and key not in {*parsed.keys, *known}:
            raise ConfigError(
                f"a configuration folder sets '{key}', and cannot say where files go: set it on "
                "the command line"
            )
    values["name"] = values["name"] or parsed.experiment
    for group in DEFAULTS_ONLY:
        _checked(NAMED_GROUPS[group], values.pop(group, None), group)
    values["features"] = _features(values)
    seed = values.get("seed")
    scope = {"seed": None if isinstance(seed, str) else seed}  # text would be resolved once more
    changed = [*parsed.system, *of_systems]
    values["system"] = Systems(_group(values["system"]), changed, scope, extra)
    settings = _checked(RunSettings, values)
    if "reference" not in {*parsed.keys, *known} and settings.reference not in settings.systems:
        # An experiment's choice does not outlive a change of its systems.
        settings = settings.model_copy(update={"reference": None})
    if settings.name is not None:
        check_name(settings.name, "the experiment")
    _check_task(settings)
    check_measures(settings.measures)
    _check_systems(settings, changed=[path[0] for path, _ in changed])
    return settings


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
    for folder in extra:
        check_foreign_folder(folder)


def _checked(kind: type[_Settings], values: Any, where: str = "") -> _Settings:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, kind, where)) from None


def _group(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"'system' is {value!r}: it is a group of systems, by name")
    return value


def _completed(values: dict[str, Any], extra: Sequence[Path]) -> dict[str, Any]:
    """Return what was composed with the keys of features completed by these."""
    for feature in features():
        own = values.get(feature.name) if feature.settings else None
        if feature.complete is not None and isinstance(own, dict):
            values[feature.name] = entry_point(feature.complete)(own, extra)
    return values


def _features(values: dict[str, Any]) -> dict[str, Settings]:
    """Take the keys of features out of what was composed and check them, each by its class."""
    found: dict[str, Settings] = {}
    for feature in features():
        own = values.pop(feature.name, None) if feature.settings else None
        if feature.settings is not None and own is not None:
            found[feature.name] = _checked(entry_point(feature.settings), own, feature.name)
    return found


def _check_task(settings: RunSettings) -> None:
    known = [SYSTEMS, *(feature.name for feature in features() if feature.task)]
    if settings.task not in known:
        raise ConfigError(f"unknown task '{settings.task}': {_near(settings.task, known)}")


def _near(name: str, known: Any) -> str:
    return did_you_mean(name, [str(item) for item in known])


def _root(extra: Sequence[Path]) -> dict[str, Any]:
    """Return `config.yaml` with all systems put first, so that an experiment can change them, and
    the groups of features beside its own."""
    root = OmegaConf.to_container(OmegaConf.load(conf_folder() / "config.yaml"))
    assert isinstance(root, dict)
    systems = [{f"system@system.{name}": name} for name in options("system", extra)]
    groups = [{feature.name: None} for feature in features() if feature.group]
    return {**root, "defaults": [*systems, *groups, *root["defaults"]]}


def _compose(
    parsed: Sequence[str], extra: Sequence[Path], own: Given, given: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        with hydra_in(conf_folder()):
            store_root(extra)
            composed = compose(
                config_name=ROOT, overrides=[*parsed, *search_path(further_folders(extra))]
            )
        own.put(composed, given)
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except COMPOSITION_ERRORS as error:
        key = getattr(error, "full_key", None)
        if key and "issing" in str(error):
            raise ConfigError(f"'{key}' is required: set it with {key}=…") from None
        raise ConfigError(f"the configuration cannot be composed: {reason(error)}") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def store_root(extra: Sequence[Path]) -> None:
    """Make the root configuration known to Hydra under `ROOT`."""
    ConfigStore.instance().store(name=ROOT, node=_root(extra))


def _check_systems(settings: RunSettings, changed: Sequence[str]) -> None:
    """Check what runs, and what was set on the command line whether it runs or not."""
    repeated = {name for name in settings.systems if settings.systems.count(name) > 1}
    if repeated:
        raise ConfigError(f"systems names {', '.join(sorted(repeated))} more than once")
    settings.system.with_parts(settings.systems)
    settings.system.check(changed)
    if settings.reference is not None and settings.reference not in settings.systems:
        hint = _near(settings.reference, settings.systems)
        raise ConfigError(f"reference '{settings.reference}' is not among the systems: {hint}")
