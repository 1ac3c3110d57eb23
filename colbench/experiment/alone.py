"""One run at a time in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from colbench.errors import StorageError
from colbench.files import ensure_writable


@contextmanager
def alone(root: Path, work: Path) -> Iterator[None]:
    """Hold the lock of a folder, which the system frees however the process ends.

    Args:
        root: the output folder, for the message.
        work: folder in it that keeps unfinished work; made where missing.

    Raises:
        StorageError: the folder cannot be written, or another run is writing to it.
    """
    ensure_writable(work)
    lock = FileLock(work / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise StorageError(
            f"another run is writing to {root}: wait for it or choose another output_dir"
        ) from None
    try:
        yield
    finally:
        lock.release()
