"""Reading and writing `results.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from colbench.errors import StorageError
from colbench.files import atomic_write
from colbench.results.schema import SCHEMA_VERSION, Results
from colbench.validation import explain

FILE_NAME = "results.json"


def write_results(results: Results, folder: Path) -> Path:
    """Write `results.json` into `folder`, atomically, and return its path."""
    path = folder / FILE_NAME
    with atomic_write(path) as stream:
        stream.write(_layout(results.model_dump(mode="json")) + "\n")
    return path


def _layout(value: Any, margin: str = "") -> str:
    """Return indented JSON in which a list of plain values stands on one line.

    >>> print(_layout({"a": [1, 2], "b": [[1], []]}))
    {
      "a": [1, 2],
      "b": [
        [1],
        []
      ]
    }
    """
    if not isinstance(value, dict | list) or not value:
        return _plain(value)
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return _plain(value)
    inner = margin + "  "
    if isinstance(value, dict):
        lines = [f"{_plain(str(key))}: {_layout(item, inner)}" for key, item in value.items()]
    else:
        lines = [_layout(item, inner) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n{inner}" + f",\n{inner}".join(lines) + f"\n{margin}{end}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_results(path: Path) -> Results:
    """Read and validate results.

    Args:
        path: a `results.json` or the folder that holds one.

    Raises:
        StorageError: the file is missing, not JSON, of another schema version, or not valid; the
            message names the file and the key.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} is not JSON ({error}); run the experiment again") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise StorageError(
            f"{file} has schema version {version}, this colbench reads {SCHEMA_VERSION}: "
            "run the experiment again with this version"
        )
    try:
        return Results.model_validate(content)
    except ValidationError as error:
        raise StorageError(f"{file}: {explain(error, Results)}") from None
