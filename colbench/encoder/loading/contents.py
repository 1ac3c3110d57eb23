"""The files of a checkpoint, as what loads it finds them.

A checkpoint is a folder that anybody may have made. Links are followed, as everything that loads a
model follows them: those in the cache of the hub lead to its blobs, and a module folder may be a
link too. What cannot be read to its end is refused before anything opens it: pipes, sockets and
devices, links that lead nowhere or in a circle, files that are mostly holes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from colbench.errors import ConfigError, StorageError

UNREAD = (".git", ".cache/huggingface")
"""Folders of other programs that nothing which loads a model looks into; no name leads there."""

_UNCOUNTED = {"README.md", ".gitattributes"}
"""Files beside config.json that decide no vector."""

_FILE_SUFFIXES = {
    *(".bin", ".bpe", ".jinja", ".json", ".md", ".metadata", ".model", ".py", ".safetensors"),
    ".txt",
}
_PSEUDO = (Path("/proc"), Path("/sys"))
_MOST, _DEEPEST = 10_000, 32
_SPARSE = 2**26
_JSON_BYTES = 2**28
_SETTLED_NS = 3 * 10**9
"""Age of a change after which another one is sure to have another time."""

_AGAIN = "fetch the model again"
_digests: dict[tuple[int, ...], str] = {}


class CheckpointFile(NamedTuple):
    """A file of a checkpoint.

    Attributes:
        relative: its path in the folder, with `/`, links unresolved.
        path: the same, from the root.
        status: of what is behind all links.
    """

    relative: str
    path: Path
    status: os.stat_result

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.name

    @property
    def identity(self) -> tuple[int, ...]:
        """What changes when the content does: device, inode, size, and times in nanoseconds."""
        held = self.status
        return held.st_dev, held.st_ino, held.st_size, held.st_mtime_ns, held.st_ctime_ns


def checkpoint_files(folder: Path) -> list[CheckpointFile]:
    """Return every file of a checkpoint, sorted by relative path, links followed.

    Raises:
        ConfigError: something in it is no file and no folder, a link leads nowhere or in a circle,
            a folder stands where a file belongs, or a file is mostly holes.
        StorageError: something in it cannot be read.
    """
    found: list[CheckpointFile] = []
    for number, file in enumerate(_walk(folder, "", (_place(_status(folder)),))):
        if number >= _MOST:
            raise ConfigError(
                f"{folder} has more than {_MOST:,} files and folders, links followed: it is no "
                "checkpoint"
            )
        if stat.S_ISREG(file.status.st_mode):
            found.append(file)
    return sorted(found)


def file_digests(folder: Path) -> dict[str, str]:
    """Return relative path → sha256 of all files that could be read when a model is loaded.

    Left out are what git and the hub's client keep for themselves, and the README beside
    config.json. A file is hashed once a process, unless it has just been changed.

    Raises:
        ConfigError, StorageError: see `checkpoint_files`.
    """
    return {
        file.relative: _digest(file)
        for file in checkpoint_files(folder)
        if file.relative not in _UNCOUNTED
    }


def read_json(path: Path, default: Any) -> Any:
    """Return the JSON of a file of a checkpoint; `default` where there is no such file.

    Raises:
        ConfigError: it is no ordinary file, is not JSON, or not of the type of `default`.
        StorageError: it cannot be read.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return default
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not readable JSON ({error}); {_AGAIN}") from error
    if not isinstance(value, type(default)):
        raise not_a_configuration(path)
    return value


def read_bytes(path: Path) -> bytes:
    """Return the content of a small file of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: it is no ordinary file, or larger than 256 MiB.
        StorageError: it cannot be read.
    """
    try:
        with _open(path) as stream:
            content: bytes = stream.read(_JSON_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(content) > _JSON_BYTES:
        raise ConfigError(f"{path} has more than {_JSON_BYTES:,} bytes, too many to read; {_AGAIN}")
    return content


def not_a_configuration(path: Path) -> ConfigError:
    """Return the error of a file that is JSON, but not what its name says."""
    return ConfigError(f"{path} is not a model's configuration file; {_AGAIN}")


def _walk(
    folder: Path, prefix: str, above: tuple[tuple[int, int], ...]
) -> Iterator[CheckpointFile]:
    """Yield what is in a folder, and in all folders in it, which come before their content."""
    if len(above) > _DEEPEST:
        raise ConfigError(f"{folder} is {_DEEPEST} folders deep in a checkpoint, links followed")
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    for path in paths:
        relative = f"{prefix}{path.name}"
        if relative in UNREAD:
            continue
        status = _status(path)
        if stat.S_ISDIR(status.st_mode):
            if path.suffix.lower() in _FILE_SUFFIXES:
                _check_regular(path, status)
            if _place(status) in above:
                raise ConfigError(
                    f"{path} is a link to a folder that it lies in: remove it, or {_AGAIN}"
                )
            yield CheckpointFile(relative, path, status)
            yield from _walk(path, f"{relative}/", (*above, _place(status)))
        else:
            _check_ordinary(path, status)
            yield CheckpointFile(relative, path, status)


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and path.is_symlink():
            target = path.readlink()
            raise ConfigError(
                f"{path} is a link to {target}, where nothing is: remove it, or {_AGAIN}"
            ) from None
        if error.errno == errno.ELOOP:
            raise ConfigError(f"{path} is a link that ends in itself: remove it") from None
        raise _unreadable(path, error) from error


def _check_ordinary(path: Path, status: os.stat_result) -> None:
    """Refuse what cannot be read to its end: no file at all, or one of holes."""
    _check_regular(path, status)
    if any(root.is_mount() and root.stat().st_dev == status.st_dev for root in _PSEUDO):
        raise ConfigError(f"{path} is a link into the system's own files: remove it, or {_AGAIN}")
    if status.st_size > _SPARSE and status.st_blocks * 512 < status.st_size // 2:
        with _open(path) as stream:
            held = _bytes_held(stream.fileno(), status.st_size)
        if held < status.st_size // 2:
            raise ConfigError(
                f"{path} says that it has {status.st_size:,} bytes, but holds {held:,} of them: it "
                f"was cut off or made up; {_AGAIN}"
            )


def _bytes_held(descriptor: int, size: int) -> int:
    """Return how much of a file is no hole; all of it where the file system does not tell."""
    held = position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            return held if error.errno == errno.ENXIO else size
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        held += position - start
    return held


def _digest(file: CheckpointFile) -> str:
    known = _digests.get(file.identity)
    if known is not None:
        return known
    now = time.time_ns()
    try:
        with _open(file.path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            after = CheckpointFile(file.relative, file.path, os.fstat(stream.fileno()))
    except OSError as error:
        raise _unreadable(file.path, error) from error
    if after.identity != file.identity:
        raise StorageError(f"{file.path} was changed while it was read: run again")
    # Two changes within one tick of the file system's clock leave the same times.
    if now - max(file.status.st_mtime_ns, file.status.st_ctime_ns) > _SETTLED_NS:
        _digests[file.identity] = digest
    return digest


def _open(path: Path) -> Any:
    """Open an ordinary file to read bytes; nothing else, and without waiting for a writer."""
    _check_regular(path, path.stat())  # opening a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = os.fdopen(descriptor, "rb")
    try:
        _check_regular(path, os.fstat(descriptor))
    except ConfigError:
        stream.close()
        raise
    return stream


def _check_regular(path: Path, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise ConfigError(f"{path} is a folder where a file belongs; {_AGAIN}")
    if kind != stat.S_IFREG:
        what = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
        raise ConfigError(f"{path} is {what}, and no file: remove it, or {_AGAIN}")


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot read {path}: {error.strerror or error}")
