"""Array files of an index: `.npy`, appended to while it is built, mapped when it is searched."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.errors import StorageError


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; "
            "free some space or choose another folder"
        ) from error


def _write_header(stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


class ArrayWriter:
    """Writes an array whose length is not known beforehand.

    numpy leaves room in a header for the first dimension to grow, so it can be put right at the
    end without moving the data.

    Args:
        path: of the `.npy`.
        dtype: of the array.
        row: shape of a row; () for a vector.

    Raises:
        StorageError: here or later: the folder cannot be written or the disk is full.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row: tuple[int, ...] = ()) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._row = row
        self._rows = 0
        with _writing(path):
            self._stream = path.open("wb")
            self._write_header()

    def _write_header(self) -> None:
        _write_header(self._stream, self._dtype, (self._rows, *self._row))

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        if rows.shape[1:] != self._row:
            raise ValueError(f"rows of shape {rows.shape[1:]} do not fit {self._row}")
        with _writing(self._path):
            self._stream.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        self._rows += len(rows)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _writing(self._path), self._stream:
            if kind is None:
                self._stream.seek(0)
                self._write_header()
                self._stream.flush()
                os.fsync(self._stream.fileno())


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a whole array to disk."""
    with ArrayWriter(path, array.dtype, array.shape[1:]) as writer:
        writer.append(array)


@contextlib.contextmanager
def filling(path: Path, dtype: DTypeLike, rows: int) -> Iterator[NDArray[Any]]:
    """Make an array on disk whose elements are written in any order, and map it until the end.

    Its space is taken beforehand: a disk that turned out to be full when a page of the map was
    written would kill the process (SIGBUS).

    Args:
        path: of the `.npy`.
        dtype: of the array.
        rows: its elements, at least one.

    Raises:
        StorageError: the folder cannot be written or the disk is full.
    """
    kind = np.dtype(dtype)
    with _writing(path):
        with path.open("wb") as stream:
            _write_header(stream, kind, (rows,))
            size = stream.tell() + rows * kind.itemsize
            stream.flush()
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, size)
            else:
                stream.truncate(size)
        mapped = np.load(path, mmap_mode="r+", allow_pickle=False)
        yield np.asarray(mapped)
        mapped.flush()


def read_array(path: Path) -> NDArray[Any]:
    """Map an array; nothing is read into memory yet.

    Raises:
        StorageError: the file is missing or no array; one of Python objects is refused.
    """
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StorageError(
            f"{path} is damaged ({str(error).splitlines()[0]}): build the index again"
        ) from error
    # A plain view: numba takes the subclass for a different type, and slicing it is slow.
    array: NDArray[Any] = np.asarray(mapped).view(np.ndarray)
    return array


def smallest_unsigned(values: int) -> np.dtype[Any]:
    """Return uint16 where it can number `values` things, else uint32.

    >>> smallest_unsigned(65_536), smallest_unsigned(65_537)
    (dtype('uint16'), dtype('uint32'))
    """
    return np.dtype(np.uint16 if values <= 1 << 16 else np.uint32)
