"""Taking folders of this machine out of what is given away: each becomes its last part."""

from __future__ import annotations

import re
import shlex
from typing import Any

from colbench.report.train_names import ROOTED, base_label
from colbench.results.train import Train

_KEY = re.compile(r"[\w.@+-]+=")
_INSIDE = re.compile(
    r"(?:file:/+|(?<![\w./])(?:~[\w.-]*)?/(?![/\s]))"  # no address, no part of a relative path
    r"[^\s,;'\"()\[\]{}<>|`]*"
)


def without_folders(results: Train) -> Train:
    """Return the record with every absolute path in it cut to its last part."""
    values = _cut(results.model_dump(mode="json"))
    values["command"] = " ".join(shlex.quote(cut(word)) for word in _words(results.command))
    values["base"] = base_label(results.base)
    return Train.model_validate(values)


def cut(value: str) -> str:
    """Return a text with its absolute paths cut to their last parts.

    >>> cut("/home/me/my data/pairs.jsonl"), cut("dataset.path=/data/mine"), cut("owner/model")
    ('pairs.jsonl', 'dataset.path=mine', 'owner/model')
    """
    if key := _KEY.match(value):
        return key.group() + cut(value[key.end() :])
    if ROOTED.match(value):
        return _last_part(value)
    return _INSIDE.sub(lambda found: _last_part(found.group()), value)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # not quoted as a shell has it
        return command.split()


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return cut(value) if isinstance(value, str) else value
