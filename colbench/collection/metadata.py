"""What a source says of a query besides its text: plain values by name, to group queries by.

Nothing of it is trusted: names, values and how many there are of a query have bounds, control
characters are made visible, and what is no plain value is kept as the beginning of its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from colbench.printing import visible

Plain = str | int | float | bool

Metadata = Mapping[str, Plain]
"""column → value"""

NO_METADATA: Metadata = {}

_MOST = 50
"""Columns of a query that are kept."""
_LONGEST = 200
"""Characters of a name, and of a value, that are kept."""
_DEPTH = 3
"""Objects inside objects whose columns are read."""
_EXACT = 1e15
"""Numbers beyond it lose digits in readers of JSON, and are kept as text."""


def read_metadata(record: Mapping[str, Any], text_keys: tuple[str, ...] = ()) -> Metadata:
    """Return the columns of a query: those of its `metadata` object, then other keys beside it.

    A column of an object inside it is named with a dot. What is null, empty or has no name is left
    out; a list, and an object too deep inside others, are kept as JSON.

    Args:
        record: a line of `queries.jsonl`, or the fields that a query has elsewhere.
        text_keys: keys that are no metadata: the id and the text.

    >>> read_metadata({"_id": "q1", "metadata": {"language": "de", "source": {"year": 1999}},
    ...                "tags": ["a"], "kind": None}, ("_id",))
    {'language': 'de', 'source.year': 1999, 'tags': '["a"]'}
    """
    own = record.get("metadata")
    beside = {
        key: value
        for key, value in record.items()
        if key not in text_keys and not (key == "metadata" and isinstance(value, Mapping))
    }
    found: dict[str, Plain] = {}
    for part in (own if isinstance(own, Mapping) else {}, beside):
        for name, value in _columns(part, "", _DEPTH):
            if len(found) == _MOST:
                return found
            found.setdefault(name, value)
    return found or NO_METADATA


def _columns(part: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Plain]]:
    for key, value in part.items():
        name = prefix + _text(str(key))
        if isinstance(value, Mapping) and depth > 1:
            yield from _columns(value, f"{name}.", depth - 1)
        elif name.strip(".") and (plain := _plain(value)) is not None:
            yield name, plain


def _plain(value: Any) -> Plain | None:
    """Return a value as one that can be compared and written; None for one that says nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < _EXACT:  # so not NaN either
        return value
    if isinstance(value, str | int | float):
        return _text(str(value)) or None
    if not value:
        return None
    try:
        return _text(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, TypeError, RecursionError):
        return _text(type(value).__name__)


def _text(value: str) -> str:
    return visible(value.strip()[:_LONGEST])
