"""Writing so that a reader never sees half a file.

Every file colbench leaves behind goes through `atomic_write`: the bytes land in a temporary
sibling, reach the disk, and take the final name in one rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from colbench.errors import StorageError


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under `path` only when the block ends without an error.

    Args:
        path: final name; its parent folder is made where it is missing.
        mode: `"w"` for UTF-8 text or `"wb"` for bytes.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; "
            "free some space or choose another folder"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; NaN and infinity are refused."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def sha256_file(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ensure_writable(folder: Path) -> None:
    """Fail now, in one line, if `folder` cannot be made or written to.

    Raises:
        StorageError: naming the folder and the reason.
    """
    with atomic_write(folder / ".colbench-write-test") as stream:
        stream.write("ok")
    (folder / ".colbench-write-test").unlink(missing_ok=True)
