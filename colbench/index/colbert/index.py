"""An index opened for reading: mapped segments, and the codec they share."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError
from colbench.index.colbert.arrays import read_array
from colbench.index.colbert.kernels.tables import ByteTables, byte_tables
from colbench.index.colbert.manifest import (
    FILE_NAME,
    Extent,
    Manifest,
    read_manifest,
    verify_files,
)
from colbench.index.colbert.segment import Segment
from colbench.index.colbert.training import Trained
from colbench.index.size import IndexSize


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
        cls, folder: Path | str, *, encoder: str | None = None, checksums: bool = True
    ) -> ColbertIndex:
        """Open an index; its arrays are mapped, not read into memory.

        Args:
            folder: of the index.
            encoder: fingerprint of the encoder that will make the queries; None if it is not known.
            checksums: compare the sha256 of every file, and not its size alone.

        Raises:
            StorageError: there is none, it is half-written, damaged, foreign or of a newer version.
            ConfigError: it was built with another encoder.
        """
        folder = Path(folder)
        for last in (False, True):
            manifest = read_manifest(folder)
            try:
                verify_files(folder, manifest, checksums=checksums)
                return cls._map(folder, manifest, encoder)
            except Exception:
                # A writer may have compacted the index between the two reads; then its manifest
                # has changed and the new one is whole.
                if last or read_manifest(folder).change == manifest.change:
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def _map(cls, folder: Path, manifest: Manifest, encoder: str | None) -> ColbertIndex:
        if encoder is not None and encoder != manifest.encoder:
            raise ConfigError(
                f"the index in {folder} was built with another encoder (fingerprint "
                f"{manifest.encoder[:12]}, want {encoder[:12]}): build it again with this one"
            )
        deleted = (
            read_array(folder / manifest.deleted.path)
            if manifest.deleted
            else np.empty(0, dtype=np.int64)
        )
        segments = []
        base = 0
        for entry in manifest.segments:
            segments.append(Segment.open(folder / entry.name, base, deleted))
            base += entry.documents
        return cls(folder, manifest, Trained.load(folder, manifest), segments)

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

    @property
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
