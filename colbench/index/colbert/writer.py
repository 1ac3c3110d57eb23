"""Changing an index: add, delete, update, compact.

Every change writes new files beside the old ones and then replaces the manifest, so a crash at any
point leaves the last committed state, and a reader keeps the state it opened. Centroids and buckets
stay those of the build: a collection that has grown to many times its size deserves a new one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError, did_you_mean
from colbench.index.colbert.arrays import write_array
from colbench.index.colbert.documents import Documents, repeated_ids
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.lock import writing
from colbench.index.colbert.manifest import (
    LEFTOVER,
    FileEntry,
    Manifest,
    SegmentEntry,
    file_entry,
    write_manifest,
)
from colbench.index.colbert.segment import Coded, Segment, write_segment
from colbench.paths import remove_made

_ROWS = 65_536


class IndexWriter:
    """The one writer of an index; made by `IndexWriter.open`.

    Attributes:
        index: the state after the last commit, open for reading.
    """

    def __init__(self, index: ColbertIndex) -> None:
        self.index = index

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, *, encoder: str | None = None) -> Iterator[IndexWriter]:
        """Open an index to change it, and hold it against other writers until the block ends.

        Args:
            folder: of the index.
            encoder: fingerprint of the encoder of the documents to come.

        Raises:
            StorageError: another process is writing to it, or it cannot be opened.
            ConfigError: it was built with another encoder.
        """
        ColbertIndex.open(folder, encoder=encoder, checksums=False)
        with writing(folder):
            writer = cls(ColbertIndex.open(folder, encoder=encoder))
            writer._remove_leftovers()
            yield writer

    def add(self, documents: Documents) -> None:
        """Add documents.

        Raises:
            DataError: an id is there already or given twice, vectors are invalid or of another
                number of dimensions. Nothing is added then.
        """
        known = self.index.numbers
        if taken := [doc for doc in documents.ids if doc in known]:
            raise DataError(
                f"document {taken[0]!r} is already in the index: update it, or delete it first"
            )
        with self._change():
            self._commit(deleted=self._deleted(), added=self._segment(documents))

    def delete(self, ids: Sequence[str]) -> None:
        """Delete documents; their space is reclaimed by `compact`.

        Raises:
            DataError: an id is not in the index or given twice. Nothing is deleted then.
        """
        deleted = self._deleted(ids)
        with self._change():
            self._commit(deleted=deleted)

    def update(self, documents: Documents) -> None:
        """Replace documents that are there by new versions, in one commit.

        Raises:
            DataError: an id is not in the index, or the new vectors are invalid. Nothing is changed
                then.
        """
        deleted = self._deleted(documents.ids)
        with self._change():
            self._commit(deleted=deleted, added=self._segment(documents))

    def compact(self) -> None:
        """Rewrite the live documents as one segment, and remove the space of deleted ones."""
        live = (part for segment in self.index.segments for part in _live_parts(segment))
        with self._change():
            update = {"segments": [self._written(live)], "deleted": None}
            self._write(self.index.manifest.model_copy(update=update))

    def _segment(self, documents: Documents) -> SegmentEntry:
        """Write documents as a segment that no manifest names yet."""
        manifest = self.index.manifest
        if documents.dims != manifest.encoder_dims:
            raise DataError(
                f"vectors have {documents.dims} dimensions, the index takes {manifest.encoder_dims}"
            )
        if repeated := repeated_ids(documents.ids):
            raise DataError(f"document id {repeated[0]!r} is given more than once")
        blocks = documents.blocks(manifest.settings.chunk_tokens)
        return self._written(self.index.trained.code(blocks))

    def _written(self, documents: Iterable[Coded]) -> SegmentEntry:
        manifest = self.index.manifest
        return write_segment(
            self.index.folder,
            f"segment-{manifest.change + 1:06d}",
            documents,
            centroids=manifest.centroids,
            width=self.index.trained.width,
            halves=manifest.settings.nbits == 16,
        )

    def _deleted(self, ids: Sequence[str] = ()) -> NDArray[np.int64]:
        """Return the numbers of all documents deleted so far and of those named."""
        if repeated := repeated_ids(ids):
            raise DataError(f"document id {repeated[0]!r} is given more than once")
        known = self.index.numbers
        for doc in ids:
            if doc not in known:
                raise DataError(f"there is no document {doc!r} in the index: {_hint(doc, known)}")
        dead = [segment.base + np.flatnonzero(~segment.live) for segment in self.index.segments]
        new = np.array([known[doc] for doc in ids], dtype=np.int64)
        return np.sort(np.concatenate([*dead, new])).astype(np.int64)

    def _commit(self, *, deleted: NDArray[np.int64], added: SegmentEntry | None = None) -> None:
        manifest = self.index.manifest
        segments = [*manifest.segments, *([added] if added else [])]
        update = {"segments": segments, "deleted": self._write_deleted(deleted)}
        self._write(manifest.model_copy(update=update))

    def _write_deleted(self, deleted: NDArray[np.int64]) -> FileEntry | None:
        if not len(deleted):
            return None
        name = f"deleted-{self.index.manifest.change + 1:06d}.npy"
        write_array(self.index.folder / name, deleted)
        return file_entry(self.index.folder, name)

    def _write(self, manifest: Manifest) -> None:
        later = manifest.model_copy(update={"change": manifest.change + 1})
        write_manifest(self.index.folder, later)
        self._settle()

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """Leave the last committed state behind where a change fails, so that others can follow."""
        try:
            yield
        except BaseException:
            self._settle()
            raise

    def _settle(self) -> None:
        """Take up what is committed on disk, and only that."""
        self.index = ColbertIndex.open(self.index.folder, checksums=False)
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Remove what a change that was interrupted left: files the manifest does not name."""
        manifest = self.index.manifest
        named = {segment.name for segment in manifest.segments}
        if manifest.deleted:
            named.add(manifest.deleted.path)
        for pattern in ("segment-*", "deleted-*.npy", LEFTOVER):
            for path in self.index.folder.glob(pattern):
                if path.name in named:
                    continue
                remove_made(path, inside=self.index.folder)


def _hint(doc: str, known: dict[str, int]) -> str:
    return did_you_mean(doc, known) if len(known) <= 20 else "check the spelling"


def _live_parts(segment: Segment) -> Iterator[Coded]:
    """Yield the live documents of a segment as they are stored, a block at a time."""
    lengths = np.diff(segment.offsets)
    first = 0
    while first < len(segment):
        reach = segment.offsets[first] + _ROWS
        end = max(first + 1, int(np.searchsorted(segment.offsets, reach, side="right")) - 1)
        live = segment.live[first:end]
        rows = np.repeat(live, lengths[first:end])
        span = slice(int(segment.offsets[first]), int(segment.offsets[end]))
        yield Coded(
            [doc for doc, alive in zip(segment.ids[first:end], live, strict=True) if alive],
            lengths[first:end][live],
            segment.codes[span][rows],
            segment.residuals[span][rows],
        )
        first = end
