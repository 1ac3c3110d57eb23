"""The live documents of an index: as they are stored, and as vectors again."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.segment import Coded, Segment
from colbench.index.colbert.training import Trained

_ROWS = 65_536


def live_parts(segment: Segment, most: int = _ROWS, *, deleted: bool = False) -> Iterator[Coded]:
    """Yield the live documents of a segment as they are stored.

    Args:
        segment: to read.
        most: tokens at a time, or one document.
        deleted: yield deleted documents as well, so that each keeps its place.
    """
    lengths = np.diff(segment.offsets)
    first = 0
    while first < len(segment):
        reach = segment.offsets[first] + most
        end = max(first + 1, int(np.searchsorted(segment.offsets, reach, side="right")) - 1)
        live = segment.live[first:end] | deleted
        rows = np.repeat(live, lengths[first:end])
        span = slice(int(segment.offsets[first]), int(segment.offsets[end]))
        yield Coded(
            [doc for doc, alive in zip(segment.ids[first:end], live, strict=True) if alive],
            lengths[first:end][live],
            segment.codes[span][rows],
            segment.residuals[span][rows],
        )
        first = end


def stored_documents(index: ColbertIndex, without: Set[str] = frozenset()) -> Documents:
    """Return the live documents with the vectors that the index keeps of them.

    Vectors are in the dimensions of the index, tokens merged as its settings say.

    Args:
        index: open.
        without: ids of documents to leave out.
    """
    ids: list[str] = []
    lengths = [np.empty(0, dtype=np.int64)]
    for segment in index.segments:
        kept = [n for n in np.flatnonzero(segment.live).tolist() if segment.ids[n] not in without]
        ids += [segment.ids[number] for number in kept]
        lengths.append(np.diff(segment.offsets)[kept])

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        first = 0
        for segment in index.segments:
            for part in live_parts(segment, most):
                chosen = np.array([doc not in without for doc in part.ids], dtype=np.bool_)
                rows = np.repeat(chosen, part.lengths)
                end = first + int(chosen.sum())
                if end > first:
                    yield first, end, _vectors(index.trained, part)[rows]
                first = end

    pooling = index.manifest.settings.pooling
    return Documents(ids, np.concatenate(lengths), index.manifest.dims, read, pooling)


def _vectors(trained: Trained, part: Coded) -> NDArray[np.floating]:
    if not len(part.codes):  # nothing may have been learnt yet
        return np.empty((0, trained.codec.dims), dtype=np.float16)
    if trained.settings.nbits == 16:
        return np.asarray(part.residuals).view(np.float16)
    return trained.codec.decompress(part.codes, part.residuals)


def together(first: Documents, second: Documents) -> Documents:
    """Return the documents of two sources that have the same dimensions and pooling."""

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        yield from first.read(most)
        base = len(first.ids)
        for start, end, vectors in second.read(most):
            yield base + start, base + end, vectors

    return Documents(
        [*first.ids, *second.ids],
        np.concatenate([first.lengths, second.lengths]),
        first.dims,
        read,
        first.pooling,
    )
