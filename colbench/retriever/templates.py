"""Texts and JSON in which `{query}`, `{k}` and vectors are put for each query.

A placeholder is a known name in braces; all other braces are left alone, so that JSON can be
written as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

NAMES = ("query", "k", "vector", "vectors", "vectors_by_number")
"""What can be put in: the text of the query, the number of documents wanted, the one vector of a
query, its token vectors as a list of lists, and as a mapping of "0", "1", … to each."""

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(NAMES)})\}}")


def placeholders(template: Any) -> set[str]:
    """Return the names that a template holds, in keys and values however deep.

    >>> sorted(placeholders({"q": "{query}", "n": ["{k}", "{other}"]}))
    ['k', 'query']
    """
    if isinstance(template, Mapping):
        return {name for item in template.items() for part in item for name in placeholders(part)}
    if isinstance(template, list):
        return {name for part in template for name in placeholders(part)}
    return set(_PLACEHOLDER.findall(template)) if isinstance(template, str) else set()


def fill_json(template: Any, values: Mapping[str, Any]) -> Any:
    """Put values into plain JSON: one that stands alone keeps its type, any other becomes text.

    >>> fill_json({"q": "{query}", "size": "{k}", "id": "top{k}"}, {"query": 'a "b"', "k": 3})
    {'q': 'a "b"', 'size': 3, 'id': 'top3'}
    """
    if isinstance(template, Mapping):
        return {fill_json(key, values): fill_json(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_json(part, values) for part in template]
    if not isinstance(template, str):
        return template
    if (alone := _PLACEHOLDER.fullmatch(template)) is not None:
        return values[alone[1]]
    return fill_text(template, values, as_text)


def fill_text(template: str, values: Mapping[str, Any], escaped: Callable[[Any], str]) -> str:
    r"""Put values into a text, each escaped for what the text is.

    >>> fill_text('{"q": "{query}", "k": {k}}', {"query": 'a "b"', "k": 3}, in_json)
    '{"q": "a \\"b\\"", "k": 3}'
    """
    return _PLACEHOLDER.sub(lambda found: escaped(values[found[1]]), template)


def as_text(value: Any) -> str:
    """Return a text as it is, and anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def in_json(value: Any) -> str:
    """Return a text as it stands between quotes in JSON, and anything else as JSON."""
    return json.dumps(value)[1:-1] if isinstance(value, str) else json.dumps(value)
