"""What a key of the settings takes, and how a value of the command line is written for it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from colbench.config.folder import quoted
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings

_MODELS = (EncoderSettings, CrossEncoderSettings)


def typed(value: str, annotations: Iterable[Any], *, sweep: bool = False) -> str:
    """Return a value as Hydra's grammar has it, by what the settings take.

    Args:
        value: of the command line.
        annotations: of the fields that it may be for.
        sweep: as for `hydra_override`.
    """
    found = [member for annotation in annotations for member in _members(annotation)]
    takes_list = any(map(_is_list, found))
    if Path in found and not (takes_list and value.startswith("[")):
        return verbatim_path(value, sweep=sweep)
    if not sweep and takes_list and not value.startswith(("[", "${")):
        return f"[{value}]"
    return value


def verbatim_path(value: str, *, sweep: bool = False) -> str:
    """Return a path in quotes, unless it is in quotes already or, in a sweep, several values."""
    quotes = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if (quotes or (sweep and "," in value)) and not _exists(value):
        return value
    return quoted(value)


def _exists(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError):  # a name that no path can have
        return False


def _is_list(member: Any) -> bool:
    return typing.get_origin(member) is list and not any(
        isinstance(item, type) and issubclass(item, BaseModel)
        for inner in typing.get_args(member)
        for item in _members(inner)
    )


def annotations_of(roots: Iterable[Any], keys: Sequence[str]) -> list[Any]:
    """Return what a key takes, in each class that it may be of; nothing for an unknown one.

    Args:
        roots: models, and mappings of a name to the class under it.
        keys: from there to the key.
    """
    here: list[Any] = list(roots)
    for key in keys:
        following: list[Any] = []
        for place in here:
            for member in _members(place):
                if isinstance(member, dict):
                    following += [member[key]] if key in member else []
                elif isinstance(member, type) and issubclass(member, BaseModel):
                    if key in getattr(member, "verbatim", ()):
                        following.append(Path)
                    if member in _MODELS and key == "model":
                        following.append(Path)  # a folder, or a name without such characters
                    elif key in member.model_fields:
                        following.append(member.model_fields[key].annotation)
                elif typing.get_origin(member) is dict:
                    following.append(typing.get_args(member)[1])
        here = following
    return here


def _members(annotation: Any) -> list[Any]:
    """Return what a union is made of, whatever it is annotated with."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [one for part in typing.get_args(annotation) for one in _members(part)]
    return [annotation]
