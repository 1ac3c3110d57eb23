"""Metadata: the types of fields, how values are kept, and how they are compared.

    string     str                         compared by code point
    number     int, float                  NaN, infinity and integers beyond 64 bits are refused
    boolean    bool
    date       datetime.date, .datetime    compared by instant; without a time zone it is UTC
    strings    list of str                 compared by its members

None is allowed in every field and is the same as no value. A field keeps the type that it was first
given.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from colbench.errors import DataError

Type = Literal["string", "number", "boolean", "date", "strings"]
Key = str | int | float | bytes
"""A value as it is compared: text, a number, 0 or 1, microseconds since 1970."""

TYPES: tuple[Type, ...] = ("string", "number", "boolean", "date", "strings")
NOTHING = b""
"""Stands for an empty list of strings, which has a value and no member."""

_MOST_FIELDS = 1000
_LONGEST_NAME = 200
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_DATE = "$date"
"""Key of the object that a date is in JSON; no field begins with a dollar sign."""


def type_of(value: Any) -> Type | None:
    """Return the type of a value that a field can have; None of one that it cannot.

    >>> type_of(True), type_of(2.5), type_of(["a"]), type_of({})
    ('boolean', 'number', 'strings', None)
    """
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, datetime.date):
        return "date"
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return "strings"
    return None


def keys_of(value: Any, kind: Type) -> list[Key]:
    """Return a value of a type as it is compared: one key, or one a member.

    Raises:
        ValueError: it has none, and says why.

    >>> keys_of(True, "boolean"), keys_of(datetime.date(1970, 1, 2), "date"), keys_of([], "strings")
    ([1], [86400000000], [b''])
    """
    if kind == "boolean":
        return [int(value)]
    if kind == "number":
        return [_number(value)]
    if kind == "date":
        return [_instant(value)]
    if kind == "string":
        return [_text(value)]
    return [_text(one) for one in dict.fromkeys(value)] or [NOTHING]


def _number(value: Any) -> int | float:
    if isinstance(value, int):
        plain = int(value)
        if not -(1 << 63) <= plain < 1 << 63:
            raise ValueError("it has more than 64 bits")
        return plain
    if not math.isfinite(value):
        raise ValueError("it is not finite: write None")
    return float(value)


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a surrogate pair") from None
    return str(value)


def _instant(value: datetime.date) -> int:
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.UTC)
    return (value - _EPOCH) // _MICROSECOND


def check_metadata(metadata: Any, doc_id: str) -> dict[str, Any]:
    """Return the metadata of a document as a plain mapping, with lists in place of tuples.

    Raises:
        DataError: it is no mapping, or a name or value of it cannot be kept; says which.
    """
    where = f"metadata of document {doc_id[:80]!r}"
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise DataError(f"{where}: a mapping of field to value is needed, not {_kind(metadata)}")
    if len(metadata) > _MOST_FIELDS:
        raise DataError(f"{where}: {len(metadata)} fields, at most {_MOST_FIELDS} are kept")
    found = {}
    for name, value in metadata.items():
        if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME or name[0] == "$":
            raise DataError(
                f"{where}: {str(name)[:80]!r} cannot name a field: use 1 to {_LONGEST_NAME} "
                "characters, of which the first is no $"
            )
        if value is not None and (kind := type_of(value)) is None:
            raise DataError(
                f"{where}: field {name!r} is {_kind(value)}: give a string, a number, a boolean, a "
                "date, a list of strings or None"
            )
        try:
            _text(name)
            if value is not None:
                assert kind is not None
                keys_of(value, kind)
        except ValueError as error:
            raise DataError(f"{where}: field {name!r} cannot be kept: {error}") from None
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "a list of other things than strings"
    return f"of type {type(value).__name__}"


def to_json(metadata: Mapping[str, Any]) -> str:
    """Return metadata as JSON, from which `from_json` makes the same."""
    return json.dumps(
        {name: _plain(value) for name, value in metadata.items()},
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def _plain(value: Any) -> Any:
    return {_DATE: value.isoformat()} if isinstance(value, datetime.date) else value


def from_json(text: str) -> dict[str, Any]:
    """Return what `to_json` wrote.

    Raises:
        ValueError: it is something else.

    >>> from_json(to_json({"day": datetime.date(2026, 11, 30), "tags": ["a"]}))
    {'day': datetime.date(2026, 11, 30), 'tags': ['a']}
    """
    return {name: _read(value) for name, value in dict(json.loads(text)).items()}


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    text = str(value[_DATE])
    if len(text) == len("2026-11-30"):
        return datetime.date.fromisoformat(text)
    return datetime.datetime.fromisoformat(text)
