"""The rules of a gate, by the name of an option of `conf/gate/` or from a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from pydantic import ValidationError

from colbench.config.composing import COMPOSITION_ERRORS, reason, search_path
from colbench.config.folder import conf_folder, options
from colbench.config.yaml_file import read_yaml
from colbench.errors import ConfigError, did_you_mean
from colbench.gate.rules import GateRules
from colbench.measures.catalogue import check_measures
from colbench.validation import explain

GROUP = "gate"


def load_rules(name: str, extra: Sequence[Path] = ()) -> GateRules:
    """Return checked rules.

    Args:
        name: an option of `conf/gate/`, or a YAML file like those there; its `defaults` may name
            options, and files beside it.
        extra: further configuration folders.

    Raises:
        ConfigError: there is no such option or file, or its content is not right.
    """
    values = gate_values(name, extra)
    try:
        rules = GateRules.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"rules '{name}': {explain(error, GateRules)}") from None
    try:
        check_measures(list(rules.measures))
    except ConfigError as error:
        raise ConfigError(f"rules '{name}': {error}") from None
    return rules


def gate_values(name: str, extra: Sequence[Path] = ()) -> dict[str, Any]:
    """Return rules as plain values, what they are made of put together by Hydra.

    Raises:
        ConfigError: there is no such option or file, or Hydra cannot compose it.
    """
    known = options(GROUP, extra)
    file = known.get(name) or Path(name)
    if not _is_file(file):
        raise ConfigError(f"no rules '{name}': {did_you_mean(name, known)} (or name a YAML file)")
    if file.suffix != ".yaml":  # Hydra would look for the file of that name with .yaml
        raise ConfigError(f"rules '{name}': name the file .yaml")
    read_yaml(file)  # Hydra does not say where in it an error is
    folders = [folder / GROUP for folder in [conf_folder(), *extra]]
    search = search_path(folder for folder in folders if folder.is_dir())
    outside = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(file.resolve().parent), version_base="1.3"):
            composed = compose(file.stem, overrides=search)
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except COMPOSITION_ERRORS as error:
        raise ConfigError(f"rules '{name}': {reason(error)}") from None
    finally:
        GlobalHydra.instance().hydra = outside
    if not isinstance(values, dict):
        raise ConfigError(f"rules '{name}' hold no keys")
    return {str(key): value for key, value in values.items()}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long to be a path
        return False


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with changes put in, key by key as Hydra does."""
    both = OmegaConf.to_container(OmegaConf.merge(dict(values), dict(changes)))
    assert isinstance(both, dict)
    return {str(key): value for key, value in both.items()}
