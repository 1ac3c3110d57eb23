"""JSON files that carry a checksum of themselves, so that damage never passes for a result.

The first key is `sha256`: the digest of all other keys in canonical form (see
`colbench.digests.json_digest`). Another layout of the text keeps it valid, another value does not.
It shows damage and edits by hand; it is no signature.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colbench.digests import json_digest
from colbench.errors import StorageError
from colbench.files import atomic_write

KEY = "sha256"


def write_checksummed(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with its checksum, atomically.

    Raises:
        StorageError: the file cannot be written.
        ValueError: `content` has a key `sha256`, or holds what JSON cannot (NaN, infinity).
    """
    if KEY in content:
        raise ValueError(f"the key {KEY!r} is taken by the checksum")
    # What a reader will find: tuples have become lists then, and all keys strings.
    plain = json.loads(_plain(content))
    with atomic_write(path) as stream:
        stream.write(layout({KEY: json_digest(plain), **plain}) + "\n")


def read_checksummed(path: Path, *, what: str, renew: str) -> dict[str, Any]:
    """Read what `write_checksummed` wrote, without the checksum.

    Args:
        path: the file.
        what: what it should be, such as `"a baseline"`.
        renew: how to make a new one, such as `"run the experiment again"`.

    Raises:
        StorageError: the file is missing, is no JSON object, has no checksum, or was changed.
    """
    return verified(read_object(path, what=what, renew=renew), path, renew=renew)


def read_object(path: Path, *, what: str, renew: str) -> dict[str, Any]:
    """Read a JSON object without looking at its checksum: for a look at its version first.

    Raises:
        StorageError: the file is missing or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}; check the path, or {renew}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not JSON ({error}); {renew}") from error
    if not isinstance(content, dict):
        raise StorageError(f"{path} is not {what}: it holds no JSON object; {renew}")
    return content


def verified(content: dict[str, Any], path: Path, *, renew: str) -> dict[str, Any]:
    """Return an object that was read from `path` without its checksum, once that has been checked.

    Raises:
        StorageError: there is no checksum, or it is of other values.
    """
    if KEY not in content:
        raise StorageError(
            f"{path} has no checksum (key '{KEY}'), so nothing shows that it is as it was "
            f"written: {renew}"
        )
    rest = {key: value for key, value in content.items() if key != KEY}
    try:
        intact = content[KEY] == json_digest(rest)
    except ValueError:  # NaN and infinity, which are never written
        intact = False
    if not intact:
        raise StorageError(
            f"{path} was changed or damaged after it was written (its sha256 differs): {renew}"
        )
    return rest


def layout(value: Any, margin: str = "") -> str:
    """Return indented JSON in which a list or an object of plain values stands on one line.

    >>> print(layout({"a": [1, 2], "b": [[1], {"c": 2, "d": 3}]}))
    {
     "a": [1,2],
     "b": [
      [1],
      {"c":2,"d":3}
     ]
    }
    """
    if not isinstance(value, dict | list):
        return _plain(value)
    inside = value.values() if isinstance(value, dict) else value
    if not any(isinstance(item, dict | list) for item in inside):
        return _plain(value)
    inner = margin + " "
    if isinstance(value, dict):
        lines = [f"{_plain(str(key))}: {layout(item, inner)}" for key, item in value.items()]
    else:
        lines = [layout(item, inner) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n{inner}" + f",\n{inner}".join(lines) + f"\n{margin}{end}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
