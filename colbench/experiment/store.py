"""Finished work, kept so that a run that was interrupted, or is made again, does not do it twice.

A piece of work lies in a checksummed file with a key: the digest of everything that its outcome
depends on. What is of another key, damaged, or written by a colbench that measured something else,
is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from colbench.digests import json_digest
from colbench.errors import StorageError
from colbench.progress import note
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.results.origin import Environment

_MACHINE = ("platform", "python", "cpu", "cores", "threads", "accelerator", "packages")
_AGAIN = "it is measured again"

Value = TypeVar("Value")


def work_key(*relevant: Any) -> str:
    """Return what a piece of work is kept under.

    Args:
        relevant: everything that its outcome depends on: plain values, paths, enumerations and
            pydantic models, in lists and mappings.

    >>> work_key({"b": 1, "a": [2]}) == work_key({"a": [2], "b": 1}) != work_key({"a": [2]})
    True
    """
    return json_digest(to_jsonable_python(list(relevant)))


def machine(environment: Environment) -> dict[str, Any]:
    """Return what of an environment decides whether measurements can be put beside each other."""
    return environment.model_dump(mode="json", include=set(_MACHINE))


def keep(file: Path, key: str, value: Any) -> None:
    """Keep finished work.

    Args:
        file: where; an earlier one is replaced.
        key: its `work_key`, or a name made from that.
        value: plain JSON or a pydantic model.

    Raises:
        StorageError: the file cannot be written.
    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    write_checksummed(file, {"key": key, "value": plain})


def recall(file: Path, key: str, check: Callable[[Any], Value], *, what: str) -> Value | None:
    """Return what `keep` has kept; None where that is not there or cannot be used.

    Args:
        file: where it was kept.
        key: it must have been kept under.
        check: makes it from plain JSON, such as `Model.model_validate`.
        what: it is, with its article, for messages.
    """
    if not file.is_file():
        return None
    try:
        held = read_checksummed(file, what=what, renew=_AGAIN)
        if held["key"] == key:
            return check(held["value"])
    except StorageError as error:
        note(str(error))
    except (ValidationError, KeyError):
        note(f"{file} is of another colbench: {_AGAIN}")
    return None
