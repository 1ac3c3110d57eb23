"""Settings that are given as values of Python, beside or in place of overrides.

Overrides are text in Hydra's grammar, in which `=`, `,`, `$`, brackets and quotes mean something.
A value of Python means itself: it is put into what Hydra has composed under a mark that no grammar
and no interpolation reads, so that `${index}` of a system still sees it, and takes the place of the
mark once interpolations are resolved.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel

from colbench.errors import ConfigError


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as nested mappings, a dotted key as the path that it is.

    Settings of one path are put together; of two values of one key the last counts.

    >>> nested({"index.nbits": 2, "index": {"dims": 64}, "k": 10})
    {'index': {'nbits': 2, 'dims': 64}, 'k': 10}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        *groups, name = key.split(".")
        place = found
        for group in groups:
            below = place.setdefault(group, {})
            if not isinstance(below, dict):
                below = place[group] = {}
            place = below
        _put_into(place, name, _plain(value, key))
    return found


def _put_into(place: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(value, dict) and isinstance(place.get(key), dict):
        for name, below in value.items():
            _put_into(place[key], name, below)
    else:
        place[key] = value


def _plain(value: Any, where: str) -> Any:
    """Return a value with mappings as dicts by text, sequences as lists, numbers as Python's.

    Raises:
        ConfigError: a text holds half a surrogate pair: results carry the settings, as UTF-8.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {str(key): _plain(below, f"{where}.{key}") for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(below, where) for below in value]
    if isinstance(value, str | Path):
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigError(
                f"'{where}' is {str(value)!r}: it holds half a surrogate pair, which no file can "
                "hold"
            ) from None
    item = getattr(value, "item", None)  # of a number of numpy
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def changes(values: Mapping[str, Any]) -> Iterator[tuple[list[str], Any]]:
    """Yield (path, value) of every value below, a system's kind before its other keys.

    >>> list(changes({"mine": {"k": 1, "kind": "trec_run"}}))
    [(['mine', 'kind'], 'trec_run'), (['mine', 'k'], 1)]
    """
    for key in sorted(values, key=lambda name: name != "kind"):
        value = values[key]
        if isinstance(value, Mapping) and value:
            for path, below in changes(value):
                yield [key, *path], below
        else:
            yield [key], value


class Given:
    """Puts values into a configuration, and marks that stand for them until it is resolved."""

    def __init__(self) -> None:
        self._prefix = f"given-{secrets.token_hex(16)}-"
        self._values: list[Any] = []

    def put(self, config: DictConfig, values: Mapping[str, Any]) -> None:
        """Put nested values into what Hydra has composed; groups that are there keep their rest."""
        OmegaConf.set_struct(config, False)
        for key, value in values.items():
            here = config._get_node(key) if key in config else None
            if isinstance(value, Mapping) and isinstance(here, DictConfig) and _is_there(here):
                self.put(here, value)
            else:
                config[key] = self._marked(value)

    def _marked(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {key: self._marked(below) for key, below in value.items()}
        if isinstance(value, list | tuple):
            return [self._marked(below) for below in value]
        self._values.append(value)
        return f"{self._prefix}{len(self._values) - 1};"

    def restored(self, content: Any) -> Any:
        """Return resolved content with the values in the places of their marks."""
        if isinstance(content, Mapping):
            return {key: self.restored(below) for key, below in content.items()}
        if isinstance(content, list):
            return [self.restored(below) for below in content]
        if not isinstance(content, str) or self._prefix not in content:
            return content
        for number, value in enumerate(self._values):
            mark = f"{self._prefix}{number};"
            if content == mark:
                return value
            content = content.replace(mark, str(value))
        return content


def _is_there(node: DictConfig) -> bool:
    return not (node._is_none() or node._is_missing() or node._is_interpolation())
