"""PLAID as its paper tells it, with dicts and loops: slow, short and obviously right.

Santhanam et al. 2022, https://arxiv.org/abs/2205.09707, sections 3 and 4. Only the scores of query
tokens with centroids are taken from outside, so that every later step can be compared exactly.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import SearchSettings

_LOST = np.float32(-9999)


@dataclass(frozen=True)
class Step:
    """Document ids after each stage."""

    candidates: set[str]
    pruned: set[str]
    survivors: set[str]


class PlainPlaid:
    """Reads the live documents of an index into dicts.

    Attributes:
        codes: document id → centroid numbers of its tokens.
        vectors: document id → its stored vectors, decompressed, float64 (tokens, dims).
        residuals: document id → bucket weights, float64 (tokens, dims); None without buckets.
        lists: centroid → ids of the documents that have a token of it.
    """

    def __init__(self, index: ColbertIndex) -> None:
        self.nbits = index.manifest.settings.nbits
        self.codec = index.trained.codec
        self.codes: dict[str, list[int]] = {}
        self.vectors: dict[str, NDArray[np.float64]] = {}
        self.residuals: dict[str, NDArray[np.float64]] = {}
        self.lists: dict[int, set[str]] = defaultdict(set)
        for segment in index.segments:
            for place, doc in enumerate(segment.ids):
                if segment.live[place]:
                    start, end = segment.offsets[place : place + 2].tolist()
                    self._read(doc, segment.codes[start:end], segment.residuals[start:end])

    def _read(self, doc: str, codes: NDArray[np.integer], stored: NDArray[np.integer]) -> None:
        self.codes[doc] = codes.tolist()
        if self.nbits == 16:
            self.vectors[doc] = np.array(stored).view(np.float16).astype(np.float64)
        else:
            rows = np.array([self.unpack(row) for row in stored.tolist()])
            self.residuals[doc] = rows.reshape(len(codes), self.codec.dims)
            sums = self.codec.centroids[codes].astype(np.float64) + self.residuals[doc]
            self.vectors[doc] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        for code in codes.tolist():
            self.lists[code].add(doc)

    def unpack(self, row: list[int]) -> list[float]:
        """Return the bucket weight of each dimension of one packed residual.

        The bits of all bytes, written from the left, are cut into pieces of `nbits`; a piece read
        from right to left is a bucket.
        """
        if not self.nbits:
            return [0.0] * self.codec.dims
        bits = "".join(f"{byte:08b}" for byte in row)
        pieces = [bits[at : at + self.nbits] for at in range(0, len(bits), self.nbits)]
        return [float(self.codec.weights[int(piece[::-1], 2)]) for piece in pieces]

    def stages(self, scores: NDArray[np.float32], settings: SearchSettings, k: int) -> Step:
        """Return what is left after each stage.

        Args:
            scores: float32 (centroids, query tokens).
            settings: search parameters.
            k: documents wanted.
        """
        candidates: set[str] = set()
        for token in range(scores.shape[1]):
            column = scores[:, token].tolist()
            best = sorted(range(len(column)), key=lambda c: (-column[c], c))[: settings.nprobe]
            for centroid in best:
                candidates |= self.lists[centroid]
        keep = settings.ndocs if settings.ndocs is not None else max(4 * k, 4096)
        threshold = settings.centroid_score_threshold
        kept = {
            centroid
            for centroid, row in enumerate(scores.tolist())
            if threshold is None or max(row) >= threshold
        }
        pruned = self._best({d: self.approximate(scores, d, kept) for d in candidates}, keep)
        everything = set(range(len(scores)))
        last = {d: self.approximate(scores, d, everything) for d in pruned}
        return Step(candidates, pruned, self._best(last, keep // 4))

    def approximate(self, scores: NDArray[np.float32], doc: str, kept: set[int]) -> np.float32:
        """Score a document with those of its centroids that are kept."""
        total = np.float32(0)
        for token in range(scores.shape[1]):
            own = [scores[code, token] for code in self.codes[doc] if code in kept]
            total = np.float32(total + max([_LOST, *own]))
        return total

    def maxsim(self, query: NDArray[np.float32], doc: str) -> float:
        """Score a document with its stored vectors."""
        products = query.astype(np.float64) @ self.vectors[doc].T
        return float(sum(max(row) for row in products.tolist()))

    @staticmethod
    def _best(scores: dict[str, np.float32], keep: int) -> set[str]:
        return set(in_order(scores)[:keep])


def in_order(scores: dict[str, np.float32]) -> list[str]:
    """Return document ids best first; of equal scores, the greater id."""
    return [doc for _, doc in sorted(((score, doc) for doc, score in scores.items()), reverse=True)]
