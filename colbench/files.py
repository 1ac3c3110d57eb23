"""Writing so that a reader never sees half a file.

Every file colbench leaves behind goes through `atomic_write`: the bytes land in a temporary
sibling, reach the disk, and take the final name in one rename. The sibling is locked while it is
written, so that the next write of the same file can tell what a killed process left, and removes
it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import StorageError, StorageUnavailable

_OF_THE_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
_OF_THE_FILE |= {errno.ENXIO, errno.ENODEV}
"""What the system answers where a file is not there, or is no file."""

_REMEDIES = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close some programs",
    errno.ENOMEM: "free some memory or raise the limit (ulimit -v)",
    errno.EACCES: "change its permissions or run as its owner",
    errno.EPERM: "change its permissions or run as its owner",
    errno.EIO: "check the disk and try again",
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space and try again",
}
_OTHERWISE = "try again"
_NOT_OF_THE_DISK = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def unavailable(path: Path, error: OSError | MemoryError) -> StorageUnavailable | None:
    """Tell an error of the moment or of the machine from one that tells of the file.

    Args:
        path: what was read.
        error: what came of it.

    Returns:
        One line, to be raised: what cannot be read, why, and what to do; None where there is no
        such file, or it is a folder or a link, so that the caller says what should be there.

    >>> print(unavailable(Path("x"), OSError(errno.EIO, "Input/output error")))
    cannot read x: Input/output error; check the disk and try again
    >>> unavailable(Path("x"), FileNotFoundError(2, "No such file"))
    """
    if isinstance(error, MemoryError):
        error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if error.errno in _OF_THE_FILE:
        return None
    remedy = _REMEDIES.get(error.errno or 0, _OTHERWISE)
    return StorageUnavailable(f"cannot read {path}: {error.strerror or error}; {remedy}")


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Return one line, to be raised: what cannot be written, why, and what to do.

    >>> print(cannot_write(Path("x"), OSError(errno.ENOSPC, "No space left on device")))
    cannot write x: No space left on device; free some space or choose another folder
    """
    remedy = "free some space or choose another folder"
    if error.errno in _NOT_OF_THE_DISK:
        remedy = _REMEDIES[error.errno]
    return StorageError(f"cannot write {path}: {error.strerror or error}; {remedy}")


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
        _remove_abandoned(path)
        handle, temporary = _temporary(path)
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> tuple[int, Path]:
    """Make a temporary sibling of `path` and lock it; return its descriptor and name."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks does without them
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)  # removed by another process between the two calls above


def _remove_abandoned(path: Path) -> None:
    """Remove temporary siblings of `path` whose writer has died."""
    with contextlib.suppress(OSError):  # it may be forbidden to list the folder
        for file in path.parent.iterdir():
            if file.name.startswith(f".{path.name}.") and file.suffix == ".tmp":
                with contextlib.suppress(OSError):
                    # Opening a pipe would wait for ever, and a link is no file of ours.
                    if stat.S_ISREG(file.lstat().st_mode):
                        with file.open("rb") as stream:
                            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                            file.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; NaN and infinity are refused."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=2, ensure_ascii=False, allow_nan=False)
        stream.write("\n")


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as `.npy`, atomically.

    `numpy.save` writes to a file through a buffer of the C library, whose last flush nobody checks:
    on a full disk it cuts off up to 4 kB of an array and says nothing.

    Raises:
        StorageError: the file cannot be written.
    """
    whole = np.ascontiguousarray(array).reshape(array.shape)
    with atomic_write(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, np.lib.format.header_data_from_array_1_0(whole)
        )
        stream.write(whole.data)


def check_target(file: Path) -> None:
    """Fail now, in one line, if no file can be written under this name; makes nothing.

    Raises:
        StorageError: it is a folder, or what should be its folder is none or may not be written to.
    """
    try:
        if file.is_dir():
            raise StorageError(f"cannot write {file}: it is a folder; name a file")
        folder = next(parent for parent in file.absolute().parents if parent.exists())
    except OSError as error:  # a name that no file can have
        raise StorageError(f"cannot write {file}: {error.strerror or error}") from None
    if not folder.is_dir():
        raise StorageError(f"cannot write {file}: {folder} is no folder; choose another place")
    if not os.access(folder, os.W_OK):
        raise StorageError(f"cannot write {file}: {folder} is not writable; choose another place")


READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""What the system answers where something may be read and not be written."""


def ensure_writable(folder: Path, *, or_readable: bool = False) -> None:
    """Fail now, in one line, if `folder` cannot be made or written to.

    Args:
        folder: made where it is missing.
        or_readable: whether a folder that is there and may be read is enough.

    Raises:
        StorageError: naming the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:  # has no name that could be left behind
            stream.write(b"ok")
    except OSError as error:
        if or_readable and error.errno in READ_ONLY and os.access(folder, os.R_OK | os.X_OK):
            return
        raise cannot_write(folder, error) from error
