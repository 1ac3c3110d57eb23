"""What an array of an index has to hold before a kernel reads it.

Kernels take numbers of the index for places in memory, and do not look where they lead. So all of
them are looked at whenever an index is opened, in some twenty milliseconds for a million tokens:
offsets, centroid numbers and lists. A list says no more than the codes do, so that it is compared
with them: it holds exactly the documents that have a token there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError
from colbench.index.colbert.documents import checked_ids
from colbench.mapped import Unfit

LARGEST = 4.0
"""No value of a centroid, a projection or a stored vector is larger, for their rows have length 1,
and no cut-off or weight of a residual, the difference of two such rows."""

_AT_ONCE = 1 << 20
_TOKENS = 1 << 18


def check_offsets(offsets: NDArray[np.int64], last: int, *, rising: bool = False) -> None:
    """Check that offsets run from 0 to `last` and never backwards.

    Args:
        offsets: int64 (n + 1,).
        last: what the last one must be.
        rising: each is larger than the one before it.

    Raises:
        Unfit: they do not.
    """
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != last:
        raise Unfit(f"its offsets do not run from 0 to {last}")
    if not _in_order(offsets, strictly=rising):
        raise Unfit("its offsets run backwards" + (" or stand still" if rising else ""))


def check_rising(numbers: NDArray[Any], below: int, what: str) -> None:
    """Check that numbers rise from 0 or more, and stay below a bound.

    Raises:
        Unfit: they do not.
    """
    if len(numbers) and not (numbers[0] >= 0 and numbers[-1] < below):
        raise Unfit(f"it holds {what} that there is not, of {below}")
    if not _in_order(numbers, strictly=True):
        raise Unfit(f"its {what} are not in order, each once")


def check_codes(codes: NDArray[Any], centroids: int) -> None:
    """Check that every code, unsigned, is the number of a centroid.

    Raises:
        Unfit: one is not.
    """
    if len(codes) and int(codes.max()) >= centroids:
        raise Unfit(f"it holds a centroid that there is not, {int(codes.max())} of {centroids}")


def _in_order(numbers: NDArray[Any], *, strictly: bool) -> bool:
    for start in range(0, len(numbers) - 1, _AT_ONCE):
        part = numbers[start : start + _AT_ONCE + 1]
        fit = part[1:] > part[:-1] if strictly else part[1:] >= part[:-1]
        if not fit.all():
            return False
    return True


def check_lists(
    offsets: NDArray[np.int64],
    codes: NDArray[Any],
    list_centroids: NDArray[Any],
    list_offsets: NDArray[np.int64],
    list_docs: NDArray[Any],
    centroids: int,
) -> None:
    """Check that the lists are those of the codes; all else was checked before.

    Some 250,000 tokens at a time are sorted by centroid and document. What they say is what has
    to come next on the lists, and a list has to end where there is no more. That is numpy's work:
    to load what numba has compiled takes as long as all the rest of opening an index.

    Raises:
        Unfit: a document is missing from a list, or too many are on one.
    """
    at = np.zeros(centroids, dtype=np.int64)
    ends = np.zeros(centroids, dtype=np.int64)
    at[list_centroids], ends[list_centroids] = list_offsets[:-1], list_offsets[1:]
    first, documents = 0, len(offsets) - 1
    while first < documents:
        reach = int(offsets[first]) + _TOKENS
        end = max(first + 1, int(np.searchsorted(offsets, reach, side="right")) - 1)
        own, docs = _listed(offsets[first : end + 1], codes, centroids)
        counts = np.bincount(own, minlength=centroids)
        if (at + counts > ends).any():
            raise Unfit(_OTHER_LISTS)
        # The place on its list of each of them: those of a centroid lie one after the other.
        places = np.arange(len(own)) + np.repeat(at - (np.cumsum(counts) - counts), counts)
        if (list_docs[places] != docs + first).any():
            raise Unfit(_OTHER_LISTS)
        at += counts
        first = end
    if (at != ends).any():
        raise Unfit(_OTHER_LISTS)


_OTHER_LISTS = "its lists do not hold the documents that have a token at each centroid"


def _listed(
    offsets: NDArray[np.int64], codes: NDArray[Any], centroids: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each pair of a centroid and a document that has a token there, sorted by both."""
    documents = len(offsets) - 1
    kind = np.uint32 if centroids * documents < 1 << 32 else np.uint64  # sorts twice as fast
    numbers = np.repeat(np.arange(documents, dtype=kind), np.diff(offsets))
    pairs: NDArray[Any] = codes[offsets[0] : offsets[-1]].astype(kind)
    pairs *= kind(documents)
    pairs += numbers
    pairs.sort()
    if len(pairs):
        pairs = pairs[np.concatenate([[True], pairs[1:] != pairs[:-1]])]
    own, docs = np.divmod(pairs, kind(documents))
    return own.astype(np.int64), docs.astype(np.int64)


def checked_document_ids(text: str, documents: int) -> list[str]:
    """Return the ids in a JSON file.

    Raises:
        Unfit: they are not as many strings as there are documents.
    """
    try:
        ids = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit("it is no JSON") from error
    if not isinstance(ids, list) or len(ids) != documents:
        raise Unfit(f"it does not list {documents} document ids")
    try:
        return checked_ids(ids)
    except DataError as error:
        raise Unfit(str(error)) from error


def repeated(ids: Iterable[str], count: int) -> bool:
    """Return whether one of `count` ids occurs twice."""
    return len(set(ids)) != count
