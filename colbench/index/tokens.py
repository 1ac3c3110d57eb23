"""Token vectors of a collection on disk: what exact search reads.

Two files: `vectors.f16`, raw little-endian float16 rows in document order, and `offsets.npy`,
int64, where document i owns rows offsets[i] to offsets[i + 1]. With int8 precision `vectors.i8`
takes the place of `vectors.f16`: rows hold the values of a unit vector, which lie in [-1, 1], times
127 and rounded, and nothing is calibrated to the collection.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colbench.errors import StorageError
from colbench.files import atomic_write, write_npy
from colbench.index.size import IndexSize
from colbench.mapped import Unfit, map_array, plain_file

Precision = Literal["fp16", "int8"]

_VECTORS: dict[Precision, str] = {"fp16": "vectors.f16", "int8": "vectors.i8"}
_DTYPES: dict[Precision, str] = {"fp16": "<f2", "int8": "i1"}
_OFFSETS = "offsets.npy"
LEVELS = 127.0
"""What the value 1 is stored as in int8."""


@dataclass(frozen=True)
class TokenIndex:
    """Memory-mapped token vectors.

    Attributes:
        vectors: float16 or int8, shape (tokens, dims), read from disk as it is touched; `widen`
            gives their values.
        offsets: int64, shape (documents + 1,).
        folder: where the files lie.
    """

    vectors: NDArray[Any]
    offsets: NDArray[np.int64]
    folder: Path

    @classmethod
    def write(
        cls,
        folder: Path,
        lengths: NDArray[np.int64],
        dims: int,
        blocks: Iterable[NDArray[np.floating]],
        precision: Precision = "fp16",
    ) -> TokenIndex:
        """Write an index and open it.

        Args:
            folder: made where missing.
            lengths: tokens of each document, shape (documents,).
            dims: dimensions of a vector.
            blocks: consecutive slices of the (tokens, dims) matrix, any float dtype.
            precision: fp16, or int8 for values in [-1, 1]; what lies outside is cut off.

        Raises:
            ValueError: the blocks hold another number of rows than `lengths` promises.
        """
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = 0
        with atomic_write(folder / _VECTORS[precision], "wb") as stream:
            for block in blocks:
                rows += len(block)
                stream.write(_narrow(block, precision).tobytes())
        if rows != offsets[-1]:
            raise ValueError(f"{rows} vectors were given for documents of {offsets[-1]} tokens")
        write_npy(folder / _OFFSETS, offsets)
        return cls.open(folder, dims, precision)

    @classmethod
    def open(cls, folder: Path, dims: int, precision: Precision = "fp16") -> TokenIndex:
        """Map an index written by `write`; of the vectors nothing is read into memory yet.

        Raises:
            StorageError: a file is missing or no plain file, the offsets are none, or the vectors
                are not as many as they say.
            StorageUnavailable: a file cannot be read now.
        """
        file = folder / _OFFSETS
        try:
            with plain_file(file) as stream:
                offsets = np.array(map_array(stream, [np.int64], [None]))
            if not len(offsets) or offsets[0] != 0 or (offsets[1:] < offsets[:-1]).any():
                raise Unfit("it holds no offsets")
            shape = (int(offsets[-1]), dims)
            file, kind = folder / _VECTORS[precision], np.dtype(_DTYPES[precision])
            with plain_file(file) as stream:
                size, wanted = os.fstat(stream.fileno()).st_size, math.prod(shape) * kind.itemsize
                if size != wanted:
                    raise Unfit(f"{size} bytes, want {wanted}")
                if not wanted:
                    return cls(np.empty(shape, dtype=kind), offsets, folder)
                return cls(np.memmap(stream, dtype=kind, mode="r", shape=shape), offsets, folder)
        except Unfit as error:
            raise StorageError(f"{file} is damaged ({error}): run again to write it anew") from None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dims(self) -> int:
        """Dimensions of a vector."""
        return int(self.vectors.shape[1])

    @property
    def tokens(self) -> int:
        """Stored vectors."""
        return int(self.offsets[-1])

    def gather(
        self, docs: Sequence[int] | NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Copy the vectors of some documents, in the order given.

        Returns:
            (rows, offsets): float16 or int8 (tokens, dims) and int64 (len(docs) + 1,).
        """
        spans = [(int(self.offsets[doc]), int(self.offsets[doc + 1])) for doc in docs]
        offsets = np.concatenate([[0], np.cumsum([end - start for start, end in spans])])
        rows = np.empty((int(offsets[-1]), self.dims), dtype=self.vectors.dtype)
        for (start, end), at in zip(spans, offsets, strict=False):
            rows[at : at + end - start] = self.vectors[start:end]
        return rows, offsets.astype(np.int64)

    def forget_pages(self) -> None:
        """Tell the system that mapped pages may go, so that a full scan stays in little memory."""
        mapped = getattr(self.vectors, "_mmap", None)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)

    def size(self) -> IndexSize:
        """Bytes by file."""
        payload = self.vectors.nbytes
        return IndexSize.of_folder(
            self.folder, vectors=self.tokens, dims=self.dims, payload=payload
        )


def _narrow(block: NDArray[np.floating], precision: Precision) -> NDArray[Any]:
    """Return rows as they are stored."""
    if precision == "fp16":
        return np.ascontiguousarray(block, dtype="<f2")
    levels = np.rint(block.astype(np.float32) * LEVELS).clip(-LEVELS, LEVELS)
    narrow: NDArray[np.int8] = levels.astype(np.int8)
    return narrow


def widen(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return the values of stored rows: float16 as they are, int8 over 127.

    >>> widen(np.array([[127, 0]], dtype=np.int8)).tolist()
    [[1.0, 0.0]]
    """
    values = rows.astype(np.float32)
    if rows.dtype == np.int8:
        values /= np.float32(LEVELS)
    return values
