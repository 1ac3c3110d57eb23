"""Candidate generation and centroid interaction: the stages before any residual is read.

Santhanam et al. 2022 (PLAID), https://arxiv.org/abs/2205.09707, section 4.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.kernels.llvm import LANES
from colbench.index.colbert.kernels.row_maxima import (
    row_maxima_16_1,
    row_maxima_16_2,
    row_maxima_32_1,
    row_maxima_32_2,
)


@numba.njit(cache=True)
def nearest_centroids(
    scores: NDArray[np.float32], tokens: int, nprobe: int, probed: NDArray[np.bool_]
) -> None:
    """Mark the `nprobe` best centroids of each query token; of equals, the lower number.

    Args:
        scores: float32 (centroids, lanes).
        tokens: query tokens, the first lanes.
        nprobe: at most the number of centroids.
        probed: bool (centroids,), changed in place.
    """
    best = np.full((nprobe, tokens), np.float32(-np.inf), dtype=np.float32)
    which = np.full((nprobe, tokens), -1, dtype=np.int64)
    for centroid in range(len(scores)):
        for token in range(tokens):
            score = scores[centroid, token]
            if score <= best[nprobe - 1, token]:
                continue
            place = nprobe - 1
            while place > 0 and score > best[place - 1, token]:
                best[place, token] = best[place - 1, token]
                which[place, token] = which[place - 1, token]
                place -= 1
            best[place, token] = score
            which[place, token] = centroid
    for place in range(nprobe):
        for token in range(tokens):
            if which[place, token] >= 0:
                probed[which[place, token]] = True


@numba.njit(cache=True)
def listed_documents(
    probed: NDArray[np.bool_],
    list_centroids: NDArray[np.integer],
    list_offsets: NDArray[np.int64],
    list_docs: NDArray[np.integer],
    live: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the live documents on the lists of the probed centroids, ascending, each once.

    Args:
        probed: bool (centroids,).
        list_centroids: centroids that have a list, ascending.
        list_offsets: list i is list_docs[list_offsets[i] : list_offsets[i + 1]].
        list_docs: document numbers.
        live: bool (documents,).
    """
    listed = np.zeros(len(live), dtype=np.bool_)
    count = 0
    for item in range(len(list_centroids)):
        if probed[np.int64(list_centroids[item])]:
            for place in range(list_offsets[item], list_offsets[item + 1]):
                doc = np.int64(list_docs[place])
                if live[doc] and not listed[doc]:
                    listed[doc] = True
                    count += 1
    docs = np.empty(count, dtype=np.int64)
    filled = 0
    for number in range(len(listed)):
        if listed[number]:
            docs[filled] = number
            filled += 1
    return docs


@numba.njit(inline="always")
def _maxima(
    codes: NDArray[np.integer],
    first: int,
    count: int,
    scores: NDArray[np.float32],
    best: NDArray[np.float32],
) -> None:
    """Raise `best` to the scores of `count` codes, two groups of lanes at a time."""
    stride = 4 * scores.shape[1]
    source = codes.ctypes.data + first * codes.itemsize
    group, groups = 0, scores.shape[1] // LANES
    while group < groups:
        table = scores.ctypes.data + 4 * LANES * group
        target = best.ctypes.data + 4 * LANES * group
        if group + 2 <= groups:
            if codes.itemsize == 2:
                row_maxima_16_2(source, count, table, stride, target)
            else:
                row_maxima_32_2(source, count, table, stride, target)
        elif codes.itemsize == 2:
            row_maxima_16_1(source, count, table, stride, target)
        else:
            row_maxima_32_1(source, count, table, stride, target)
        group += 2


@numba.njit(parallel=True, cache=True)
def interact(
    docs: NDArray[np.int64],
    offsets: NDArray[np.int64],
    codes: NDArray[np.integer],
    scores: NDArray[np.float32],
    kept: NDArray[np.bool_],
    tokens: int,
) -> NDArray[np.float32]:
    """Score documents with their centroids in place of their vectors.

    A query token that no kept centroid of the document answers counts as -9999, as in the authors'
    implementation, so a document that lost all of its centroids comes last.

    Args:
        docs: documents to score.
        offsets: document i owns tokens offsets[i] to offsets[i + 1].
        codes: uint16 or uint32 (tokens,), centroid of each token.
        scores: float32 (centroids, lanes).
        kept: bool (centroids,), those that count; empty: all.
        tokens: query tokens, the first lanes.

    Returns:
        float32 (len(docs),), in their order.
    """
    out = np.empty(len(docs), dtype=np.float32)
    groups = scores.shape[1] // LANES
    pruning = len(kept) > 0
    for number in numba.prange(len(docs)):
        best = np.full(groups * LANES, np.float32(-9999), dtype=np.float32)
        first, end = offsets[docs[number]], offsets[docs[number] + 1]
        if not pruning and end > first:
            _maxima(codes, first, end - first, scores, best)
            first = end
        for place in range(first, end):
            code = np.int64(codes[place])
            if kept[code]:
                for lane in range(groups * LANES):
                    best[lane] = max(best[lane], scores[code, lane])
        total = np.float32(0)
        for token in range(tokens):
            total += best[token]
        out[number] = total
    return out


@numba.njit(cache=True)
def reached_centroids(
    scores: NDArray[np.float32], tokens: int, threshold: float
) -> NDArray[np.bool_]:
    """Return which centroids score at least `threshold` for some query token."""
    reached = np.zeros(len(scores), dtype=np.bool_)
    for centroid in range(len(scores)):
        for token in range(tokens):
            if scores[centroid, token] >= threshold:
                reached[centroid] = True
                break
    return reached


@numba.njit(cache=True)
def count_listed(
    offsets: NDArray[np.int64], codes: NDArray[np.integer], counts: NDArray[np.int64]
) -> None:
    """Add to `counts` (centroids,) in how many documents each centroid occurs."""
    last = np.full(len(counts), -1, dtype=np.int64)
    for doc in range(len(offsets) - 1):
        for place in range(offsets[doc], offsets[doc + 1]):
            code = np.int64(codes[place])
            if last[code] != doc:
                last[code] = doc
                counts[code] += 1


@numba.njit(cache=True)
def fill_lists(
    offsets: NDArray[np.int64],
    codes: NDArray[np.integer],
    starts: NDArray[np.int64],
    docs: NDArray[np.integer],
) -> None:
    """Write every document behind the start of each of its centroids' lists.

    Args:
        offsets: document i owns tokens offsets[i] to offsets[i + 1].
        codes: (tokens,), centroid of each token.
        starts: int64 (centroids,), where each list begins; changed in place.
        docs: the lists, changed in place.
    """
    last = np.full(len(starts), -1, dtype=np.int64)
    for doc in range(len(offsets) - 1):
        for place in range(offsets[doc], offsets[doc + 1]):
            code = np.int64(codes[place])
            if last[code] != doc:
                last[code] = doc
                docs[starts[code]] = doc
                starts[code] += 1
