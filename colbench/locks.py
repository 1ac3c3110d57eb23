"""One process at a time: locks of the operating system, freed however their holder ends.

A lock is a file. It stays behind, empty, when it is let go: whether a process holds it says the
system, not the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from colbench.errors import StorageError
from colbench.files import ensure_writable
from colbench.progress import note


@contextlib.contextmanager
def locked(
    file: Path,
    *,
    wait: bool = True,
    waiting: str | None = None,
    cannot: str | None = None,
    remedy: str = "choose another folder",
) -> Iterator[bool]:
    """Hold a lock between processes.

    Args:
        file: the lock; its folder is made where missing.
        wait: until the process that holds it now lets go.
        waiting: told before that.
        cannot: what cannot be done where the file cannot be made; "cannot lock" it by default.
        remedy: what to do then.

    Yields:
        whether the lock is held; False only where `wait` is False and another process has it.

    Raises:
        StorageError: the file cannot be made.
    """
    from filelock import FileLock, Timeout  # imports asyncio, which a search does without

    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if wait:
                if waiting is not None:
                    note(waiting)
                lock.acquire()
    except OSError as error:
        raise StorageError(
            f"{cannot or f'cannot lock {file}'}: {error.strerror or error}; {remedy}"
        ) from error
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextlib.contextmanager
def exclusive(
    file: Path, *, taken: str, cannot: str | None = None, remedy: str = "choose another folder"
) -> Iterator[None]:
    """Hold a lock, or refuse where another process works here.

    Args:
        file: as of `locked`.
        taken: the message where another process holds it.
        cannot: as of `locked`.
        remedy: as of `locked`.

    Raises:
        StorageError: another process holds the lock, or the file cannot be made.
    """
    with locked(file, wait=False, cannot=cannot, remedy=remedy) as held:
        if not held:
            raise StorageError(taken)
        yield


@contextlib.contextmanager
def only_run(root: Path, work: Path) -> Iterator[None]:
    """Let one run at a time write to an output folder.

    Args:
        root: the output folder.
        work: folder in it that keeps unfinished work, and the lock; made where missing.

    Raises:
        StorageError: the folder cannot be written, or another run is writing to it.
    """
    ensure_writable(work)
    with exclusive(work / "lock", taken=another_run(root)):
        yield


def another_run(root: Path, process: str | None = None) -> str:
    """Say that another run holds an output folder.

    >>> another_run(Path("out"), "77")
    'another run (process 77) is writing to out: wait for it or choose another output_dir'
    """
    who = f" (process {process})" if process else ""
    return f"another run{who} is writing to {root}: wait for it or choose another output_dir"
