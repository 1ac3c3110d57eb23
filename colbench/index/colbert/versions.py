"""Versions of an index: each commit of one that keeps them can be opened, and returned to.

    versions/000007.json   `index.json` as the seventh change committed it
    versions/names.json    names that were given to versions

Files of an index are never changed, so that a version costs its manifest and what no later one
holds: a version is kept by not removing what it names. The index keeps versions where the folder
`versions` is there; `build_index(…, keep_versions=True)` makes it. A manifest is written there just
before it is committed, so that a number above that of `index.json` is of a change that was
interrupted, and does not count.
"""

from __future__ import annotations

import datetime
import json
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from colbench.errors import DataError, StorageError, did_you_mean
from colbench.files import cannot_write, unavailable, write_json
from colbench.index.colbert.manifest import Manifest, read_manifest, write_manifest
from colbench.mapped import Missing, Unfit, plain_file
from colbench.paths import check_name, remove_made

FOLDER = "versions"
_NAMES = "names.json"
_FILE = re.compile(r"([0-9]{6,16})\.json")
_LARGEST_NAMES = 16 << 20


@dataclass(frozen=True)
class Version:
    """A commit that is kept.

    Attributes:
        number: counts commits from 1; `index.json` calls it `change`.
        documents: that a search of it finds.
        tokens: of these documents.
        name: that was given to it.
        committed: when its file was written, in UTC; copies of an index may have lost it.
    """

    number: int
    documents: int
    tokens: int
    name: str | None
    committed: datetime.datetime


def keeps_versions(folder: Path) -> bool:
    """Return whether each commit of an index is kept.

    Raises:
        StorageError: `versions` is a link.
    """
    try:
        mode = (folder / FOLDER).lstat().st_mode
    except OSError:
        return False
    if stat.S_ISLNK(mode):
        raise StorageError(f"{folder / FOLDER} is a link: remove it, it may lead anywhere")
    return stat.S_ISDIR(mode)


def keep(folder: Path) -> None:
    """Keep versions from now on."""
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder / FOLDER, error) from error


def record(folder: Path, manifest: Manifest) -> None:
    """Keep a manifest that is about to be committed."""
    write_manifest(folder, manifest, name=_file_of(manifest.change))


def versions(folder: Path) -> list[Version]:
    """Return the versions that are kept, the earliest first.

    Raises:
        StorageError: the index keeps none, or a file of theirs is damaged.
    """
    names = {number: name for name, number in _names(folder).items()}
    found = []
    for number in numbers(folder):
        manifest = _manifest(folder, number)
        time = (folder / _file_of(number)).lstat().st_mtime
        extent = manifest.holds
        found.append(
            Version(
                number=number,
                documents=extent.documents,
                tokens=extent.tokens,
                name=names.get(number),
                committed=datetime.datetime.fromtimestamp(time, datetime.UTC),
            )
        )
    return found


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the versions that are kept, ascending.

    Raises:
        StorageError: the index keeps none.
    """
    last = read_manifest(folder).change
    if not keeps_versions(folder):
        raise StorageError(
            f"the index in {folder} keeps no versions: build it with keep_versions=True"
        )
    return [number for number in _on_disk(folder) if number <= last]


def version_manifest(folder: Path, version: int | str) -> Manifest:
    """Return the manifest of a version.

    Args:
        folder: of the index.
        version: its number or its name.

    Raises:
        DataError: there is no such version.
        StorageError: the index keeps none, or its file is damaged.
    """
    return _manifest(folder, number_of(folder, version))


def number_of(folder: Path, version: int | str) -> int:
    """Return the number of a version.

    Raises:
        DataError: there is no such version.
        StorageError: the index keeps none.
    """
    there = numbers(folder)
    if isinstance(version, str):
        names = _names(folder)
        if names.get(version) not in there:
            hint = did_you_mean(version, names) if names else "none has a name"
            raise DataError(f"{folder} has no version named {version!r}: {hint}")
        return names[version]
    if isinstance(version, bool) or version not in there:
        raise DataError(f"{folder} has no version {version!r}: there are {_told(there)}")
    return version


def name_version(folder: Path, version: int | str, name: str) -> None:
    """Give a version a name, which keeps it from being pruned; a name moves from another version.

    Raises:
        DataError: there is no such version, or the name is a number.
        ConfigError: the name is empty or has a control character.
        StorageError: it cannot be written.
    """
    check_name(name, "a version")
    if name.strip().isdecimal():
        raise DataError(f"a version cannot be named {name!r}: that is a number of a version")
    number = number_of(folder, version)
    write_json(folder / FOLDER / _NAMES, {**_names(folder), name: number})


def removed_by_pruning(
    folder: Path, *, keep: int | None = None, versions: Iterable[int | str] = (), named: bool
) -> list[int]:
    """Return the versions that go; the last commit never does.

    Args:
        folder: of the index.
        keep: how many of the latest stay; None prunes only those given.
        versions: to prune besides.
        named: whether versions that have a name go as well, as those given always do.

    Raises:
        DataError: there is no such version, the last one is given, or keep is below 1.
    """
    there = numbers(folder)
    given = {number_of(folder, version) for version in versions}
    if there and there[-1] in given:
        raise DataError(f"version {there[-1]} is the latest of {folder}: it cannot be pruned")
    if keep is not None and keep < 1:
        raise DataError(f"keep={keep}: at least the latest version stays")
    old = set(there[:-keep]) if keep is not None else set()
    if not named:
        old -= set(_names(folder).values())
    return sorted((old | given) - set(there[-1:]))


def forget(folder: Path, gone: Iterable[int]) -> None:
    """Remove the manifests of versions, and their names."""
    gone = set(gone)
    names = _names(folder)
    left = {name: number for name, number in names.items() if number not in gone}
    if left != names:
        write_json(folder / FOLDER / _NAMES, left)
    for number in gone:
        remove_made(folder / _file_of(number), inside=folder)


def forget_interrupted(folder: Path, last: int) -> None:
    """Remove the manifests of changes that were not committed."""
    forget(folder, (number for number in _on_disk(folder) if number > last))


def _file_of(number: int) -> str:
    return f"{FOLDER}/{number:06d}.json"


def _on_disk(folder: Path) -> list[int]:
    try:
        found = [_FILE.fullmatch(path.name) for path in (folder / FOLDER).iterdir()]
    except OSError as error:
        raise unavailable(folder / FOLDER, error) or StorageError(
            f"{folder / FOLDER} is gone: build the index again"
        ) from error
    known = (int(match[1]) for match in found if match)
    return sorted(number for number in set(known) if (folder / _file_of(number)).exists())


def _manifest(folder: Path, number: int) -> Manifest:
    manifest = read_manifest(folder, _file_of(number))
    if manifest.change != number:
        raise StorageError(
            f"{folder / _file_of(number)} is of version {manifest.change}: remove the file"
        )
    return manifest


def _names(folder: Path) -> dict[str, int]:
    file = folder / FOLDER / _NAMES
    try:
        with plain_file(file) as stream:
            text = stream.read(_LARGEST_NAMES)
        content = json.loads(text.decode("utf-8"))
        return dict(_checked(content))
    except Missing:
        return {}
    except (Unfit, ValueError, RecursionError) as error:
        raise StorageError(
            f"{file} cannot be read ({error}): remove it, versions keep their numbers"
        ) from None


def _checked(content: object) -> Iterator[tuple[str, int]]:
    if not isinstance(content, dict):
        raise ValueError("it is no mapping of names")
    for name, number in content.items():
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError("a version is no number")
        yield str(name), number


def _told(there: list[int]) -> str:
    if len(there) > 6:
        return f"{len(there)} of them from {there[0]} to {there[-1]}"
    return ", ".join(map(str, there))
