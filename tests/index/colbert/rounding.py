"""How far a score with rounded bytes may lie from the one without: derived, not measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.codec import Codec

_FLOAT32 = 1e-5
"""Room for float32 arithmetic over at most 384 dimensions."""


def byte_score_bound(
    codec: Codec,
    codes: NDArray[np.integer],
    residuals: NDArray[np.float32],
    query: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the largest error of each query token's maximum over one document, (query tokens,).

    A token scores s = (c·q + r·q) / √L with L = ‖c + r‖². Weights r, query q and centroid c are
    rounded to multiples of their scale (largest entry / 127), so r', q', c' are off by at most half
    a scale in every dimension, and c·q is exact. Hence

        |r'·q' − r·q|  ≤  ‖r'‖₁ s_q/2 + ‖q‖₁ s_r/2                                    =: a
        |L' − L|       ≤  ‖r'‖₁ s_c + ‖c‖₁ s_r + (‖r'‖₁ + ‖r‖₁) s_r/2                 =: b
        |s' − s|       ≤  a / √(L − b) + |c·q + r·q| · max(1/√(L − b) − 1/√L, 1/√L − 1/√(L + b))

    with ‖r'‖₁ ≤ ‖r‖₁ + dims s_r/2. A maximum is off by no more than the worst of its entries.

    Args:
        codec: of the index.
        codes: (tokens,), centroid of each token of the document.
        residuals: float32 (tokens, dims), bucket weights of each.
        query: float32 (query tokens, dims).
    """
    centroids = codec.centroids[codes].astype(np.float64)
    residuals, query = residuals.astype(np.float64), query.astype(np.float64)
    scale_r = np.abs(codec.weights).max() / 127
    scale_q = np.abs(query).max(axis=1) / 127
    scale_c = np.abs(centroids).max(axis=1) / 127
    ones_r = np.abs(residuals).sum(axis=1)
    ones_rounded = ones_r + codec.dims * scale_r / 2
    product = np.outer(ones_rounded, scale_q) / 2 + np.abs(query).sum(axis=1) * scale_r / 2
    length = ((centroids + residuals) ** 2).sum(axis=1)
    off = (
        ones_rounded * scale_c
        + np.abs(centroids).sum(axis=1) * scale_r
        + (ones_rounded + ones_r) * scale_r / 2
    )
    assert (off < length).all(), "the bound needs vectors that are longer than their rounding"
    most, true, least = (length - off) ** -0.5, length**-0.5, (length + off) ** -0.5
    whole = np.abs((centroids + residuals) @ query.T)
    shrink = np.maximum(most - true, true - least)
    worst: NDArray[np.float64] = (product * most[:, None] + whole * shrink[:, None]).max(axis=0)
    return worst + _FLOAT32
