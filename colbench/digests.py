"""sha256 of JSON values and of files: what names, seals and compares things everywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def json_digest(value: Any, *, spaced: bool = False) -> str:
    """Return the hexadecimal sha256 of a JSON value, whatever the layout of its text.

    Taken over the canonical form: sorted keys, no white space, UTF-8. `value` must be what reading
    JSON gives: keys are strings, and lists are no tuples.

    Args:
        value: plain JSON.
        spaced: over `json.dumps` in its own layout and in ASCII instead, with sorted keys. Indexes,
            cached shards and fingerprints have carried that from the first, and are read by it.

    Raises:
        ValueError: it holds NaN, infinity or half a surrogate pair, and is not `spaced`.

    >>> json_digest({"a": 1, "b": [0.5]}) == json_digest({"b": [0.5], "a": 1})
    True
    """
    if spaced:
        text = json.dumps(value, sort_keys=True)
    else:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    return hashlib.sha256(text.encode()).hexdigest()


def text_digest(text: str) -> str:
    """Return the hexadecimal sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def bytes_digest(content: bytes) -> str:
    """Return the hexadecimal sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()
