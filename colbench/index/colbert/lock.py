"""One writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from colbench.errors import StorageError

LOCK = "write.lock"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold an index for this process alone; the operating system lets go if the process dies.

    Raises:
        StorageError: another process is writing to it, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StorageError(
            f"another process is writing to the index in {folder}: wait for it to finish"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot write to the index in {folder}: {error.strerror or error}; "
            "choose another folder or change its permissions"
        ) from error
    try:
        yield
    finally:
        lock.release()
