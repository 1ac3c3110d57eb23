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
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.files import write_json
from colbench.index.colbert.arrays import (
    ArrayWriter,
    filling,
    read_array,
    smallest_unsigned,
    write_array,
)
from colbench.index.colbert.kernels.lists import count_listed, fill_lists
from colbench.index.colbert.kernels.tables import StoredTokens
from colbench.index.colbert.manifest import SegmentEntry, file_entry

_ARRAYS = ("offsets", "codes", "residuals", "list_centroids", "list_offsets", "list_docs")
_FILES = ("ids.json", *(f"{name}.npy" for name in _ARRAYS))


@dataclass(frozen=True)
class Segment:
    """Mapped arrays of a segment; attributes are described at the top of the module.

    Attributes:
        folder: where the files lie.
        base: number of its first document in the index.
        ids_text: uint8, the bytes of `ids.json`: mapped, so that they stay when a writer removes
            the file.
        live: bool (documents,), false for deleted ones.
    """

    folder: Path
    base: int
    offsets: NDArray[np.int64]
    codes: NDArray[Any]
    residuals: NDArray[Any]
    list_centroids: NDArray[Any]
    list_offsets: NDArray[np.int64]
    list_docs: NDArray[Any]
    ids_text: NDArray[np.uint8]
    live: NDArray[np.bool_]

    @classmethod
    def open(cls, folder: Path, base: int, deleted: NDArray[np.int64]) -> Segment:
        """Map a segment.

        Args:
            folder: of the segment.
            base: number of its first document.
            deleted: numbers of the deleted documents of the whole index.
        """
        arrays = {name: read_array(folder / f"{name}.npy") for name in _ARRAYS}
        documents = len(arrays["offsets"]) - 1
        live = np.ones(documents, dtype=np.bool_)
        own = deleted[(deleted >= base) & (deleted < base + documents)]
        live[own - base] = False
        ids_text = np.memmap(folder / "ids.json", dtype=np.uint8, mode="r")
        return cls(folder=folder, base=base, ids_text=ids_text, live=live, **arrays)

    @functools.cached_property
    def ids(self) -> list[str]:
        """Document ids, read when first asked for."""
        ids: list[str] = json.loads(self.ids_text.tobytes())
        return ids

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
        files=[file_entry(index, f"{name}/{file}") for file in _FILES],
    )


def _write_lists(folder: Path, offsets: NDArray[np.int64], centroids: int) -> None:
    """Invert the codes; memory grows with centroids, the lists are filled on disk."""
    codes = read_array(folder / "codes.npy")
    counts = np.zeros(centroids, dtype=np.int64)
    count_listed(offsets, codes, counts)
    used = np.flatnonzero(counts)
    bounds = np.concatenate([[0], np.cumsum(counts[used])]).astype(np.int64)
    write_array(folder / "list_centroids.npy", used.astype(smallest_unsigned(centroids)))
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
