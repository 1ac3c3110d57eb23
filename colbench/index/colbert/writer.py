"""Changing an index: add, delete, update, compact.

Every change writes new files beside the old ones and then replaces the manifest, so a crash at any
point leaves the last committed state, and a reader keeps the state it opened. Centroids and buckets
stay those of the build until `compact(relearn=True)`; the manifest tells what they come from.

An index has at most sixteen segments: an addition that would make one more is written together
with the last ones, as one segment (`_first_joined`). Documents keep codes, residuals and numbers,
deleted ones theirs as well, so that a search finds the same.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError, StorageError
from colbench.files import unavailable
from colbench.index.colbert import versions
from colbench.index.colbert.arrays import write_array
from colbench.index.colbert.documents import Documents, checked_ids, repeated_ids
from colbench.index.colbert.index import ColbertIndex, check_encoder
from colbench.index.colbert.lock import writing
from colbench.index.colbert.manifest import (
    CODEC,
    LEFTOVER,
    Extent,
    FileEntry,
    Growth,
    Manifest,
    SegmentEntry,
    file_entry,
    read_manifest,
    write_manifest,
)
from colbench.index.colbert.reduction import POOLED, Reduction, pool_documents
from colbench.index.colbert.segment import Coded, write_segment
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.stored import live_parts, stored_documents, together
from colbench.index.colbert.training import CODEC_FILES, Trained, extent_of, train
from colbench.index.colbert.versions import forget, removed_by_pruning
from colbench.paths import remove_made
from colbench.progress import note

MOST_SEGMENTS = 16
"""A search looks into each of them, and opens seven files of each."""

_LARGER = 2
"""A segment is left alone where it is more than this many times as large as what follows it."""


class IndexWriter:
    """The one writer of an index; made by `IndexWriter.open`.

    Attributes:
        index: the state after the last commit, open for reading.
        before_commit: called with the number of each commit when all but the commit is done, so
            that what belongs to it can be written elsewhere; what it raises undoes the change.
    """

    def __init__(self, index: ColbertIndex) -> None:
        self.index = index
        self._said = False
        self._stale = False
        self.before_commit: Callable[[int], None] | None = None
        self._keeps_versions = versions.keeps_versions(index.folder)

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path | str, *, encoder: str | None = None) -> Iterator[IndexWriter]:
        """Open an index to change it, and hold it against other writers until the block ends.

        Args:
            folder: of the index.
            encoder: fingerprint of the encoder of the documents to come.

        Raises:
            StorageError: another process is writing to it, or it cannot be opened.
            ConfigError: it was built with another encoder.
        """
        folder = Path(folder)
        check_encoder(folder, read_manifest(folder), encoder)  # before a lock is left there
        with writing(folder):
            writer = cls(ColbertIndex.open(folder, encoder=encoder))
            writer._remove_leftovers()
            yield writer

    def add(self, documents: Documents) -> Growth:
        """Add documents. An index that holds no token yet learns from them.

        Returns:
            How large the index is beside what it learnt from; once it is `outgrown`, a line on
            standard error says so too.

        Raises:
            DataError: an id is there already or given twice, vectors are invalid or of another
                number of dimensions. Nothing is added then.
        """
        self._refresh()
        self._refuse_taken(documents.ids)
        return self._put(documents, self._deleted())

    def delete(self, ids: Iterable[str]) -> None:
        """Delete documents; their space is reclaimed by `compact`.

        Raises:
            DataError: an id is not in the index, given twice or no string, or one string was given
                for a list of them. Nothing is deleted then.
        """
        self._refresh()
        deleted = self._deleted(checked_ids(ids))
        with self._change():
            segments = self.index.manifest.segments
            self._commit(segments=segments, deleted=deleted, holds=self._left(deleted))

    def update(self, documents: Documents) -> Growth:
        """Replace documents that are there by new versions, in one commit.

        Returns:
            As `add`.

        Raises:
            DataError: an id is not in the index, or the new vectors are invalid. Nothing is changed
                then.
        """
        return self.replace(documents.ids, documents)

    def replace(self, ids: Iterable[str], documents: Documents) -> Growth:
        """Delete documents and add others, in one commit.

        Args:
            ids: of those to delete, or none.
            documents: to add; their ids are in the index only where they are deleted.

        Returns:
            As `add`.

        Raises:
            DataError: an id to delete is not in the index, one to add stays there, or vectors are
                invalid. Nothing is changed then.
        """
        self._refresh()
        gone = checked_ids(ids)
        deleted = self._deleted(gone)
        self._refuse_taken(documents.ids, without=frozenset(gone))
        return self._put(documents, deleted)

    def _refuse_taken(self, ids: Sequence[str], without: Set[str] = frozenset()) -> None:
        known = self.index.numbers
        if taken := [doc for doc in ids if doc in known and doc not in without]:
            raise DataError(
                f"document {taken[0]!r} is already in the index: update it, or delete it first"
            )

    def compact(self, *, relearn: bool = False, originals: Documents | None = None) -> Growth:
        """Rewrite the live documents as one segment, and remove the space of deleted ones.

        Args:
            relearn: also learn centroids and buckets anew, from all live documents. Vectors are
                those that the index keeps, and so are quantised a second time: what the first time
                lost is not regained, and the second loses a little more (overlap with exact MaxSim
                falls by about .01 at 4 bits). It serves documents still to come, and search, by the
                number of centroids. With `nbits=16` nothing is lost. A projection stays the one it
                was, and merged tokens stay merged.
            originals: vectors of live documents as the encoder made them, to relearn from and to
                keep instead of those in the index. Where they are given for all live documents
                nothing is lost, a projection is learnt anew as well, and the new segment is that of
                a new index of these documents. Documents without come first in the new order.

        Returns:
            As `add`.

        Raises:
            DataError: originals of a document that is not in the index, or two of one, or vectors
                that are invalid or of another number of dimensions. Nothing is changed then.
        """
        self._refresh()
        if originals is not None:
            if not relearn:
                raise DataError("original vectors are of use with relearn=True alone")
            self._check_dims(originals)
            self._deleted(originals.ids)  # refuses those that are not there
        with self._change():
            if relearn:
                self._relearn(originals)
            else:
                parts = (part for segment in self.index.segments for part in live_parts(segment))
                segment = self._written(parts, self.index.trained)
                self._replace(segment, self.index.trained, self.index.manifest.codec)
        return self._told()

    def rollback(self, version: int | str) -> None:
        """Return to what an earlier commit held, in a new commit.

        Raises:
            DataError: there is no such version.
            StorageError: the index keeps no versions.
        """
        self._refresh()
        earlier = versions.version_manifest(self.index.folder, version)
        with self._change():
            self._write(earlier.model_copy(update={"change": self.index.manifest.change}))

    def prune(
        self,
        *,
        keep: int | None = None,
        versions: Iterable[int | str] = (),
        named: bool = False,
    ) -> list[int]:
        """Forget earlier commits, and remove what only they held.

        A reader that has one of them open keeps it.

        Args:
            keep: how many of the latest stay; None prunes only those given.
            versions: numbers or names of others to forget.
            named: whether `keep` also forgets those that have a name.

        Returns:
            Their numbers.

        Raises:
            DataError: there is no such version, or the latest is given.
            StorageError: the index keeps no versions.
        """
        self._refresh()
        folder = self.index.folder
        gone = removed_by_pruning(folder, keep=keep, versions=versions, named=named)
        forget(folder, gone)
        self._remove_unnamed()
        return gone

    def _put(self, documents: Documents, deleted: NDArray[np.int64]) -> Growth:
        """Add documents beside deletions in one commit, and say what has become of the index."""
        self._check_dims(documents)
        if repeated := repeated_ids(documents.ids):
            raise DataError(f"document id {repeated[0]!r} is given more than once")
        with self._change():
            trained, manifest = self.index.trained, self.index.manifest
            blocks = documents.blocks(manifest.settings.chunk_tokens)
            if manifest.centroids or not documents.tokens:
                self._add(trained.code(blocks), documents, trained, deleted)
            else:
                documents = self._pooled(documents)
                trained = train(documents, manifest.settings)
                blocks = documents.blocks(manifest.settings.chunk_tokens)
                coded = trained.code(blocks, pooled_already=True)
                self._add(coded, documents, trained, deleted, learnt=trained)
        return self._told()

    def _add(
        self,
        coded: Iterable[Coded],
        documents: Documents,
        trained: Trained,
        deleted: NDArray[np.int64],
        learnt: Trained | None = None,
    ) -> None:
        """Write documents, those of the segments that they are joined with first, and commit."""
        entries = self.index.manifest.segments
        sizes = [entry.documents + entry.tokens for entry in entries]
        kept = _first_joined([*sizes, len(documents.ids) + documents.tokens])
        joined = [live_parts(segment, deleted=True) for segment in self.index.segments[kept:]]
        segment = self._written(itertools.chain(*joined, coded), trained)
        holds = self._left(deleted)
        before = sum(entry.documents for entry in entries[kept:])
        held = sum(entry.tokens for entry in entries[kept:])
        holds = Extent(
            documents=holds.documents + segment.documents - before,
            tokens=holds.tokens + segment.tokens - held,
        )
        self._commit(
            segments=[*entries[:kept], segment], deleted=deleted, holds=holds, learnt=learnt
        )

    def _relearn(self, originals: Documents | None) -> None:
        """Learn from the originals and from what is stored of other documents, and code them."""
        index, settings = self.index, self.index.manifest.settings
        given = frozenset(originals.ids if originals else ())
        documents = stored_documents(index, without=given)
        if originals is not None:
            originals = self._pooled(originals)
        if originals is not None and not documents.ids:
            documents = originals
        elif originals is not None:
            documents = together(documents, _projected(originals, index.trained.reduction))
        if documents is originals:
            coder = trained = _learnt(documents, settings)
        else:  # these vectors are projected already
            coder = _learnt(documents, settings.model_copy(update={"dims": None}))
            trained = replace(coder, settings=settings, reduction=index.trained.reduction)
        blocks = documents.blocks(settings.chunk_tokens)
        segment = self._written(coder.code(blocks, pooled_already=True), trained)
        self._replace(segment, trained, self._saved(trained))

    def _check_dims(self, documents: Documents) -> None:
        want = self.index.manifest.encoder_dims
        if documents.dims != want:
            raise DataError(f"vectors have {documents.dims} dimensions, the index takes {want}")

    def _pooled(self, documents: Documents) -> Documents:
        """Return documents with tokens merged, for learning reads them twice."""
        pooling = self.index.manifest.settings.pooling
        if documents.pooling == pooling:
            return documents
        return pool_documents(documents, pooling, self.index.folder / POOLED)

    def _written(self, documents: Iterable[Coded], trained: Trained) -> SegmentEntry:
        """Write documents as a segment that no manifest names yet."""
        manifest, folder = self.index.manifest, self.index.folder
        name = f"segment-{manifest.change + 1:06d}"
        remove_made(folder / name, inside=folder)  # of a change that could not be cleared away
        return write_segment(
            folder,
            name,
            documents,
            centroids=len(trained.codec.centroids),
            width=trained.width,
            halves=manifest.settings.nbits == 16,
        )

    def _saved(self, trained: Trained) -> list[FileEntry]:
        """Write what was learnt beside what was learnt before."""
        if not len(trained.codec.centroids):
            return []
        return trained.save(self.index.folder, f"-{self.index.manifest.change + 1:06d}")

    def _deleted(self, ids: Sequence[str] = ()) -> NDArray[np.int64]:
        """Return the numbers of all documents deleted so far and of those named."""
        if repeated := repeated_ids(ids):
            raise DataError(f"document id {repeated[0]!r} is given more than once")
        new = self.index.numbers_of(ids)
        dead = [segment.base + np.flatnonzero(~segment.live) for segment in self.index.segments]
        return np.sort(np.concatenate([*dead, new])).astype(np.int64)

    def _commit(
        self,
        *,
        segments: list[SegmentEntry],
        deleted: NDArray[np.int64],
        holds: Extent,
        learnt: Trained | None = None,
    ) -> None:
        manifest = self.index.manifest
        update: dict[str, Any] = {"segments": segments, "deleted": self._write_deleted(deleted)}
        if learnt is not None:
            update |= {"codec": self._saved(learnt), "centroids": len(learnt.codec.centroids)}
        trained = learnt or self.index.trained
        update["growth"] = Growth.between(trained.learnt, holds)
        self._write(manifest.model_copy(update=update))

    def _replace(self, segment: SegmentEntry, trained: Trained, codec: list[FileEntry]) -> None:
        """Commit a segment and a codec in place of all there is."""
        holds = Extent(documents=segment.documents, tokens=segment.tokens)
        update = {
            "segments": [segment],
            "deleted": None,
            "codec": codec,
            "centroids": len(trained.codec.centroids),
            "growth": Growth.between(trained.learnt, holds),
        }
        self._write(self.index.manifest.model_copy(update=update))

    def _left(self, deleted: NDArray[np.int64]) -> Extent:
        """Return what is left of the documents without those of these numbers."""
        lengths = [np.diff(segment.offsets) for segment in self.index.segments]
        return extent_of(np.delete(np.concatenate(lengths), deleted))

    def _write_deleted(self, deleted: NDArray[np.int64]) -> FileEntry | None:
        if not len(deleted):
            return None
        name = f"deleted-{self.index.manifest.change + 1:06d}.npy"
        write_array(self.index.folder / name, deleted)
        return file_entry(self.index.folder, name)

    def _write(self, manifest: Manifest) -> None:
        later = manifest.model_copy(update={"change": manifest.change + 1})
        if self._keeps_versions:
            versions.record(self.index.folder, later)
        if self.before_commit is not None:
            self.before_commit(later.change)
        self._stale = True
        write_manifest(self.index.folder, later)
        self._settle()

    def _refresh(self) -> None:
        """Take up a change that was committed, and could not be opened then."""
        if self._stale:
            self._settle()

    def _told(self) -> Growth:
        """Return how much the index has grown, and say so the first time that it is too much."""
        growth = self.index.manifest.growth
        assert growth is not None  # of every commit of a writer
        if growth.outgrown and not self._said:
            note(
                f"the index in {self.index.folder} holds {growth.holds.tokens:,} tokens, "
                f"{growth.holds.tokens / growth.learnt.tokens:,.0f} times the "
                f"{growth.learnt.tokens:,} that its centroids were learnt from: "
                "compact(relearn=True) learns them anew, best with originals"
            )
        self._said = growth.outgrown
        return growth

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
        self.index = self.index.reopened()
        self._stale = False
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        """Remove what a change that was interrupted left: files the manifest does not name.

        Where versions are kept, earlier manifests name files too. What none of them names has the
        number of a commit that did not come.
        """
        folder, manifest = self.index.folder, self.index.manifest
        named = manifest.named()
        if not self._keeps_versions:
            self._remove_made(lambda name: name not in named)
            return
        versions.forget_interrupted(folder, manifest.change)
        self._remove_made(lambda name: (_number(name) or _NEVER) > manifest.change)

    def _remove_unnamed(self) -> None:
        """Remove what no version names."""
        folder = self.index.folder
        named = self.index.manifest.named()
        for number in versions.numbers(folder):
            named |= versions.version_manifest(folder, number).named()
        self._remove_made(lambda name: name not in named)

    def _remove_made(self, unwanted: Callable[[str], bool]) -> None:
        folder = self.index.folder
        try:
            found = sorted(folder.iterdir())
        except OSError as error:
            raise unavailable(folder, error) or StorageError(f"{folder} is gone") from error
        for path in found:
            made = any(fnmatchcase(path.name, pattern) for pattern in _MADE)
            if made and unwanted(path.name):
                remove_made(path, inside=folder)


_NEVER = 1 << 62


def _number(name: str) -> int | None:
    """Return the number of the commit that a file was made for; 1 for one of the build.

    >>> [_number(name) for name in ("segment-000007", "buckets.npy", ".index.json.x.tmp")]
    [7, 1, None]
    """
    if name in _OF_THE_BUILD:
        return 1
    found = re.fullmatch(r"[a-z]+-([0-9]{6,16})(?:\.npy)?", name)
    return int(found[1]) if found else None


_OF_THE_BUILD = tuple(f"{name}.npy" for name in CODEC)


_MADE = ("segment-*", "deleted-*.npy", *CODEC_FILES, f"{POOLED}*", LEFTOVER)
"""Patterns of what changes leave in an index."""


def _first_joined(sizes: Sequence[int]) -> int:
    """Return the segment from which on all become one.

    None do as long as there are no more than there may be. Otherwise those at the end do, as far
    back as each is at most twice as large as all that follow it. So a document is written again
    only where its segment becomes half as large again: of many small additions each is written a
    number of times that grows with the logarithm of theirs.

    Args:
        sizes: documents and tokens of each segment, the new one last.

    >>> _first_joined([1000, *[1] * 15])
    15
    >>> _first_joined([1000, *[1] * 16])
    1
    >>> _first_joined([1000, 400, *[1] * 15])
    2
    """
    first = len(sizes) - 1
    if first < MOST_SEGMENTS:
        return first
    following = sizes[first]
    while first and (first >= MOST_SEGMENTS or sizes[first - 1] <= _LARGER * following):
        first -= 1
        following += sizes[first]
    return first


def _learnt(documents: Documents, settings: IndexSettings) -> Trained:
    if not documents.tokens:
        return Trained.unlearnt(settings, documents.dims)
    return train(documents, settings)


def _projected(documents: Documents, reduction: Reduction) -> Documents:
    """Return documents in the dimensions of an index."""
    if reduction.projection is None:
        return documents

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        first = 0
        for block in documents.blocks(most):
            yield first, first + len(block.ids), reduction.vectors(block.vectors)
            first += len(block.ids)

    return replace(documents, dims=reduction.projection.shape[1], read=read)
