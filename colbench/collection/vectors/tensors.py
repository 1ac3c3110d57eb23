"""Where arrays lie in `.safetensors` and `.npy` files, so that they can be read piece by piece.

Only headers are read here: nothing is unpickled, and no array is loaded. The header of a
safetensors file is eight bytes of length and that much JSON; it is read here because the library
gives bfloat16 to torch alone, and no place in the file at all, which a memory map needs
(https://huggingface.co/docs/safetensors/index#format).
"""

from __future__ import annotations

import json
import math
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError, StorageError

_LARGEST_HEADER = 1 << 20
"""Bytes of a header that are read; one of a few arrays has some hundred."""
_LARGEST_NPY_HEADER = 10_000

_SAFETENSORS = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BF16": "bfloat16",
    "I8": "|i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "|u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
}
BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, not read yet.

    Attributes:
        file: where it lies.
        offset: of its first byte.
        dtype: as numpy writes it, such as `<f2`; `bfloat16`, which numpy lacks.
        shape: of it, in C order.
    """

    file: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def stored(self) -> np.dtype[Any]:
        """The type of its elements as bytes; of bfloat16 `<u2`."""
        return np.dtype("<u2" if self.dtype == BFLOAT16 else self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of it."""
        return math.prod(self.shape) * self.stored.itemsize

    def map(self) -> NDArray[Any]:
        """Return it as a memory map of `stored` elements; an empty one is no map."""
        if not math.prod(self.shape):
            return np.empty(self.shape, dtype=self.stored)
        try:
            return np.memmap(
                self.file, dtype=self.stored, mode="r", offset=self.offset, shape=self.shape
            )
        except (OSError, ValueError) as error:
            raise StorageError(f"cannot read {self.file}: {error}") from error

    def read(self) -> NDArray[Any]:
        """Read all of it."""
        return np.array(self.map())


@contextmanager
def regular_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, whatever its name stands for: a pipe is not waited for.

    Raises:
        StorageError: it is no regular file, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StorageError(f"{path} is no regular file: put the data itself there")
    with os.fdopen(descriptor, "rb") as stream:
        try:
            yield stream
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def read_safetensors(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of a safetensors file by their names.

    Raises:
        DataError: its header is not valid, too large, or promises other bytes than there are.
        StorageError: the file cannot be read.
    """
    with regular_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise DataError(f"{path} is no safetensors file, or its end is missing: write it again")
        if length > _LARGEST_HEADER:
            raise DataError(
                f"{path}: its header has {length:,} bytes, where {_LARGEST_HEADER:,} is the most: "
                "keep values, lengths and ids in it, and nothing else"
            )
        header = stream.read(length)
    try:
        entries = json.loads(header, object_pairs_hook=_once)
        if not isinstance(entries, dict):
            raise ValueError("no JSON object")
        entries.pop("__metadata__", None)
        found = {name: _entry(path, 8 + length, entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = str(error) if type(error) is ValueError else "it is not as the format says"
        raise DataError(f"{path}: its header is not valid: {told}") from error
    _check_places(path, found, 8 + length, size)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) < len(pairs):
        raise ValueError("a name stands twice in it")
    return entry


def _entry(path: Path, data: int, entry: dict[str, Any]) -> StoredArray:
    shape, (begin, end) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in (*shape, begin, end)):
        raise ValueError("sizes and places must be whole numbers")
    dtype = _SAFETENSORS.get(entry["dtype"])
    if dtype is None:
        raise ValueError(f"the type {str(entry['dtype'])[:20]!r} is none that is read here")
    array = StoredArray(path, data + begin, dtype, tuple(shape))
    if array.nbytes != end - begin:
        raise ValueError(f"{end - begin:,} bytes are given for an array of {array.nbytes:,}")
    return array


def _check_places(path: Path, found: dict[str, StoredArray], data: int, size: int) -> None:
    """Refuse arrays that overlap, leave holes, or lie beyond the end."""
    at = data
    for array in sorted(found.values(), key=lambda one: (one.offset, one.nbytes)):
        if array.offset != at:
            raise DataError(f"{path}: its header is not valid: arrays overlap or leave holes")
        at += array.nbytes
    if at > size:
        raise DataError(f"{path}: {at - size:,} bytes at its end are missing: write it again")
    if at < size:
        raise DataError(f"{path}: {size - at:,} bytes at its end belong to no array")


def read_npy(path: Path) -> StoredArray:
    """Return the array of a `.npy` file.

    Raises:
        DataError: it is none, its end is missing, or it is of objects, in Fortran order or with
            the bytes of its numbers swapped.
        StorageError: the file cannot be read.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with regular_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            version = np.lib.format.read_magic(stream)
            if version not in readers:
                raise ValueError(f"version {version} of the format is none that is read here")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shape, fortran, dtype = readers[version](
                    stream, max_header_size=_LARGEST_NPY_HEADER
                )
        except Exception as error:  # numpy parses Python here, and lets through what that raises
            told = " ".join(str(error).split())
            raise DataError(f"{path} is no .npy file that can be read: {told[:200]}") from error
        offset = stream.tell()
    if dtype.hasobject:
        raise DataError(f"{path} holds Python objects, which are never loaded: write plain numbers")
    if dtype.names or dtype.subdtype:
        raise DataError(f"{path} holds records: write plain numbers")
    if dtype.str.startswith(">"):
        raise DataError(
            f"{path} is big-endian ({dtype.str}): write it as array.astype('{'<' + dtype.str[1:]}')"
        )
    if fortran and len(shape) > 1:
        raise DataError(f"{path} is in Fortran order: write np.ascontiguousarray(array)")
    if any(n < 0 for n in shape):
        raise DataError(f"{path}: a size of it is negative")
    array = StoredArray(path, offset, dtype.str, tuple(int(n) for n in shape))
    missing = offset + array.nbytes - size
    if missing > 0:
        raise DataError(f"{path}: {missing:,} bytes at its end are missing: write it again")
    if missing < 0:
        raise DataError(f"{path}: {-missing:,} bytes at its end belong to no array")
    return array
