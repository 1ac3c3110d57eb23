"""One pass over given vectors: their digest, and whether they can be searched with at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.collection.raw import short
from colbench.collection.vectors.given import numbers
from colbench.collection.vectors.tensors import BFLOAT16, StoredArray, regular_file
from colbench.errors import DataError
from colbench.progress import bar
from colbench.records import Record

TOLERANCE = 1e-2
"""How far from 1 the length of a vector may be: rounding to eight bits of bfloat16 moves it less.
"""
LARGEST = 65504.0
"""The largest number of half precision, in which indexes hold uncompressed vectors."""

_BLOCK_BYTES = 32 << 20
_MOST = float(np.finfo(np.float32).max)
_VALUES = ("<f2", "<f4", BFLOAT16)


class Examined(Record):
    """What the pass found.

    Attributes:
        sha256: of values, lengths and ids.
        unnormalised: row of the first vector whose length is not 1; None without one.
        length: its length.
        count: how many there are.
        zero: row of the first vector of zeros; None without one.
        large: row of the first vector with a number beyond half precision; None without one.
    """

    sha256: str
    unnormalised: int | None = None
    length: float | None = None
    count: int = 0
    zero: int | None = None
    large: int | None = None


def check_shapes(
    kind: str, values: StoredArray, lengths: StoredArray, ids: Sequence[str]
) -> NDArray[np.int64]:
    """Return the lengths, once they fit the values and the ids.

    Args:
        kind: `document` or `query`, for messages.
        values: must be (vectors, dims) in float16, bfloat16 or float32.
        lengths: must be (texts,), whole numbers of at least 1 that sum to the vectors.
        ids: one a text.

    Raises:
        DataError: naming the first text that is wrong.
    """
    if values.dtype not in _VALUES:
        raise DataError(
            f"{values.file}: values are {_named(values.dtype)}: write them as float16, bfloat16 "
            "or float32"
        )
    if len(values.shape) != 2 or values.shape[1] < 1:
        raise DataError(
            f"{values.file}: values have the shape {values.shape}, where (vectors, dims) is "
            "expected: put the vectors of all texts one after the other"
        )
    if lengths.stored.kind not in "iu" or lengths.dtype == BFLOAT16:
        raise DataError(f"{lengths.file}: lengths are {_named(lengths.dtype)}: write them as int64")
    if len(lengths.shape) != 1 or lengths.shape[0] != len(ids):
        raise DataError(
            f"{lengths.file}: lengths have the shape {lengths.shape}, where there are {len(ids):,} "
            "ids: give one length for each id"
        )
    found, left = lengths.read(), values.shape[0]
    wrong = np.flatnonzero((found < 1) | (found > left))
    if len(wrong):
        text = ids[wrong[0]]
        raise DataError(
            f"{lengths.file}: the length of {kind} {short(text)} is {found[wrong[0]]}, where "
            f"there are {left:,} vectors in all: a length is at least 1"
        )
    checked = found.astype(np.int64)
    if int(checked.sum()) != left:  # of at most 2^62 / left: cannot overflow before memory does
        raise DataError(
            f"{lengths.file}: the lengths sum to {int(checked.sum()):,}, but there are {left:,} "
            f"vectors in {values.file.name}: the two do not belong together"
        )
    return checked


def _named(dtype: str) -> str:
    return dtype if dtype == BFLOAT16 else np.dtype(dtype).name


def examine(
    kind: str, values: StoredArray, lengths: NDArray[np.int64], ids: Sequence[str]
) -> Examined:
    """Read all values once, in pieces.

    Raises:
        DataError: a number is NaN or infinite; the message names the first text with one.
        StorageError: the file cannot be read, or ends too early.
    """
    dims = values.shape[1]
    digest = hashlib.sha256(f"{values.dtype} {dims} {len(ids)}\n".encode())
    digest.update(lengths.astype("<i8").tobytes())
    digest.update("\n".join(ids).encode("utf-8"))
    most = max(_BLOCK_BYTES // (dims * values.stored.itemsize), 1)
    found: dict[str, int | float] = {}
    count = row = 0
    with regular_file(values.file) as stream:
        stream.seek(values.offset)
        with bar(total=values.shape[0], description=f"checking {kind} vectors", unit="vec") as told:
            while row < values.shape[0]:
                rows = min(most, values.shape[0] - row)
                raw = stream.read(rows * dims * values.stored.itemsize)
                if len(raw) < rows * dims * values.stored.itemsize:
                    raise DataError(f"{values.file}: its end is missing: write it again")
                digest.update(raw)
                stored = np.frombuffer(raw, dtype=values.stored).reshape(rows, dims)
                block = numbers(stored, values.dtype).astype(np.float32, copy=False)
                finite = np.isfinite(block).all(axis=1)
                if not finite.all():
                    bad = row + int(np.argmin(finite))
                    raise DataError(
                        f"{values.file}: {place(bad, kind, lengths, ids)} holds NaN or infinity: "
                        "no score can be made of that"
                    )
                off, norms = _unlike_one(block)
                count += len(off)
                if len(off):
                    found.setdefault("unnormalised", row + int(off[0]))
                    found.setdefault("length", min(float(norms[off[0]]), _MOST))
                _first(found, "zero", row, norms == 0)
                _first(found, "large", row, np.abs(block).max(axis=1) > LARGEST)
                row += rows
                told.update(rows)
    return Examined.model_validate({"sha256": digest.hexdigest(), "count": count, **found})


def _unlike_one(block: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    with np.errstate(over="ignore", under="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
    return np.flatnonzero(np.abs(norms - 1) > TOLERANCE), norms


def _first(found: dict[str, int | float], key: str, row: int, mask: NDArray[np.bool_]) -> None:
    if mask.any():
        found.setdefault(key, row + int(np.argmax(mask)))


def place(row: int, kind: str, lengths: NDArray[np.int64], ids: Sequence[str]) -> str:
    """Say which vector of which text a row is.

    >>> place(3, "document", np.array([2, 5]), ["a", "b"])
    "vector 2 of document 'b'"
    """
    text = int(np.searchsorted(np.cumsum(lengths), row, side="right"))
    return f"vector {row - int(lengths[:text].sum()) + 1} of {kind} {short(ids[text])}"
