"""Made-up vectors, centroids and buckets on which two codecs are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def make_question(
    nbits: int, dims: int, *, vectors: int, centroids: int, seed: int
) -> dict[str, NDArray]:
    """Return a question for `stanford_codec.py`: unit vectors around unit centroids.

    The first vectors are centroids themselves, so that their residuals are zeros. Every cut-off is
    the residual of some vector in some dimension, bit for bit, so that there are exact ties.
    """
    random = np.random.default_rng(seed)
    middles = _unit(random.standard_normal((centroids, dims))).astype(np.float16)
    near = random.integers(centroids, size=vectors)
    rows = _unit(middles[near] + 0.5 / np.sqrt(dims) * random.standard_normal((vectors, dims)))
    rows = rows.astype(np.float16)
    zeros = vectors // 8
    rows[:zeros] = middles[near[:zeros]]
    ordered = np.sort(
        rows[zeros:].astype(np.float32) - middles[near[zeros:]].astype(np.float32), None
    )
    steps = np.arange(1 << nbits) / (1 << nbits)
    return {
        "vectors": rows,
        "centroids": middles,
        "cutoffs": np.quantile(ordered, steps[1:], method="lower"),
        "weights": np.quantile(ordered, steps + 0.5 / (1 << nbits)).astype(np.float32),
        "nbits": np.array(nbits),
    }


def residuals(question: dict[str, NDArray], codes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the differences between a question's vectors and their centroids."""
    middles = question["centroids"].astype(np.float32)
    return question["vectors"].astype(np.float32) - middles[codes]


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
