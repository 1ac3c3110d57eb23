"""A segment: documents that were added together, as arrays on disk.

    ids.json              document ids
    offsets.npy           int64 (documents + 1,): document i owns tokens offsets[i]:offsets[i + 1]
    codes.npy             uint16 or uint32 (tokens,): centroid of each token
    residuals.npy         uint8 (tokens, dims * nbits / 8), a document is one contiguous read;
                          with nbits=16 the vectors themselves, the bits of float16 (tokens, dims)
    list_centroids.npy    centroids that occur, ascending
    list_offsets.npy      int64: list i is list_docs[list_offsets[i]:list_offsets[i + 1]]
    list_docs.npy         uint16 or uint32: documents of each centroid, ascending

A segment is never changed. Its folder counts only once the manifest names it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.files import write_json
from colbench.index.colbert.arrays import (
    ArrayWriter,
    belonging,
    filling,
    read_array,
    read_text,
    smallest_unsigned,
    write_array,
    writing_to,
)
from colbench.index.colbert.checking import (
    LARGEST,
    check_codes,
    check_lists,
    check_offsets,
    check_rising,
    checked_document_ids,
)
from colbench.index.colbert.kernels.lists import count_listed, fill_lists
from colbench.index.colbert.kernels.tables import StoredTokens
from colbench.index.colbert.manifest import SEGMENT_FILES, SegmentEntry, file_entry
from colbench.mapped import Unfit


@dataclass(frozen=True)
class Segment:
    """Mapped arrays of a segment; attributes are described at the top of the module.

    Attributes:
        folder: where the files lie.
        entry: what the manifest says of it.
        base: number of its first document in the index.
        ids: of its documents.
        live: bool (documents,), false for deleted ones.
    """

    folder: Path
    entry: SegmentEntry
    base: int
    ids: list[str]
    offsets: NDArray[np.int64]
    codes: NDArray[Any]
    residuals: NDArray[Any]
    list_centroids: NDArray[Any]
    list_offsets: NDArray[np.int64]
    list_docs: NDArray[Any]
    live: NDArray[np.bool_]

    @classmethod
    def open(
        cls,
        index: Path,
        entry: SegmentEntry,
        *,
        centroids: int,
        width: int,
        halves: bool,
        checksums: bool = True,
    ) -> Segment:
        """Map a segment all of whose documents are live, once it is known to hold what it should.

        Args:
            index: the index folder.
            entry: what the manifest says.
            centroids: number of centroids.
            width: columns of the residuals.
            halves: they are the bits of float16, not bytes.
            checksums: compare the sha256 of every file, and not its size alone.

        Raises:
            StorageError: a file is missing, or is not what the manifest says, or holds what the
                files of a segment cannot hold.
            StorageUnavailable: a file cannot be read now.
        """
        folder = index / entry.name
        files = {file.path.rpartition("/")[2]: file for file in entry.files}
        with belonging(folder):
            if folder.is_symlink():
                raise Unfit("it is a link")

        def read(name: str, dtypes: Sequence[DTypeLike], *shape: int | None) -> NDArray[Any]:
            file = f"{name}.npy"
            most = LARGEST if name == "residuals" and halves else None
            return read_array(
                folder / file, dtypes, shape, files[file], checksum=checksums, most=most
            )

        documents, tokens = entry.documents, entry.tokens
        of_centroids: list[DTypeLike] = [smallest_unsigned(centroids)]
        if not tokens:  # such a segment may be older than the centroids
            of_centroids = [np.uint16, np.uint32]
        text = read_text(folder / "ids.json", files["ids.json"], checksum=checksums)
        with belonging(folder / "ids.json"):
            ids = checked_document_ids(text, documents)
        offsets = read("offsets", [np.int64], documents + 1)
        codes = read("codes", of_centroids, tokens)
        residuals = read("residuals", [np.uint16 if halves else np.uint8], tokens, width)
        list_centroids = read("list_centroids", of_centroids, None)
        list_offsets = read("list_offsets", [np.int64], len(list_centroids) + 1)
        list_docs = read("list_docs", [smallest_unsigned(documents)], None)
        with belonging(folder / "offsets.npy"):
            check_offsets(offsets, tokens)
        with belonging(folder / "codes.npy"):
            check_codes(codes, centroids)
        with belonging(folder / "list_centroids.npy"):
            check_rising(list_centroids, centroids, "centroids")
        with belonging(folder / "list_offsets.npy"):
            check_offsets(list_offsets, len(list_docs), rising=True)
        with belonging(folder / "list_docs.npy"):
            check_lists(offsets, codes, list_centroids, list_offsets, list_docs, centroids)
        return cls(
            folder=folder,
            entry=entry,
            base=0,
            ids=ids,
            offsets=offsets,
            codes=codes,
            residuals=residuals,
            list_centroids=list_centroids,
            list_offsets=list_offsets,
            list_docs=list_docs,
            live=np.ones(documents, dtype=np.bool_),
        )

    def at(self, base: int, deleted: NDArray[np.int64]) -> Segment:
        """Return the segment in its place in an index.

        Args:
            base: number of its first document.
            deleted: numbers of the deleted documents of the whole index.
        """
        live = np.ones(len(self), dtype=np.bool_)
        own = deleted[(deleted >= base) & (deleted < base + len(live))]
        live[own - base] = False
        return replace(self, base=base, live=live)

    @functools.cached_property
    def tokens(self) -> StoredTokens:
        """What a kernel reads of the documents; without vectors stored whole (nbits=16)."""
        return StoredTokens(self.offsets, self.codes, self.residuals)

    def __len__(self) -> int:
        return len(self.live)


@dataclass(frozen=True)
class Coded:
    """Documents ready to be stored: ids, lengths, centroid numbers and packed residuals."""

    ids: list[str]
    lengths: NDArray[np.int64]
    codes: NDArray[Any]
    residuals: NDArray[Any]


def write_segment(
    index: Path, name: str, documents: Iterable[Coded], *, centroids: int, width: int, halves: bool
) -> SegmentEntry:
    """Write a segment, a block of documents at a time.

    Args:
        index: the index folder.
        name: of the segment's folder, which must not exist.
        documents: what to store.
        centroids: number of centroids.
        width: columns of the residuals.
        halves: they are the bits of float16, not bytes.

    Returns:
        Its entry for the manifest.
    """
    folder = index / name
    with writing_to(folder):
        folder.mkdir()
    ids: list[str] = []
    lengths: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
    stored = np.uint16 if halves else np.uint8
    with (
        ArrayWriter(folder / "codes.npy", smallest_unsigned(centroids)) as codes,
        ArrayWriter(folder / "residuals.npy", stored, (width,)) as residuals,
    ):
        for block in documents:
            ids += block.ids
            lengths.append(block.lengths)
            codes.append(block.codes)
            residuals.append(block.residuals)
    offsets = np.cumsum(np.concatenate(lengths))
    write_array(folder / "offsets.npy", offsets)
    write_json(folder / "ids.json", ids)
    _write_lists(folder, offsets, centroids)
    return SegmentEntry(
        name=name,
        documents=len(ids),
        tokens=int(offsets[-1]),
        files=[file_entry(index, f"{name}/{file}") for file in SEGMENT_FILES],
    )


def _write_lists(folder: Path, offsets: NDArray[np.int64], centroids: int) -> None:
    """Invert the codes; memory grows with centroids, the lists are filled on disk."""
    kind = smallest_unsigned(centroids)
    codes = read_array(folder / "codes.npy", [kind], (int(offsets[-1]),))
    counts = np.zeros(centroids, dtype=np.int64)
    count_listed(offsets, codes, counts)
    used = np.flatnonzero(counts)
    bounds = np.concatenate([[0], np.cumsum(counts[used])]).astype(np.int64)
    write_array(folder / "list_centroids.npy", used.astype(kind))
    write_array(folder / "list_offsets.npy", bounds)
    starts = np.zeros(centroids, dtype=np.int64)
    starts[used] = bounds[:-1]
    kind = smallest_unsigned(len(offsets) - 1)
    path = folder / "list_docs.npy"
    if not bounds[-1]:
        write_array(path, np.empty(0, dtype=kind))
        return
    with filling(path, kind, int(bounds[-1])) as lists:
        fill_lists(offsets, codes, starts, lists)
