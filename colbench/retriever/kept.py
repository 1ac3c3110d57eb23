"""What several systems, or several runs, search: indexes in a folder, each with its record.

    <name>/        the index, or what indexes are made of
    <name>.json    what it was made of, the checksum of what was made, and how long that took
    <name>.lock    held by the process that looks at it or makes it

The name is a digest of all that decides the content. It does not prove the content: a writer may
have changed the index since, or another one may have been put in its place. The record does.
"""

from __future__ import annotations

import enum
import json
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from colbench.digests import json_digest, text_digest
from colbench.files import unavailable, write_json
from colbench.index.colbert.manifest import FILE_NAME as INDEX_FILE
from colbench.locks import locked
from colbench.paths import remove_made

_GIVEN = ("", "index")
"""Where an index lies in a folder that is one, or that is an application's."""


def given_index(folder: Path | None) -> Path | None:
    """Return the index that a folder is or holds, made by hand or by an application; None for a
    folder of indexes that runs have built, or will.

    Args:
        folder: `index_dir`; None where there is none.
    """
    if folder is None:
        return None
    places = (folder / name for name in _GIVEN)
    return next((place for place in places if (place / INDEX_FILE).is_file()), None)


class Verdict(enum.Enum):
    """What to do with what lies in a place."""

    USE = "it is what was made there"
    MAKE = "nothing is there, or what was made there is damaged or not whole"
    LEAVE = "somebody has changed or replaced it"


@dataclass(frozen=True)
class Record:
    """What is known of a place.

    Attributes:
        seconds: how long making it took.
        content: checksum of what was made; None in a record of an earlier version.
    """

    seconds: float
    content: str | None


@dataclass(frozen=True)
class Place:
    """A folder for something that is made once.

    Attributes:
        folder: where it lies.
        of: digest of all that decides it.
        own: whether no other run looks there.
    """

    folder: Path
    of: str
    own: bool

    @classmethod
    def inside(cls, shared: Path, what: str, relevant: str, *, own: bool) -> Place:
        """Return the place of something.

        Args:
            shared: the folder of all of them.
            what: it is, the beginning of its name.
            relevant: all that decides it.
            own: whether no other run looks there.
        """
        of = text_digest(relevant)
        return cls(shared / f"{what}-{of[:16]}", of, own)

    def alone(self) -> AbstractContextManager[bool]:
        """Hold the place against other processes; where nothing can be written, there are none."""
        lock = self.folder.with_name(f"{self.folder.name}.lock")
        told = f"another process is at work on {self.folder}; waiting for it"
        return locked(
            lock, waiting=told, remedy="choose another index_dir", reading=not self.writable
        )

    @property
    def writable(self) -> bool:
        """Whether something can be made here."""
        parent = self.folder.parent
        return os.access(parent, os.W_OK | os.X_OK) or not parent.exists()

    def judge(self, found: str | None, *, damaged: bool, holds: bool) -> tuple[Verdict, float]:
        """Say what to do with what lies here.

        Args:
            found: its checksum; None where it has none that can be read.
            damaged: whether it is not what its own checksums say.
            holds: whether it is of the documents that it should be of.

        Returns:
            The verdict, and how long making it took where it may be used.

        Raises:
            StorageUnavailable: its record cannot be read now.
        """
        record = self.record()
        proven = record is not None and found is not None and record.content == found
        if record is not None and proven and holds and not damaged:
            return Verdict.USE, record.seconds
        vacant = self.own or not os.path.lexists(self.folder)
        broken = found is None or (damaged and proven)
        if vacant or (broken and not self.folder.is_symlink()):
            return (Verdict.MAKE if self.writable else Verdict.LEAVE), 0.0
        return Verdict.LEAVE, 0.0

    def clear(self) -> None:
        """Remove what lies here, before it is made."""
        self._record.unlink(missing_ok=True)
        remove_made(self.folder, inside=self.folder.parent)

    def seal(self, seconds: float, content: str) -> None:
        """Record what was made here.

        Raises:
            StorageError: the record cannot be written.
        """
        write_record(self._record, self.of, Record(seconds, content))

    def record(self) -> Record | None:
        """Return what is known of the place; None where that is not there, or of something else.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        return read_record(self._record, self.of)

    @property
    def _record(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")


def write_record(file: Path, of: str, record: Record) -> None:
    """Write a record, with a checksum of its own.

    Raises:
        StorageError: it cannot be written.
    """
    content = {"build_seconds": record.seconds, "of": of, "content": record.content}
    write_json(file, {**content, "sha256": json_digest(content)})


def read_record(file: Path, of: str) -> Record | None:
    """Return a record; None where there is none, it was damaged, or is of something else.

    Raises:
        StorageUnavailable: it cannot be read now.
    """
    try:
        content = json.loads(file.read_bytes())
        digest = content.pop("sha256")
        if digest != json_digest(content) or content.get("of") != of:
            return None
        return Record(float(content["build_seconds"]), content["content"])
    except (OSError, MemoryError) as error:
        if (reason := unavailable(file, error)) is not None:
            raise reason from error
        return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
