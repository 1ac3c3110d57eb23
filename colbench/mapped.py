"""Files that others may have written: opened as plain files, and their arrays checked and mapped.

Nothing of an array is used before its type, shape and length are those that are asked for, and
nothing is unpickled. A map holds no descriptor, so that however many files an index or the cache
has, they are not what a process runs out of.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import mmap
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.files import unavailable

_HEADER = 16_384
"""Bytes at the start of a file in which the header of an array ends; numpy reads no longer one."""

_ALIGNED = 64
"""An array begins at a multiple of this many bytes; numpy writes multiples of 64."""

_SPARSE_SIZE, _SPARSE_SHARE = 64 << 20, 64
_MAP_FIXED = 0x10


class Unfit(Exception):
    """A file that is not what it should be; the message says why, as in "it is a link"."""


class Missing(Unfit):
    """There is no such file."""


@contextlib.contextmanager
def plain_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to read it, neither a link nor a pipe nor a device.

    Raises:
        Missing: there is none.
        Unfit: it is something else, or nearly all holes, which would take for ever to read.
        StorageUnavailable: it cannot be read now, here or in the block.
    """
    try:
        # Opening may already do something to a device, so that it is looked at before.
        _refuse_other_than_plain(path.lstat())
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            _refuse_other_than_plain(status)
            if _sparse(stream, status):
                raise Unfit(f"hardly any of its {status.st_size} bytes are on the disk")
            yield stream
    except (OSError, MemoryError) as error:
        if (told := unavailable(path, error)) is not None:
            raise told from error
        raise Missing("it is missing") from error


def _refuse_other_than_plain(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Unfit("it is a link")
    if not stat.S_ISREG(status.st_mode):
        raise Unfit("it is no plain file")


def map_array(
    stream: IO[bytes], dtypes: Sequence[DTypeLike], shape: Sequence[int | None]
) -> NDArray[Any]:
    """Map the array in a `.npy`; nothing but its header is read yet.

    Args:
        stream: the file, of `plain_file`.
        dtypes: those that it may have, in this machine's byte order.
        shape: that it must have; None for a length that may be any.

    Raises:
        Unfit: it is another array, or none, or shorter or longer than it says.
        OSError: it cannot be mapped.
    """
    size = os.fstat(stream.fileno()).st_size
    dtype, found, offset = _header(stream)
    wanted = [np.dtype(kind) for kind in dtypes]
    if dtype not in wanted:
        raise Unfit(f"it holds {dtype.str}, want {' or '.join(kind.str for kind in wanted)}")
    lengths = zip(found, shape, strict=False)
    if len(found) != len(shape) or any(want not in (None, got) for got, want in lengths):
        raise Unfit(f"its shape is {_shown(found)}, want {_shown(shape)}")
    whole = offset + math.prod(found) * dtype.itemsize
    if size != whole:
        raise Unfit(f"it has {size} bytes, its shape {_shown(found)} takes {whole}")
    mapped = np.ndarray(whole, np.uint8, _map(stream.fileno(), whole))
    array: NDArray[Any] = mapped[offset:].view(dtype).reshape(found)
    return array


def _shown(shape: Sequence[int | None]) -> str:
    return "x".join("n" if length is None else str(length) for length in shape) or "none"


def _header(stream: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return what an array is of, its shape, and where it begins."""
    head = io.BytesIO(os.pread(stream.fileno(), _HEADER, 0))
    try:
        if np.lib.format.read_magic(head) != (1, 0):
            raise ValueError("another version of the format")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(head)
    except Exception as error:  # whatever numpy and Python's parser make of any bytes
        raise Unfit("it is no array in numpy's format 1.0") from error
    plain = all(type(length) is int and 0 <= length < 1 << 62 for length in shape)
    if not plain or dtype.hasobject or not dtype.itemsize or head.tell() % _ALIGNED:
        raise Unfit("it is no array of numbers")
    if fortran_order:
        raise Unfit("its columns lie one after the other, want its rows")
    return dtype, shape, head.tell()


def _sparse(stream: IO[bytes], status: os.stat_result) -> bool:
    """Return whether a large file is nearly all holes."""
    size = status.st_size
    if size < _SPARSE_SIZE or status.st_blocks * 512 > size // _SPARSE_SHARE:
        return False
    # Some file systems do not know how much is on the disk; those know of no holes either.
    return hasattr(os, "SEEK_HOLE") and os.lseek(stream.fileno(), 0, os.SEEK_HOLE) < size


def _map(handle: int, size: int) -> mmap.mmap:
    """Map the first bytes of a file to read them, and hold no descriptor."""
    if sys.version_info >= (3, 13):
        return mmap.mmap(handle, size, access=mmap.ACCESS_READ, trackfd=False)
    # Python keeps a copy of the descriptor as long as it has a map. So it makes one without a file,
    # and the file takes its place: the map is unmapped with Python's object all the same.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    place = mmap.mmap(-1, size, flags=flags, prot=mmap.PROT_READ)
    address = np.frombuffer(place, dtype=np.uint8).ctypes.data
    call = ctypes.CDLL(None, use_errno=True).mmap
    call.restype = ctypes.c_void_p
    number = ctypes.c_int
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, number, number, number, ctypes.c_long]
    if call(address, size, mmap.PROT_READ, mmap.MAP_SHARED | _MAP_FIXED, handle, 0) != address:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return place
