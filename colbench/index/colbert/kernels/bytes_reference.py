"""`score_bytes` on any processor, a number at a time: `bytes_vnni` must equal it bit for bit."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.kernels.tables import ByteQuery, ByteTables, StoredTokens


@numba.njit(parallel=True, cache=True)
def score_bytes(
    docs: NDArray[np.int64],
    stored: StoredTokens,
    centroid_scores: NDArray[np.float32],
    tables: ByteTables,
    query: ByteQuery,
) -> NDArray[np.float32]:
    """Score documents with rounded weights and queries.

    Args:
        docs: documents to score.
        stored: tokens of their segment, packed.
        centroid_scores: (centroids, groups * 16).
        tables: the codec.
        query: rounded with it.

    Returns:
        float32 (len(docs),), in their order; -inf for a document without tokens.
    """
    offsets, codes, packed = stored
    nbits, _, table, weight_scale, centroids, scales, _, squares = tables
    query_tokens, _, query_scales = query
    size = packed.shape[1]
    lanes = len(query_scales)
    per_byte, mask = 8 // nbits, (1 << nbits) - 1
    out = np.empty(len(docs), dtype=np.float32)
    for number in numba.prange(len(docs)):
        row = np.empty(size * per_byte, dtype=np.int32)
        best = np.full(lanes, np.float32(-np.inf), dtype=np.float32)
        for place in range(offsets[docs[number]], offsets[docs[number] + 1]):
            code = np.int64(codes[place])
            for byte in range(size):
                for plane in range(per_byte):
                    bits = (packed[place, byte] >> (8 - nbits * (plane + 1))) & mask
                    row[plane * size + byte] = np.int32(table[bits]) - 128
            cross_sum, square_sum = 0, 0
            for dim in range(len(row)):
                cross_sum += row[dim] * np.int32(centroids[code, dim])
                square_sum += row[dim] * row[dim]
            cross = np.float32(cross_sum) * (weight_scale * scales[code])
            square = np.float32(square_sum) * (weight_scale * weight_scale)
            length = squares[code] + np.float32(2) * cross + square
            shrink = np.float32(1) / np.sqrt(max(length, np.float32(1e-12)))
            for lane in range(lanes):
                group, token = lane // 16, lane % 16
                dot = 0
                for dim in range(len(row)):
                    dot += row[dim] * np.int32(query_tokens[group, dim // 4, token, dim % 4])
                value = np.float32(dot) * query_scales[lane]
                value = (value + centroid_scores[code, lane]) * shrink
                best[lane] = max(best[lane], value)
        total = np.float32(0)
        for value in best:
            total += value
        out[number] = total
    return out
