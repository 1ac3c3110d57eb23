"""All shards of one encoder in the cache, and the lock that lets one process at a time add to it.

Readers take no lock: a shard appears in one rename and never changes. A process that finds texts
missing takes the lock, looks again, and encodes what is still missing, so two processes never
encode the same text twice and never see each other's temporary files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from colbench.encoder.base import Encoder
from colbench.encoder.cache.shards import TEMPORARY_SUFFIX, Damaged, Foreign, Shard, open_shard
from colbench.errors import StorageError
from colbench.files import write_json
from colbench.paths import refuse_link
from colbench.progress import note

DESCRIPTION = "space.json"
LAST_USED = "last_used"
WRITABLE = "set COLBENCH_CACHE to a folder that can be written"
"""What to do where the cache cannot be written."""

_SHARD = "[0-9a-f]{32}"
_STRAY = rf"\.(?:[0-9a-f]+|{re.escape(DESCRIPTION)})\..*{re.escape(TEMPORARY_SUFFIX)}"
IN_SPACE = re.compile(f"{_SHARD}|{_STRAY}|{re.escape(DESCRIPTION)}|{LAST_USED}")
"""Names of all that a space holds."""


@dataclass
class Space:
    """The folder of one encoder's shards; it may not exist yet.

    Attributes:
        folder: named by the fingerprint.
        fingerprint: `document_fingerprint` of the encoder.
        damaged: shards that the last `find` could not use, and why.
    """

    folder: Path
    fingerprint: str
    damaged: dict[Path, str] = field(default_factory=dict)
    _verified: dict[Path, Shard] = field(default_factory=dict)

    def find(self, wanted: Collection[bytes]) -> list[Shard]:
        """Return the shards that hold any of the wanted texts, each verified in full once.

        Shards are in the order of their names, so that of two that hold the same text the same one
        is always taken.
        """
        self.damaged = {}
        shards = []
        for folder in self.shard_folders():
            try:
                shard = self._verified.get(folder) or open_shard(folder, self.fingerprint)
                if any(key in wanted for key in shard.keys):
                    if folder not in self._verified:
                        shard.verify_vectors()
                        self._verified[folder] = shard
                    shards.append(shard)
            except Foreign:
                note(f"embedding cache: {folder} is not from this encoder or version; left alone")
            except Damaged as reason:
                self.damaged[folder] = str(reason)
        return shards

    def shard_folders(self) -> list[Path]:
        """Return the folders of committed shards, sorted by name; others are somebody else's.

        Raises:
            StorageError: the folder cannot be read.
        """
        try:
            paths = list(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StorageError(
                f"cannot read {self.folder}: {error.strerror or error}; set COLBENCH_CACHE to a "
                "folder that can be read"
            ) from error
        return sorted(path for path in paths if path.is_dir() and re.fullmatch(_SHARD, path.name))

    def prepare(self, encoder: Encoder) -> None:
        """Make the folder ready for new shards. Only under the lock.

        What a killed process left half written goes, and so do damaged shards.

        Raises:
            StorageError: the folder cannot be written, or is a link.
        """
        refuse_link(self.folder, remedy=WRITABLE)
        settings = encoder.settings
        description = {
            "name": settings.name,
            "model": settings.model,
            "revision": settings.revision,
            "form": encoder.form.value,
            "precision": encoder.arithmetic.precision,
            "dims": encoder.dims,
        }
        write_json(self.folder / DESCRIPTION, description)
        for stray in self.folder.glob(f".*{TEMPORARY_SUFFIX}"):
            if re.fullmatch(_STRAY, stray.name):
                remove(stray)
        for folder, reason in self.damaged.items():
            note(f"embedding cache: {folder}: {reason}; removed, its texts are encoded again")
            remove(folder)

    def touch(self) -> None:
        """Record that the space was used now, where that can be written."""
        used = self.folder / LAST_USED
        with contextlib.suppress(OSError):
            if not (self.folder.is_symlink() or used.is_symlink()):
                used.touch()


def remove(path: Path) -> None:
    """Delete a file or folder; a folder leaves its name at once, so no reader sees half of it.

    Of a link the link goes, and nothing behind it.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    trash = path
    if not path.name.endswith(TEMPORARY_SUFFIX):
        trash = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
        with contextlib.suppress(OSError):
            path.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)
