"""What the embedding cache holds, and throwing parts of it away."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from colbench.encoder.cache.shards import Damaged, read_manifest
from colbench.encoder.cache.space import DESCRIPTION, IN_SPACE, LAST_USED, WRITABLE, Space, remove
from colbench.errors import ConfigError, StorageError, did_you_mean
from colbench.locks import locked
from colbench.paths import foreign_entries, own_folder
from colbench.progress import note

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")

KEPT = {
    "models": r"(?:[\w.-]+-[0-9a-f]{16}|[0-9a-f]{64})",
    "collections": r"(?:pydocs-(?:small|full)|vectors)-[0-9a-f]{16}",
}
"""Folder of the cache → names of what is kept in it."""

_MANIFESTS = ("manifest.json", "sha256.json")


@dataclass(frozen=True)
class CacheEntry:
    """The cached vectors of one encoder.

    Attributes:
        fingerprint: `document_fingerprint` of the encoder.
        name: short name it was first used under.
        model: weights it was made from.
        form: `tokens` or `dense`.
        precision: arithmetic of the forward pass.
        documents: distinct texts held.
        vectors: vectors held.
        bytes: on disk, all files.
        last_used: when a run last read or wrote it (UTC).
        folder: where it lies.
    """

    fingerprint: str
    name: str
    model: str
    form: str
    precision: str
    documents: int
    vectors: int
    bytes: int
    last_used: datetime
    folder: Path


def list_entries(root: Path) -> list[CacheEntry]:
    """Return the spaces under a cache folder, most recently used first; anything else is ignored.

    Raises:
        StorageError: the folder cannot be read.
    """
    if not root.exists():
        return []
    try:
        folders = [path for path in root.iterdir() if _FINGERPRINT.fullmatch(path.name)]
        own = [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
        entries = [_entry(folder) for folder in own]
    except OSError as error:
        raise StorageError(
            f"cannot read the embedding cache {root}: {error.strerror or error}; "
            "set COLBENCH_CACHE to another folder"
        ) from error
    return sorted(entries, key=lambda entry: (entry.last_used, entry.fingerprint), reverse=True)


def prune_entries(
    entries: Sequence[CacheEntry],
    lock_file: Callable[[str], Path],
    *,
    older_than_days: float | None,
    fingerprint: str | None,
    everything: bool,
) -> int:
    """Delete the entries that meet every given condition; see `EmbeddingCache.prune`."""
    if older_than_days is None and fingerprint is None and not everything:
        raise ConfigError("say what to prune: an age in days, a fingerprint, or everything")
    chosen = list(entries)
    if fingerprint is not None:
        chosen = [entry for entry in chosen if entry.fingerprint.startswith(fingerprint)]
        if not chosen or not fingerprint:
            hint = did_you_mean(fingerprint, [entry.fingerprint[:12] for entry in entries])
            raise ConfigError(f"no cache entry has fingerprint {fingerprint!r}; {hint}")
    if older_than_days is not None:
        oldest = datetime.now(UTC) - timedelta(days=older_than_days)
        chosen = [entry for entry in chosen if entry.last_used < oldest]
    freed = 0
    for entry in chosen:
        with locked(lock_file(entry.fingerprint), wait=False, remedy=WRITABLE) as held:
            if not held:
                note(f"embedding cache: {entry.folder} is in use; left alone")
            elif foreign := foreign_entries(entry.folder, IN_SPACE):
                _left_alone(entry.folder / foreign[0])
            elif not (entry.folder / DESCRIPTION).is_file():
                _left_alone(entry.folder)
            else:
                remove(entry.folder)
                freed += entry.bytes
    return freed


def check_kept(root: Path) -> None:
    """Refuse a cache in which a folder of what is made again when needed is a link.

    Raises:
        StorageError: naming it.
    """
    for name in KEPT:
        own_folder(root / name, remedy="prune by --fingerprint or --older-than")


def remove_kept(root: Path) -> int:
    """Delete converted models and collections made on the spot; return the bytes freed.

    They are made again when needed. What bears another name, or lacks their manifest, stays.

    Raises:
        StorageError: a folder of them is a link.
    """
    check_kept(root)
    freed = 0
    for name, made in KEPT.items():
        folder = root / name
        for entry in sorted(folder.glob("*")) if folder.is_dir() else []:
            if not _is_kept(entry, made):
                _left_alone(entry)
                continue
            freed += _size(entry)
            remove(entry)
        with contextlib.suppress(OSError):
            folder.rmdir()
    return freed


def _is_kept(entry: Path, made: str) -> bool:
    if entry.is_symlink():
        return False
    if not entry.is_dir():
        return re.fullmatch(rf"{made}\.lock", entry.name) is not None
    if re.fullmatch(rf"\.{made}\.\w+(\.tmp)?", entry.name):  # half made, by a killed process
        return True
    marked = any((entry / manifest).is_file() for manifest in _MANIFESTS)
    return marked and re.fullmatch(made, entry.name) is not None


def _left_alone(path: Path) -> None:
    note(f"embedding cache: {path} was not made by colbench; left alone")


def _size(path: Path) -> int:
    files = [path, *path.rglob("*")] if not path.is_symlink() else []
    return sum(file.lstat().st_size for file in files if file.is_file())


def _entry(folder: Path) -> CacheEntry:
    description = _description(folder)
    documents = vectors = 0
    for shard in Space(folder, folder.name).shard_folders():
        try:
            manifest = read_manifest(shard)
        except Damaged:
            continue
        documents += manifest["documents"]
        vectors += manifest["vectors"]
    used = folder / LAST_USED
    modified = (used if used.exists() else folder).stat().st_mtime
    return CacheEntry(
        fingerprint=folder.name,
        name=str(description.get("name", "?")),
        model=str(description.get("model", "?")),
        form=str(description.get("form", "?")),
        precision=str(description.get("precision", "?")),
        documents=documents,
        vectors=vectors,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        last_used=datetime.fromtimestamp(modified, UTC),
        folder=folder,
    )


def _description(folder: Path) -> dict[str, Any]:
    """Return what space.json says; it is for people, so a damaged one is no error."""
    try:
        value = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
