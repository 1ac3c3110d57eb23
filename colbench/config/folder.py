"""Where the configuration lies, what it offers, and how its files are read and composed."""

from __future__ import annotations

import contextlib
import json
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

import colbench
from colbench.errors import ConfigError
from colbench.features import features

_GROUPS = (
    "dataset",
    "encoder",
    "cross_encoder",
    "index",
    "search",
    "system",
    "experiment",
)


def groups() -> tuple[str, ...]:
    """Return the names of all groups, those of features among them."""
    return (*_GROUPS, *(feature.name for feature in features() if feature.group))


def conf_folder() -> Path:
    """Return `conf/`: inside the package when installed, beside it in a source tree."""
    package = Path(colbench.__file__).resolve().parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def further_folders(extra: Sequence[Path] = ()) -> list[Path]:
    """Return all configuration folders but `conf/`: those that features bring, then `extra`."""
    brought = [feature.conf for feature in features() if feature.conf is not None]
    return [*dict.fromkeys(brought), *extra]


def options(group: str, extra: Sequence[Path] = ()) -> dict[str, Path]:
    """Return every option of a group (`beir/scifact`) and its file, sorted by name.

    Args:
        group: one of `groups`, or of a folder of a feature's own.
        extra: further configuration folders; theirs win over the built-in ones.
    """
    paths = {}
    for folder in [conf_folder(), *further_folders(extra)]:
        root = folder / group
        for path in root.rglob("[!_]*.yaml"):
            paths[path.relative_to(root).with_suffix("").as_posix()] = path
    return dict(sorted(paths.items()))


COMPOSITION_ERRORS = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OSError,
    RuntimeError,
    AssertionError,
)
"""What a configuration that cannot be composed ends in: Hydra checks little of what it is given,
and lets the errors of its parsers through."""


_HYDRA = threading.RLock()


@contextlib.contextmanager
def hydra_in(folder: Path) -> Iterator[None]:
    """Let Hydra compose from a folder, one thread at a time, and leave its state as it was.

    Hydra has one state in a process, which is another's where this runs inside a job of its
    multirun or in a program that uses Hydra itself.
    """
    with _HYDRA:
        outside = GlobalHydra.instance().hydra
        GlobalHydra.instance().clear()
        try:
            with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
                yield
        finally:
            GlobalHydra.instance().hydra = outside


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where it has none.

    >>> reason(ValueError("a\\nb")), reason(KeyError())
    ('a', 'KeyError')
    """
    return next(iter(str(error).splitlines()), type(error).__name__)


def quoted(text: str) -> str:
    """Return a quoted string of Hydra's grammar that means `text`.

    >>> quoted("an author's, folder")
    "'an author\\\\'s, folder'"
    """
    return QuotedString(text, Quote.single).with_quotes()


def search_path(folders: Iterable[Path]) -> list[str]:
    """Return the override that makes Hydra search `folders` too, in this order; none for none."""
    places = ",".join(quoted(f"file://{folder.resolve()}") for folder in folders)
    return [f"hydra.searchpath=[{places}]"] if places else []


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the keys of a file, interpolations unresolved; none for an empty file.

    Raises:
        ConfigError: naming the file, and the line where YAML says so: it cannot be read, is not
            YAML, has a key twice, holds something else than keys, or is far too large.
    """
    try:
        _check_size(path)
        content = OmegaConf.to_container(OmegaConf.load(path))
        # Results carry the configuration, and their files hold no half surrogate pairs.
        json.dumps(content, default=str, skipkeys=True, ensure_ascii=False).encode("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line} is not valid YAML: {error.problem}") from None
    except Exception as error:
        # Numbers, dates and interpolations that cannot be read, nesting without end: PyYAML and
        # OmegaConf let the errors of whatever they call through, of any class.
        raise ConfigError(f"{path} is not valid YAML: {reason(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}, not keys and values")
    return {str(key): value for key, value in content.items()}


_LARGEST_FILE = 10_000_000
_MOST_VALUES = 100_000


def _check_size(path: Path) -> None:
    """Refuse what would wait for ever, or fill the memory, when it is read.

    Raises:
        ConfigError: it is a pipe or a device, or its aliases stand for more than a file can hold.
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"cannot read {path}: it is no file")
    if status.st_size > _LARGEST_FILE:
        raise ConfigError(
            f"{path} is larger than {_LARGEST_FILE // 10**6} MB: it is no configuration"
        )
    text = path.read_text(encoding="utf-8")
    if "&" in text and "*" in text and _values(yaml.compose(text), {}) > _MOST_VALUES:
        raise ConfigError(
            f"{path} is not valid YAML: its aliases stand for more than {_MOST_VALUES:,} values"
        )


def _values(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node of YAML stands for, aliases followed."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # of one that contains itself
        parts: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]
