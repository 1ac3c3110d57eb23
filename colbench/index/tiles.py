"""Cutting token matrices into pieces that hold whole documents, or whole queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.vectors import Vectors


def starts(matrices: Sequence[Vectors]) -> NDArray[np.int64]:
    """Return where the rows of each matrix begin in their concatenation, int64 (matrices + 1,).

    >>> starts([np.zeros((2, 4)), np.zeros((0, 4)), np.zeros((3, 4))]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([[0], np.cumsum([len(m) for m in matrices])]).astype(np.int64)


def cuts(offsets: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Split items into consecutive ranges of at most `most` rows, at least one item each.

    >>> list(cuts(np.array([0, 2, 3, 9]), 3))
    [(0, 2), (2, 3)]
    """
    first, items = 0, len(offsets) - 1
    while first < items:
        end = int(np.searchsorted(offsets, offsets[first] + most, side="right")) - 1
        end = min(max(end, first + 1), items)
        yield first, end
        first = end
