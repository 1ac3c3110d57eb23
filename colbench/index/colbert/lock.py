"""One writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from colbench.locks import exclusive

LOCK = "write.lock"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold an index for this process alone; the operating system lets go if the process dies.

    Raises:
        StorageError: another process is writing to it, or the folder cannot be written.
    """
    with exclusive(
        folder / LOCK,
        taken=f"another process is writing to the index in {folder}: wait for it to finish",
        cannot=f"cannot write to the index in {folder}",
        remedy="choose another folder or change its permissions",
    ):
        yield
