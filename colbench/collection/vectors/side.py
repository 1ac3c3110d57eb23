"""The vectors of the documents, or of the queries, of a folder: their files, ids and lengths."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.collection.raw import Records, checked
from colbench.collection.text_lines import TextLines
from colbench.collection.vectors.check import LARGEST, Examined, check_shapes, place
from colbench.collection.vectors.given import FileState, TokenVectors
from colbench.collection.vectors.tensors import (
    StoredArray,
    read_npy,
    read_safetensors,
    regular_file,
)
from colbench.errors import DataError


@dataclass(frozen=True)
class Side:
    """The vectors of the documents, or of the queries, whose values were not read yet.

    Attributes:
        kind: `document` or `query`.
        ids: one a text, checked.
        values: (vectors, dims).
        lengths: int64 (texts,).
    """

    kind: str
    ids: list[str]
    values: StoredArray
    lengths: NDArray[np.int64]

    @classmethod
    def find(cls, folder: Path, stem: str, kind: str) -> Side:
        """Read headers, lengths and ids.

        Raises:
            DataError: a file is missing, or is not as it must be.
            StorageError: a file cannot be read.
        """
        whole = folder / f"{stem}.safetensors"
        apart = {part: folder / f"{stem}.{part}.npy" for part in ("values", "lengths", "ids")}
        listed = folder / f"{stem}.ids.txt"
        if os.path.lexists(whole) and os.path.lexists(apart["values"]):
            raise DataError(
                f"{folder} has both {whole.name} and {apart['values'].name}: keep one of them"
            )
        if os.path.lexists(whole):
            arrays = read_safetensors(whole)
        elif os.path.lexists(apart["values"]):
            arrays = {part: read_npy(file) for part, file in apart.items() if os.path.lexists(file)}
        else:
            raise DataError(
                f"{folder} has no {whole.name} (nor {apart['values'].name}): write the folder "
                "with `colbench vectors write`"
            )
        has_both = os.path.lexists(listed) and "ids" in arrays
        if has_both:
            raise DataError(f"{folder} has the ids of {stem} twice: remove {listed.name}")
        for part in ("values", "lengths"):
            if part not in arrays:
                there = ", ".join(sorted(map(repr, arrays))) or "nothing"
                raise DataError(
                    f"{whole if os.path.lexists(whole) else folder}: there is no array '{part}' "
                    f"of {stem}, but {there[:200]}"
                )
        if "ids" in arrays:
            ids, file = _ids_of(arrays["ids"]), arrays["ids"].file
        elif os.path.lexists(listed):
            with regular_file(listed):
                ids, file = list(TextLines(listed)), listed
        else:
            raise DataError(
                f"{folder}: there are no ids of {stem}: put them into {listed.name}, an id a line"
            )
        numbered = _Numbered(ids, file)
        checked(Records(((value,) for value in numbered), numbered.where), kind)
        lengths = check_shapes(kind, arrays["values"], arrays["lengths"], ids)
        return cls(kind, ids, arrays["values"], lengths)

    def vectors(self, examined: Examined, how: str, state: FileState) -> TokenVectors:
        """Return what the check has passed.

        Args:
            examined: what it found.
            how: as in `VectorsSettings.unnormalized`.
            state: of the file before the check.

        Raises:
            DataError: vectors are not of length 1 and the settings do not say what to do, or they
                cannot be stored in half precision.
        """
        row, file = examined.unnormalised, self.values.file
        zeros = "" if examined.zero is None else "; vectors of zeros are padding: leave them out"
        if row is not None and how == "refuse":
            raise DataError(
                f"{file}: {self._place(row)} has the length {examined.length:.4g}, not 1 "
                f"({examined.count:,} of {self.values.shape[0]:,} vectors): set "
                "dataset.unnormalized=normalize to scale them, =allow to take them as they are"
                f"{zeros}"
            )
        if how == "normalize" and examined.zero is not None:
            raise DataError(
                f"{file}: {self._place(examined.zero)} is all zeros and has no direction to "
                "scale: it is padding, leave it out"
            )
        if how != "normalize" and examined.large is not None:
            raise DataError(
                f"{file}: {self._place(examined.large)} has a number beyond {LARGEST:,.0f}, more "
                "than half precision holds: scale the vectors, or set "
                "dataset.unnormalized=normalize"
            )
        starts = np.cumsum(self.lengths) - self.lengths
        normalize = how == "normalize" and row is not None
        return TokenVectors(self.values, starts, self.lengths, examined.sha256, state, normalize)

    def _place(self, row: int) -> str:
        return place(row, self.kind, self.lengths, self.ids)

    def described(self, sha256: str) -> dict[str, Any]:
        """Return what a manifest says of it."""
        vectors, dims = self.values.shape
        return {"sha256": sha256, "texts": len(self.ids), "vectors": vectors, "dims": dims}


class _Numbered:
    """Ids, with the place of the one taken last."""

    def __init__(self, ids: Sequence[str], file: Path) -> None:
        self._ids, self._file, self._number = ids, file, 0

    def __iter__(self) -> Iterator[str]:
        for number, value in enumerate(self._ids, start=1):
            self._number = number
            yield value

    def where(self) -> str:
        return f"{self._file}, id {self._number}" if self._number else str(self._file)


def _ids_of(array: StoredArray) -> list[str]:
    """Return ids from bytes of UTF-8, an id a line, or from an array of strings."""
    kind = array.stored.kind
    if len(array.shape) != 1 or not (kind in "US" or array.dtype == "|u1"):
        raise DataError(
            f"{array.file}: ids must be uint8, the UTF-8 of an id a line, or strings, not "
            f"{array.dtype} of the shape {array.shape}"
        )
    try:
        if kind == "S":
            return [value.decode("utf-8") for value in array.read().tolist()]
        if kind == "U":
            return _strings(array.read())
        text = array.read().tobytes().decode("utf-8")
    except (UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{array.file}: ids are not UTF-8 ({error}): write them as that") from error
    return text.removesuffix("\n").split("\n") if text else []


def _strings(array: NDArray[np.str_]) -> list[str]:
    """Return the strings of an array from a file, where numpy takes any number for a character."""
    if array.dtype.itemsize and len(array):
        points = array.view(np.uint32)
        if points.max() > sys.maxunicode:
            raise ValueError("a number in them is no character")
    return [str(value) for value in array.tolist()]
