"""An index opened for reading: mapped segments, and the codec they share."""

from __future__ import annotations

import bisect
import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError, DataError, StorageError, StorageUnavailable, did_you_mean
from colbench.index.colbert.arrays import belonging, read_array
from colbench.index.colbert.checking import check_rising, repeated
from colbench.index.colbert.kernels.tables import ByteTables, byte_tables
from colbench.index.colbert.manifest import (
    FILE_NAME,
    Extent,
    Growth,
    Manifest,
    read_manifest,
)
from colbench.index.colbert.segment import Segment
from colbench.index.colbert.training import Trained
from colbench.index.colbert.versions import number_of, version_manifest
from colbench.index.size import IndexSize
from colbench.mapped import Unfit

_PAUSES = [0.001 * 1.1**attempt for attempt in range(40)]
"""Seconds before an index is opened again that was changed meanwhile, half a second together."""


def check_encoder(folder: Path, manifest: Manifest, encoder: str | None) -> None:
    """Refuse an index that was built with another encoder than the one wanted, if that is known.

    Raises:
        ConfigError: it was.
    """
    if encoder is not None and encoder != manifest.encoder:
        raise ConfigError(
            f"the index in {folder} was built with another encoder (fingerprint "
            f"{manifest.encoder[:12]}, want {encoder[:12]}): build it again with this one"
        )


@dataclass(frozen=True)
class ColbertIndex:
    """One committed state of an index. Later changes by a writer are not seen; open it again.

    Documents have numbers: 0, 1, … in the order they were added. A number is never given to another
    document before a compaction.

    Attributes:
        folder: where it lies.
        manifest: what it is made of.
        trained: reduction, centroids and buckets.
        segments: the documents.
    """

    folder: Path
    manifest: Manifest
    trained: Trained
    segments: Sequence[Segment]

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        encoder: str | None = None,
        version: int | str | None = None,
        checksums: bool = True,
    ) -> ColbertIndex:
        """Open an index; its arrays are mapped, not read into memory.

        Args:
            folder: of the index.
            encoder: fingerprint of the encoder that will make the queries; None if it is not known.
            version: number or name of an earlier commit, where the index keeps them; None opens
                the last one.
            checksums: compare the sha256 of every file, and not its size alone.

        Raises:
            StorageError: there is none, it is half-written, damaged, foreign or of a newer version,
                or holds what no index can hold.
            StorageUnavailable: it cannot be read now, and may be whole.
            ConfigError: it was built with another encoder.
            DataError: there is no such version.
        """
        if version is not None:
            return cls._open_version(Path(folder), version, encoder, checksums=checksums)
        opened: list[Segment] = []
        for pause in _PAUSES:
            manifest = read_manifest(Path(folder))
            try:
                return cls._map(Path(folder), manifest, encoder, opened, checksums=checksums)
            except StorageUnavailable:
                raise
            except StorageError:
                # A writer may have committed meanwhile, and removed what is no longer used; then
                # the manifest is another one, and the index that it describes is whole.
                if read_manifest(Path(folder)).checksum == manifest.checksum:
                    raise
            time.sleep(pause)
        raise StorageUnavailable(
            f"the index in {folder} was changed {len(_PAUSES)} times while it was opened: "
            "open it again when its writer rests"
        )

    @classmethod
    def _open_version(
        cls, folder: Path, version: int | str, encoder: str | None, *, checksums: bool
    ) -> ColbertIndex:
        manifest = version_manifest(folder, version)
        try:
            return cls._map(folder, manifest, encoder, [], checksums=checksums)
        except StorageUnavailable:
            raise
        except StorageError:
            number_of(folder, version)  # refuses what was pruned meanwhile
            raise

    def reopened(self) -> ColbertIndex:
        """Open what is committed now; segments that are open already are not read again.

        Raises:
            StorageError: it cannot be opened.
        """
        manifest = read_manifest(self.folder)
        return self._map(self.folder, manifest, None, list(self.segments), checksums=False)

    @classmethod
    def _map(
        cls,
        folder: Path,
        manifest: Manifest,
        encoder: str | None,
        opened: list[Segment],
        *,
        checksums: bool,
    ) -> ColbertIndex:
        """Open what a manifest names; segments among those opened before are not read again.

        Their files never change, so that an equal entry is of the same content. Those opened now
        are added to them.
        """
        check_encoder(folder, manifest, encoder)
        entry, file = manifest.deleted, folder
        deleted = np.empty(0, dtype=np.int64)
        if entry is not None:
            file = folder / entry.path
            deleted = read_array(file, [np.int64], [None], entry, checksum=checksums)
        trained = Trained.load(folder, manifest, checksums=checksums)
        segments = []
        base = 0
        for segment_entry in manifest.segments:
            segment = next((known for known in opened if known.entry == segment_entry), None)
            if segment is None:
                segment = Segment.open(
                    folder,
                    segment_entry,
                    centroids=manifest.centroids,
                    width=trained.width,
                    halves=manifest.settings.nbits == 16,
                    checksums=checksums,
                )
                opened.append(segment)
            segments.append(segment.at(base, deleted))
            base += len(segment)
        with belonging(file):
            check_rising(deleted, base, "documents")
        index = cls(folder, manifest, trained, segments)
        index._check_whole()
        return index

    def _check_whole(self) -> None:
        """Check what is said of all segments together."""
        live = (
            doc
            for segment in self.segments
            for doc, alive in zip(segment.ids, segment.live.tolist(), strict=True)
            if alive
        )
        with belonging(self.folder / FILE_NAME):
            if repeated(live, self.live_documents):
                raise Unfit("a document id occurs twice")
            growth = self.manifest.growth
            if growth is not None and growth != Growth.between(growth.learnt, self.holds):
                raise Unfit("it holds other documents than it says")

    @functools.cached_property
    def byte_tables(self) -> ByteTables:
        """The codec as bytes, made at the first search that needs it and shared by all."""
        return byte_tables(self.trained.codec)

    @property
    def documents(self) -> int:
        """Number of document numbers in use, deleted ones included."""
        return sum(len(segment) for segment in self.segments)

    @property
    def live_documents(self) -> int:
        """Number of documents a search can find."""
        return int(sum(segment.live.sum() for segment in self.segments))

    @functools.cached_property
    def holds(self) -> Extent:
        """Documents that a search can find, and their tokens."""
        tokens = [np.diff(segment.offsets)[segment.live].sum() for segment in self.segments]
        return Extent(documents=self.live_documents, tokens=int(sum(tokens)))

    @functools.cached_property
    def numbers(self) -> dict[str, int]:
        """Number of each live document by its id."""
        return {
            doc: segment.base + local
            for segment in self.segments
            for local, doc in enumerate(segment.ids)
            if segment.live[local]
        }

    def numbers_of(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the numbers of live documents.

        Raises:
            DataError: an id is not in the index.
        """
        known = self.numbers
        try:
            return np.array([known[doc] for doc in ids], dtype=np.int64)
        except KeyError as missing:
            doc = missing.args[0]
            hint = did_you_mean(doc, known) if len(known) <= 20 else "check the spelling"
            raise DataError(f"there is no document {doc!r} in the index: {hint}") from None

    @functools.cached_property
    def _bases(self) -> list[int]:
        return [segment.base for segment in self.segments]

    def doc_id(self, number: int) -> str:
        """Return the id of a document."""
        segment = self.segments[bisect.bisect_right(self._bases, number) - 1]
        return segment.ids[number - segment.base]

    def parts(self, docs: NDArray[np.int64]) -> list[tuple[Segment, NDArray[np.int64]]]:
        """Split ascending document numbers by segment; the numbers become local to it."""
        if len(self.segments) == 1:
            return [(self.segments[0], docs)]
        cuts = np.searchsorted(docs, [*self._bases, self.documents])
        return [
            (segment, docs[start:end] - segment.base)
            for segment, start, end in zip(self.segments, cuts, cuts[1:], strict=False)
            if end > start
        ]

    def size(self) -> IndexSize:
        """Bytes by file; `vector_bytes` are those of codes, residuals and lists.

        The centroids are apart: they grow with the square root of the tokens.
        """
        files = {entry.path: entry.bytes for entry in self.manifest.files()}
        files[FILE_NAME] = (self.folder / FILE_NAME).stat().st_size
        stored = ("codes.npy", "residuals.npy", "list_docs.npy")
        vector_bytes = sum(n for path, n in files.items() if path.endswith(stored))
        own = sum(segment.codes.nbytes + segment.residuals.nbytes for segment in self.segments)
        return IndexSize(
            vectors=sum(entry.tokens for entry in self.manifest.segments),
            dims=self.manifest.dims,
            vector_bytes=vector_bytes,
            files=files,
            fixed_bytes=vector_bytes - own,
        )
