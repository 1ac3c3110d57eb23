"""Token vectors that came with a collection: where they lie, and reading them piece by piece."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.collection.vectors.tensors import BFLOAT16, StoredArray
from colbench.errors import StorageError
from colbench.vectors import Vectors

FileState = tuple[int, int]
"""Size in bytes, and time of the last change in nanoseconds."""


class QueryText(str):
    """The text of a query that knows which query it is of: two may have one text.

    Where no texts are given the id stands for the text.
    """

    query_id: str

    def __new__(cls, text: str, query_id: str) -> QueryText:
        """Make the text of a query."""
        made = super().__new__(cls, text)
        made.query_id = query_id
        return made


@dataclass(frozen=True)
class TokenVectors:
    """The vectors of documents or of queries, in their order.

    Attributes:
        values: (vectors, dims) in a file, those of one text one after the other.
        starts: int64 (texts,), row of each text's first vector.
        lengths: int64 (texts,), vectors of each text.
        sha256: of values, lengths and ids of the whole file.
        state: of the file when it was checked.
        normalize: whether rows are scaled to length 1 as they are read.
    """

    values: StoredArray
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    sha256: str
    state: FileState
    normalize: bool = False

    @property
    def dims(self) -> int:
        """Columns of every vector."""
        return self.values.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What rows are read as: float16 where they are stored as that, else float32."""
        half = self.values.dtype == "<f2" and not self.normalize
        return np.dtype(np.float16 if half else np.float32)

    @property
    def precision(self) -> str:
        """How they are stored: fp16, bf16 or fp32."""
        return {"<f2": "fp16", BFLOAT16: "bf16"}.get(self.values.dtype, "fp32")

    def select(self, places: Sequence[int] | NDArray[np.int64]) -> TokenVectors:
        """Return those of some texts, in the order given."""
        kept = np.asarray(places, dtype=np.int64)
        return replace(self, starts=self.starts[kept], lengths=self.lengths[kept])

    def open(self) -> Rows:
        """Map the file.

        Raises:
            StorageError: it is gone, or was changed since it was checked.
        """
        if file_state(self.values.file) != self.state:
            raise StorageError(
                f"{self.values.file} was changed since the collection was checked: run again"
            )
        return Rows(self.values.map(), self.values.dtype, normalize=self.normalize)

    def blocks(self, most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (first text, end text, their vectors), of `most` vectors or of a single text."""
        rows, first = self.open(), 0
        while first < len(self.lengths):
            ends = np.cumsum(self.lengths[first : first + max(1, most)])
            end = first + max(1, int(np.searchsorted(ends, most, side="right")))
            block = self._gather(rows, first, end)
            rows.forget()
            yield first, end, block
            first = end

    def _gather(self, rows: Rows, first: int, end: int) -> NDArray[Any]:
        starts, lengths = self.starts[first:end], self.lengths[first:end]
        if (starts[1:] == starts[:-1] + lengths[:-1]).all():  # as they lie in the file
            return rows[int(starts[0]) : int(starts[-1] + lengths[-1])]
        ends = starts + lengths
        parts = [rows[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return np.concatenate(parts)


class Rows:
    """Rows of a file as numbers: slices are copies in float16 or float32."""

    def __init__(self, stored: NDArray[Any], dtype: str, *, normalize: bool = False) -> None:
        self.stored, self._dtype, self._normalize = stored, dtype, normalize

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows."""
        values = numbers(self.stored[rows], self._dtype)
        return unit_rows(values) if self._normalize else values

    def forget(self) -> None:
        """Tell the system that mapped pages may go, so that a pass stays in little memory."""
        mapped = getattr(self.stored, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def numbers(stored: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return stored elements as float16, or as float32, which holds every bfloat16.

    >>> numbers(np.array([0x3F80, 0xC000], dtype="<u2"), "bfloat16").tolist()
    [1.0, -2.0]
    """
    if dtype == BFLOAT16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return np.array(stored, dtype=np.float16 if dtype == "<f2" else np.float32)


def unit_rows(values: NDArray[Any]) -> Vectors:
    """Return rows of length 1, float32.

    >>> unit_rows(np.array([[3.0, 4.0]])).round(3).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    wide = values.astype(np.float64)
    unit: Vectors = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def file_state(path: Path) -> FileState:
    """Return what tells whether a file was changed.

    Raises:
        StorageError: it is not there.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class GivenVectors:
    """What a collection brings in place of what an encoder would make of its texts.

    Attributes:
        documents: in the order of the collection's.
        queries: likewise.
        has_texts: whether every document and every query has its text, too.
    """

    documents: TokenVectors
    queries: TokenVectors
    has_texts: bool = False
