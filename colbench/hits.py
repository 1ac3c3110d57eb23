"""Ranked documents of one query, in the one order every part of colbench agrees on.

Invariant: scores are float32 and sorted by (score, document id), both descending, the order
trec_eval gives a run file. float32 because trec_eval reads scores as such: two scores that differ
only beyond float32 would be distinct here and tied there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hits:
    """Result of one query.

    Attributes:
        docs: int64 array of internal document numbers (positions in the collection).
        scores: float32 array of the same length.
    """

    docs: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.docs)


def tie_ranks(doc_ids: Sequence[str]) -> NDArray[np.int64]:
    """Return each document's place when ids are sorted descending (the tie-break key).

    >>> tie_ranks(["a", "c", "b"]).tolist()
    [2, 0, 1]
    """
    order = sorted(range(len(doc_ids)), key=doc_ids.__getitem__, reverse=True)
    ranks = np.empty(len(doc_ids), dtype=np.int64)
    ranks[order] = np.arange(len(doc_ids))
    return ranks


def top_k(
    docs: NDArray[np.int64],
    scores: NDArray[np.floating],
    k: int,
    ranks: NDArray[np.int64],
) -> Hits:
    """Return the k best of the given documents, ties at the cut decided by document id.

    Args:
        docs: internal document numbers, each at most once.
        scores: their scores; NaN is refused.
        k: how many to keep at most.
        ranks: `tie_ranks` of the whole collection.

    Raises:
        ValueError: a score is NaN, which has no place in an order.

    >>> ranks = tie_ranks(["a", "b", "c"])
    >>> top_k(np.arange(3), np.array([1.0, 2.0, 1.0]), 2, ranks).docs.tolist()
    [1, 2]
    """
    scores = np.asarray(scores, dtype=np.float32)
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: the encoder or the index produced invalid vectors")
    if len(scores) > k > 0:
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        keep = scores >= cut
        docs, scores = docs[keep], scores[keep]
    order = np.lexsort((ranks[docs], -scores))[:k]
    return Hits(docs[order].astype(np.int64, copy=False), scores[order])
