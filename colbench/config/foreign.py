"""What a configuration folder of others may not say: Hydra's own settings, code, the environment.

A folder of `--config-dir` describes systems, models, collections and experiments. Hydra would take
more from it: callbacks, launchers and loggers, each of which names a function to call, resolvers,
which read the environment or run what was registered, and files outside the folder. All of that is
refused in the files themselves, which can be named; `check_hydra` holds what Hydra has composed
against what it composes without the folder, in case anything gets around that.

Overrides on the command line are the user's own, and may say all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from colbench.config.folder import (
    COMPOSITION_ERRORS,
    conf_folder,
    groups,
    hydra_in,
    read_yaml,
    reason,
    search_path,
)
from colbench.errors import ConfigError

_PACKAGE = re.compile(r"\s*#\s*@\s*package\b[ \t]*(.*)")
_CALLED = ("_target_", "()")
"""Keys that name what is to be called, of Hydra and of Python's logging."""

_FROM_ENVIRONMENT = "headers_from_env"
_FOR_SERVERS = re.compile(r"COLBENCH_HTTP_\w+")
"""Variables that a folder may have sent to a server, which is then said; no other of the user's."""

ROOT = "colbench_root"
"""Name under which Hydra finds `config.yaml`; see `compose.store_root`."""

_NO_HYDRA = "a configuration folder cannot configure Hydra; do so on the command line"


def check_foreign_folder(folder: Path) -> None:
    """Refuse a configuration folder that says more than what colbench is to measure.

    Read is whatever Hydra could compose: the files of the groups, hidden ones too. A list of
    defaults cannot lead anywhere else.

    Raises:
        ConfigError: naming the file and the key.
    """
    for name in ("hydra", "hydra.yaml", f"{ROOT}.yaml"):
        if (folder / name).exists():
            raise ConfigError(f"{folder / name}: {_NO_HYDRA}")
    for group in groups():
        root = folder / group
        for path in _files(root):
            check_foreign_file(path, group, root)


def check_rules_file(file: Path) -> None:
    """Refuse a file of rules, or one beside it that its defaults name, as those of a folder.

    Raises:
        ConfigError: naming the file and the key.
    """
    waiting, checked = [file.resolve()], set()  # beside which Hydra looks for others
    while waiting:
        path = waiting.pop()
        if path in checked or not _is_file(path):
            continue
        checked.add(path)
        check_foreign_file(path, "gate", path.parent)
        for group, option in _entries(read_yaml(path).get("defaults"), path):
            if group is not None or not re.fullmatch(r"[\w-][\w.-]*(@_here_)?", str(option)):
                raise ConfigError(
                    f"{path}: 'defaults' has '{group or ''}{option}': name an option of gate, or a "
                    "file beside this one"
                )
            name = str(option).partition("@")[0].removesuffix(".yaml")
            waiting.append(path.with_name(f"{name}.yaml"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have: Hydra says so
        return False


def _files(root: Path) -> list[Path]:
    """Return every file that Hydra could read below a folder, behind links too, by name."""
    found, seen = [], set()
    for place, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place, name) for name in names if name.endswith(".yaml")]
    return sorted(found)


def check_foreign_file(path: Path, group: str, root: Path) -> None:
    """Refuse a file that configures Hydra, calls something, or reads the environment.

    Args:
        path: a YAML file.
        group: of options that it is in.
        root: folder of the group.

    Raises:
        ConfigError: naming the file and the key; or it cannot be read.
    """
    content = read_yaml(path)
    for package in _packages(path):
        _check_package(package, f"{path}: '@package {package}'")
    parent = path.parent.relative_to(root).as_posix()
    if "hydra" in Path(path.relative_to(root)).with_suffix("").parts:
        raise ConfigError(f"{path}: rename it: 'hydra' is the name of Hydra's own settings")
    for entry in _entries(content.pop("defaults", None), path):
        _check_default(entry, f"{group}/{parent}", path)
    for key, value in _leaves(content):
        where = ".".join(map(str, key))
        for part in key:
            _check_text(str(part), where, path)
        if "hydra" in re.split(r"[./@]", str(key[0])):
            raise ConfigError(f"{path}: '{where}': {_NO_HYDRA}")
        if any(str(part) in _CALLED for part in key):
            raise ConfigError(
                f"{path}: '{where}' names something to call, and colbench calls nothing for a "
                "configuration folder: leave it out"
            )
        if _FROM_ENVIRONMENT in key[:-1] and not _FOR_SERVERS.fullmatch(value):
            raise ConfigError(
                f"{path}: '{where}' is {value!r}: a configuration folder may name variables that "
                "begin with COLBENCH_HTTP_, which are meant for servers; name any other on the "
                "command line"
            )
        _check_text(value, where, path)


def has_resolver(text: str) -> bool:
    r"""Return whether a value may call a resolver, whatever is quoted or built up in it.

    >>> has_resolver("${oc.env:HOME}"), has_resolver("a ${${x}:b}"), has_resolver(r"\${a:HOME}")
    (True, True, True)
    >>> has_resolver("${encoder.name}: ${seed}")
    False
    """
    depth, place = 0, 0
    plain = text.replace("\\", "")
    while place < len(plain):
        if plain.startswith("${", place):
            depth, place = depth + 1, place + 1
        elif depth and plain[place] == "}":
            depth -= 1
        elif depth and plain[place] == ":":
            return True
        place += 1
    return False


def check_hydra(name: str, overrides: Sequence[str], hydra: Sequence[str], extra: Any) -> None:
    """Refuse to start Hydra where folders of others have changed its settings.

    Args:
        name: of the root configuration.
        overrides: all that Hydra is given.
        hydra: those among them that are about Hydra itself, which the user has typed.
        extra: configuration folders besides `conf/`, of others among them.

    Raises:
        ConfigError: naming the key; or it cannot be composed.
    """
    try:
        with hydra_in(conf_folder()):
            whole = _hydra(name, [*_without_sweeps(overrides), *search_path(extra)])
            typed = _hydra(None, hydra)
    except COMPOSITION_ERRORS as error:
        raise ConfigError(f"the configuration cannot be composed: {reason(error)}") from None
    for key in sorted(whole.keys() | typed.keys()):
        if whole.get(key) != typed.get(key):
            raise ConfigError(
                f"'hydra.{key}' is set in a configuration folder, which cannot configure Hydra; do "
                "so on the command line"
            )


_OF_THE_JOB = ("overrides", "runtime", "searchpath", "mode")
_NAMES_OF_THE_JOB = ("name", "override_dirname", "config_name", "id", "num")


def _hydra(name: str | None, overrides: Sequence[str]) -> dict[str, Any]:
    """Return Hydra's own settings, unresolved, without what they say of this very job."""
    composed = compose(name, overrides=list(overrides), return_hydra_config=True)
    own: Any = OmegaConf.to_container(composed.hydra, resolve=False)
    assert isinstance(own, dict) and isinstance(composed, DictConfig)
    own["job"] = {k: v for k, v in own.get("job", {}).items() if k not in _NAMES_OF_THE_JOB}
    return {str(key): value for key, value in own.items() if key not in _OF_THE_JOB}


def _without_sweeps(overrides: Iterable[str]) -> list[str]:
    """Return the overrides with one value, as Hydra composes what it starts."""
    parser = OverridesParser.create()
    return [text for text in overrides if not parser.parse_override(text).is_sweep_override()]


def _packages(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()  # as Hydra does, at U+0085 and U+2028 too
    return [found[1].strip() for line in lines if (found := _PACKAGE.match(line))]


def _check_package(package: str, where: str) -> None:
    if "hydra" in re.split(r"[^\w-]+", package) or "$" in package:
        raise ConfigError(f"{where}: {_NO_HYDRA}")


def _entries(defaults: Any, path: Path) -> Iterator[tuple[str | None, Any]]:
    """Return the (group, option) pairs of a list of defaults; the group is None for a bare name."""
    if defaults is None:
        return
    if not isinstance(defaults, list):
        raise ConfigError(f"{path}: 'defaults' is no list: write one '- group: option' a line")
    for entry in defaults:
        if isinstance(entry, Mapping):
            yield from ((str(group), option) for group, option in entry.items())
        else:
            yield None, entry


def _check_default(entry: tuple[str | None, Any], here: str, path: Path) -> None:
    """Refuse an entry of the defaults that leads out of the groups, or to a place of Hydra's."""
    group, option = entry
    options = option if isinstance(option, list) else [option]
    told = f"{group}: {option}" if group is not None else str(option)
    names = [str(one) for one in options if one is not None]
    if group is not None:
        names.append(re.sub(r"^(?:(?:override|optional)\s+)+", "", group))
    places = [name.partition("@")[0] for name in names]
    packages = [name.partition("@")[2] for name in names]
    absolute = [place for place in places if place.startswith("/")]
    outside = [p for p in absolute if p.strip("/").split("/")[0] not in groups()]
    if group is None:  # a group by itself would be a file beside those of the groups
        outside += [p for p in absolute if "/" not in p.strip("/")]
    # What is not absolute lies below the group, from which two dots alone lead out.
    if any(".." in place.split("/") or "$" in place for place in names) or outside:
        raise ConfigError(
            f"{path}: 'defaults' has '{told}': name an option of {', '.join(groups())}"
        )
    if "hydra" in [part for place in places for part in place.split("/")]:
        raise ConfigError(f"{path}: 'defaults' has '{told}': {_NO_HYDRA}")
    for package in packages:
        _check_package(package, f"{path}: 'defaults' has '{told}'")


def _leaves(value: Any, key: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Return every value that is not a group of others, as text, with the keys that lead there."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, (*key, name))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, (*key, number))
    elif key:
        yield key, value if isinstance(value, str) else ""


def _check_text(text: str, where: str, path: Path) -> None:
    if has_resolver(text):
        raise ConfigError(
            f"{path}: '{where}' is {text!r}: a configuration folder cannot read the environment or "
            "call resolvers; write the value, or set it on the command line"
        )
