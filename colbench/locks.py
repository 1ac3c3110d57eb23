"""One process at a time: locks of the operating system, freed however their holder ends.

A lock is a file. While it is held it says by whom and since when; it stays behind, empty, when it
is let go. Whether a process holds it says the system, not the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colbench.errors import ConfigError, StorageError
from colbench.files import READ_ONLY, ensure_writable
from colbench.progress import note
from colbench.timing import now

LIMIT_VARIABLE = "COLBENCH_LOCK_SECONDS"
"""Environment variable: how long a process waits for a lock of another one."""

LIMIT_SECONDS = 21_600.0
"""The same by default, six hours: as long as another process may encode a large collection."""

_POLL_SECONDS = 0.2
_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LONGEST_FILE, _LONGEST = 4096, 120


@contextlib.contextmanager
def locked(
    file: Path,
    *,
    wait: bool = True,
    waiting: str | None = None,
    cannot: str | None = None,
    remedy: str = "choose another folder",
    reading: bool = False,
) -> Iterator[bool]:
    """Hold a lock between processes.

    Args:
        file: the lock; its folder is made where missing.
        wait: until the process that holds it now lets go, `COLBENCH_LOCK_SECONDS` at most.
        waiting: told before that, with who holds it and since when.
        cannot: what cannot be done where the file cannot be made; "cannot lock" it by default.
        remedy: what to do then.
        reading: whether what the lock protects may only be read: in a folder that cannot be written
            there is nothing to protect, and the lock counts as held.

    Yields:
        whether the lock is held; False only where `wait` is False and another process has it.

    Raises:
        StorageError: the file cannot be made, or another process held it for too long.
        ConfigError: `COLBENCH_LOCK_SECONDS` is no number of seconds.
    """
    from filelock import FileLock, Timeout  # imports asyncio, which a search does without

    lock = FileLock(file)
    held = False
    signed: int | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if wait:
                limit = _limit()
                about = waiting or f"{file} is held by another process; waiting for it"
                note(f"{about} ({holder_of(file)}; at most {LIMIT_VARIABLE}={limit:g})")
                lock.acquire(timeout=limit, poll_interval=_POLL_SECONDS)
        held = lock.is_locked
        signed = _sign(file) if held else None
    except Timeout:
        raise StorageError(
            f"{file} is still held by another process ({holder_of(file)}) after {limit:g} seconds: "
            "run the same command again when that has ended, or end it if it hangs; "
            f"{LIMIT_VARIABLE} sets another limit"
        ) from None
    except OSError as error:
        held = reading and error.errno in READ_ONLY
        if not held:
            raise StorageError(
                f"{cannot or f'cannot lock {file}'}: {error.strerror or error}; {remedy}"
            ) from error
    try:
        yield held
    finally:
        if signed is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(signed, 0)
            os.close(signed)
        lock.release()


def _limit() -> float:
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = float(text or LIMIT_SECONDS)
    except ValueError:
        limit = -1.0
    if not limit >= 0:  # NaN neither
        raise ConfigError(f"{LIMIT_VARIABLE}={text} is no number of seconds: set it to 3600, say")
    return limit


def _sign(file: Path) -> int | None:
    """Write into a lock who holds it, for those who wait.

    A file that holds anything else is somebody's, and stays as it is; so does what a link leads to,
    or is known by another name as well.

    Returns:
        A descriptor of the file, to empty it by; None where nothing was written.
    """
    program = Path(sys.argv[0]).name if sys.argv else "python"
    signature = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": now(),
        "command": shlex.join([program, *sys.argv[1:]])[:_LONGEST],
    }
    try:
        descriptor = os.open(file, os.O_RDWR | _AS_IT_IS)
    except OSError:  # it is held without that, too
        return None
    try:
        found = os.fstat(descriptor)
        own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if own and (not found.st_size or "pid" in _signature(file)):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(signature).encode())
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def holder_of(file: Path) -> str:
    """Say in words who holds a lock, as far as can be told: process, host, command, since when."""
    signed = _signature(file)
    pid, host, command, since = (signed.get(k) for k in ("pid", "host", "command", "since"))
    if not isinstance(pid, int) or isinstance(pid, bool):
        pid = _holder_by_the_kernel(file)
        return "which one is not known" if pid is None else f"process {pid}"
    told = f"process {pid}"
    if isinstance(host, str):
        told += f" on {host[:_LONGEST]}"
    if isinstance(command, str):
        told += f", `{command[:_LONGEST]}`"
    if isinstance(since, str):
        told += f", since {since[:_LONGEST]}"
    return told


def _signature(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            signed = json.loads(stream.read(_LONGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return {}
    return signed if isinstance(signed, dict) else {}


def _holder_by_the_kernel(file: Path) -> int | None:
    """Return the process that holds a lock without a signature, where Linux tells."""
    try:
        inode = file.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    for line in lines:
        fields = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fd:01:1234 0 EOF
        if len(fields) == 8 and fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


@contextlib.contextmanager
def exclusive(
    file: Path, *, taken: str, cannot: str | None = None, remedy: str = "choose another folder"
) -> Iterator[None]:
    """Hold a lock, or refuse where another process works here.

    Args:
        file: as of `locked`.
        taken: the message where another process holds it; who that is is added.
        cannot: as of `locked`.
        remedy: as of `locked`.

    Raises:
        StorageError: another process holds the lock, or the file cannot be made.
    """
    with locked(file, wait=False, cannot=cannot, remedy=remedy) as held:
        if not held:
            raise StorageError(f"{taken} (held by {holder_of(file)})")
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


def another_run(root: Path, holder: str | None = None) -> str:
    """Say that another run holds an output folder.

    Args:
        root: the folder.
        holder: who that is, as `holder_of` says it.

    >>> another_run(Path("out"), "process 77")
    'another run (process 77) is writing to out: wait for it or choose another output_dir'
    """
    who = f" ({holder})" if holder else ""
    return f"another run{who} is writing to {root}: wait for it or choose another output_dir"
