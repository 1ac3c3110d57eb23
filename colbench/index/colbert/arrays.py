"""Files of an index: arrays (`.npy`) appended to while it is built, and mapped when it is searched.

An index may come from anybody, and its manifest may have been sealed anew: a right checksum says
that nothing was damaged, not that an array is what a kernel may read. So a file is opened once, and
of that descriptor are its length, its type and shape, its checksum, and the map.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.errors import StorageError
from colbench.files import cannot_write
from colbench.index.colbert.manifest import FileEntry
from colbench.mapped import Missing, Unfit, map_array, plain_file

_AT_ONCE = 1 << 20


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say in one line that something cannot be written.

    Raises:
        StorageError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


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
        with writing_to(path):
            self._stream = path.open("wb")
            self._write_header()

    def _write_header(self) -> None:
        _write_header(self._stream, self._dtype, (self._rows, *self._row))

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        if rows.shape[1:] != self._row:
            raise ValueError(f"rows of shape {rows.shape[1:]} do not fit {self._row}")
        with writing_to(self._path):
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
        with writing_to(self._path), self._stream:
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
    with writing_to(path):
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


@contextlib.contextmanager
def belonging(path: Path) -> Iterator[None]:
    """Name the file of an index in which a check of the block finds something wrong.

    Raises:
        StorageError: the block raised `Unfit`.
    """
    try:
        yield
    except Missing:
        raise StorageError(f"{path} is missing from the index: build it again") from None
    except Unfit as error:
        raise StorageError(f"{path} is damaged ({error}): build the index again") from error


def read_array(
    path: Path,
    dtypes: Sequence[DTypeLike],
    shape: Sequence[int | None],
    entry: FileEntry | None = None,
    *,
    checksum: bool = True,
    most: float | None = None,
) -> NDArray[Any]:
    """Map an array once it has passed its checks.

    Args:
        path: of the `.npy`.
        dtypes: those that it may have.
        shape: that it must have; None for a length that may be any.
        entry: what the manifest says of the file; None where no manifest names it yet.
        checksum: compare its sha256 with that of the entry, not its size alone.
        most: the largest absolute value of floats that it may hold, or that its bits stand for:
            anything that is larger, infinite or no number is refused. None to look at none.

    Raises:
        StorageError: the file is missing, no plain file, another array than is wanted, or not what
            the manifest says.
        StorageUnavailable: it cannot be read now.
    """
    with belonging(path), plain_file(path) as stream:
        size = _check_size(stream, entry)
        array = map_array(stream, dtypes, shape)
        sha256 = entry.sha256 if entry and checksum else None
        if sha256 is not None or most is not None:
            _read_through(stream, size - array.nbytes, array.dtype, sha256, most)
        return array


def read_text(path: Path, entry: FileEntry, *, checksum: bool = True) -> str:
    """Read a file of text in UTF-8; arguments and errors as those of `read_array`."""
    with belonging(path), plain_file(path) as stream:
        _check_size(stream, entry)
        content = stream.read()
        if len(content) != entry.bytes:
            raise Unfit(f"{len(content)} bytes, want {entry.bytes}")
        if checksum and hashlib.sha256(content).hexdigest() != entry.sha256:
            raise Unfit("sha256 differs")
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unfit("it is no text in UTF-8") from error


def _check_size(stream: IO[bytes], entry: FileEntry | None) -> int:
    size = os.fstat(stream.fileno()).st_size
    if entry is not None and size != entry.bytes:
        raise Unfit(f"{size} bytes, want {entry.bytes}")
    return size


def _read_through(
    stream: IO[bytes], offset: int, dtype: np.dtype[Any], sha256: str | None, most: float | None
) -> None:
    """Read a file once, a part at a time, to check all of it.

    The map would do, but what is read through a map counts as memory of this process.
    """
    digest = hashlib.sha256()
    stream.seek(0)
    head = stream.read(offset)
    digest.update(head)
    buffer = np.empty(_AT_ONCE, dtype=np.uint8)
    while read := _filled(stream, buffer):
        if sha256 is not None:
            digest.update(buffer[:read].data)
        if most is not None and not within(buffer[: read - read % dtype.itemsize], dtype, most):
            raise Unfit(f"it holds values beyond {most:g}, or what is no number")
    if sha256 is not None and digest.hexdigest() != sha256:
        raise Unfit("sha256 differs")


def _filled(stream: IO[bytes], buffer: NDArray[np.uint8]) -> int:
    """Fill the buffer, unless the file ends before; return how many bytes there are."""
    filled = 0
    while got := stream.readinto(buffer[filled:].data):  # type: ignore[attr-defined]
        filled += got
    return filled


def within(content: NDArray[np.uint8], dtype: np.dtype[Any], most: float) -> bool:
    """Return whether all floats of some bytes are numbers of at most this absolute value.

    Of two floats of one sign the larger has the larger bits, infinity and NaN have larger ones
    still, and the sign is the highest bit. So two maxima of integers tell, without a copy.

    Args:
        content: uint8, the bytes.
        dtype: of two or four bytes; float16 or float32, or the unsigned integers of their bits.
        most: the largest absolute value.

    >>> within(np.array([1, -4], np.float16).view(np.uint8), np.dtype(np.float16), 4)
    True
    >>> within(np.array([0, np.nan], np.float32).view(np.uint8), np.dtype(np.float32), 4)
    False
    """
    kinds = {2: (np.float16, np.uint16, np.int16), 4: (np.float32, np.uint32, np.int32)}
    real, unsigned, signed = kinds[dtype.itemsize]
    bits = int(np.array(most, dtype=real).view(unsigned))
    sign = 1 << (8 * dtype.itemsize - 1)
    positive = int(content.view(signed).max(initial=0))
    negative = int(content.view(unsigned).max(initial=0))
    return positive <= bits and negative <= sign | bits


def smallest_unsigned(values: int) -> np.dtype[Any]:
    """Return uint16 where it can number `values` things, else uint32.

    >>> smallest_unsigned(65_536), smallest_unsigned(65_537)
    (dtype('uint16'), dtype('uint32'))
    """
    return np.dtype(np.uint16 if values <= 1 << 16 else np.uint32)
