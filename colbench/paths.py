"""Names of others as file names, and removal of what colbench itself has made.

Systems, experiments and collections are named in files that anybody may have written, and a folder
that is cleared may be a link to another, or hold files of its owner's. So a name becomes a file
name in one function, and everything that is deleted goes through those below: it lies inside a
folder of colbench's own, bears a name that colbench gives, and no link is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from colbench.digests import bytes_digest
from colbench.errors import ConfigError, StorageError
from colbench.printing import visible

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,98}[a-z0-9_-])?")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
_DIGEST = re.compile(r".*-[0-9a-f]{32}")
_READABLE = 60
"""Characters of a name that are kept before its digest."""

_REFUSED = {"Cc": "a control character", "Cs": "half a surrogate pair"}
_REFUSED |= dict.fromkeys(("Zl", "Zp"), "a line break")


def check_name(name: str, what: str) -> None:
    r"""Refuse a name that can neither be shown nor told from another.

    Args:
        name: of a system, an experiment, …
        what: it is the name of, for the message.

    Raises:
        ConfigError: it is empty, or has a control character, a line break or half a surrogate pair.
    """
    if not name.strip():
        raise ConfigError(f"the name of {what} is empty: choose one of letters and digits")
    for character in name:
        if reason := _REFUSED.get(unicodedata.category(character)):
            shown = visible(name if len(name) <= 80 else f"{name[:79]}…")
            raise ConfigError(f"the name of {what}, '{shown}', has {reason} in it: leave it out")


def plain_name(name: str, reserved: Collection[str] = ()) -> str:
    """Return the file name that stands for a name, and for no other.

    It is one part of a path. A plain name, of at most 100 lower-case letters, digits and `_.-`, is
    its own; any other is what can be read of it and a digest. Distinct names have distinct file
    names, also where the file system takes capitals for small letters or composes accents.

    Args:
        name: any text.
        reserved: file names that are taken.

    >>> plain_name("bm25"), plain_name("../x")
    ('bm25', 'x-d6b96a97d147daaae49eb87a5ca7bfbc')
    """
    taken = name in reserved or _DEVICE.fullmatch(name) or _DIGEST.fullmatch(name)
    if _PLAIN.fullmatch(name) and not taken:
        return name
    stem = re.sub(r"[^a-z0-9_.]+", "-", name.lower()[: 2 * _READABLE]).strip("-.")[:_READABLE]
    digest = bytes_digest(name.encode("utf-8", "surrogatepass"))[:32]
    return f"{stem or 'name'}-{digest}"


def inner_path(folder: Path, relative: str, named_in: Path) -> Path:
    """Return the path of a file that is named relative to a folder.

    Raises:
        StorageError: it leads out of the folder.
    """
    path = folder / relative
    parts = PurePosixPath(relative).parts
    try:
        inside = ".." not in parts and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, or links in a circle
        inside = False
    if not inside or not parts:
        raise StorageError(f"{named_in} names the file {relative!r}, which is not inside {folder}")
    return path


def refuse_link(folder: Path, *, remedy: str) -> None:
    """Refuse a folder of colbench's own that is a link.

    Args:
        folder: it need not be there.
        remedy: what else to do.

    Raises:
        StorageError: naming it.
    """
    if folder.is_symlink():
        raise StorageError(
            f"{folder} is a link, and colbench changes nothing behind one: remove it or {remedy}"
        )


def own_folder(folder: Path, *, remedy: str = "choose another output_dir") -> None:
    """Refuse a folder of colbench's own that is a link, no folder, or another user's.

    Args:
        folder: it need not be there.
        remedy: what else to do.

    Raises:
        StorageError: naming it.
    """
    refuse_link(folder, remedy=remedy)
    try:
        status = folder.lstat()
        owners = {os.geteuid(), folder.parent.stat().st_uid}
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror or error}; {remedy}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise StorageError(f"{folder} is no folder: remove it or {remedy}")
    if status.st_uid not in owners:
        raise StorageError(f"{folder} belongs to another user: {remedy}")


def remove_made(path: Path, *, inside: Path) -> None:
    """Remove a file or folder that colbench has made; nothing where there is none.

    What cannot be removed stays, as after a run that was killed.

    Args:
        path: what is removed.
        inside: the folder of colbench's own that it lies in.

    Raises:
        StorageError: it does not lie there, or is a link.
    """
    parts = path.relative_to(inside).parts if path.is_relative_to(inside) else ()
    if not parts or ".." in parts:
        raise _outside(path, inside)
    try:
        # A link may be put under a name at any moment; what a descriptor stands for stays.
        with contextlib.ExitStack() as opened:
            folder = None
            for part in map(str, (inside, *parts[:-1])):
                flags = os.O_RDONLY | os.O_DIRECTORY | (0 if folder is None else os.O_NOFOLLOW)
                folder = os.open(part, flags, dir_fd=folder)
                opened.callback(os.close, folder)
            _remove(path, folder)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):  # a link on the way there
            raise _outside(path, inside) from None


def _remove(path: Path, folder: int | None) -> None:
    """Remove what lies in a folder, given by its descriptor, under the last part of a path."""
    mode = os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        raise StorageError(f"{path} is a link, and colbench removes nothing behind one: remove it")
    if stat.S_ISDIR(mode):
        shutil.rmtree(path.name, ignore_errors=True, dir_fd=folder)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path.name, dir_fd=folder)


def _outside(path: Path, inside: Path) -> StorageError:
    return StorageError(f"{path} is not inside {inside}: it is not removed")


def clear_made(folder: Path, made: re.Pattern[str]) -> None:
    """Remove from a folder what colbench makes there, and the folder where nothing else is in it.

    Links, and everything that bears another name, stay.

    Args:
        folder: of colbench's own; it need not be there.
        made: names of what colbench makes in it.
    """
    if folder.is_symlink():
        return
    for entry in _entries(folder):
        if made.fullmatch(entry.name) and not entry.is_symlink():
            remove_made(entry, inside=folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def foreign_entries(folder: Path, made: re.Pattern[str]) -> list[str]:
    """Return the names of links, and of what colbench does not make, in a folder, sorted."""
    return sorted(
        entry.name
        for entry in _entries(folder)
        if entry.is_symlink() or not made.fullmatch(entry.name)
    )


def refuse_foreign(
    folder: Path, made: re.Pattern[str], *, remedy: str = "choose another output_dir"
) -> None:
    """Refuse a folder of colbench's own that is a link, or holds what colbench does not make.

    Raises:
        StorageError: naming the folder and what is in it.
    """
    own_folder(folder, remedy=remedy)
    if foreign := foreign_entries(folder, made):
        raise StorageError(
            f"{folder} holds {foreign[0]!r}, which is not of colbench: move it elsewhere or "
            f"{remedy}"
        )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
