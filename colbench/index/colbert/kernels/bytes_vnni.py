"""`score_bytes` with AVX-512 VNNI: see `byte_instructions` for what it is made of.

Nothing is decompressed to memory: a token's packed residual becomes bytes in registers, those are
multiplied with 16 query tokens at a time, and the best score of each query token is kept.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.kernels.byte_instructions import (
    ROWS,
    dot_bytes,
    token_terms,
    unpack_1_16,
    unpack_1_64,
    unpack_2_16,
    unpack_2_64,
    unpack_4_16,
    unpack_4_64,
    unpack_8_64,
)
from colbench.index.colbert.kernels.llvm import LANES
from colbench.index.colbert.kernels.tables import ByteQuery, ByteTables, StoredTokens


@numba.njit(inline="always")
def _unpack(nbits: int, packed: int, size: int, table: int, out: int) -> int:
    """Unpack as many of `size` bytes as whole registers hold; return how many that were."""
    wide = size // 64
    done = wide * 64
    narrow = (size - done) // 16
    if wide > 0:
        if nbits == 4:
            unpack_4_64(packed, wide, table, out, size)
        elif nbits == 2:
            unpack_2_64(packed, wide, table, out, size)
        elif nbits == 1:
            unpack_1_64(packed, wide, table, out, size)
        else:
            unpack_8_64(packed, wide, table, out, size)
    if narrow > 0 and nbits < 8:
        if nbits == 4:
            unpack_4_16(packed + done, narrow, table, out + done, size)
        elif nbits == 2:
            unpack_2_16(packed + done, narrow, table, out + done, size)
        else:
            unpack_1_16(packed + done, narrow, table, out + done, size)
        done += narrow * 16
    return done


@numba.njit(parallel=True, cache=True)
def score_bytes(
    docs: NDArray[np.int64],
    stored: StoredTokens,
    centroid_scores: NDArray[np.float32],
    tables: ByteTables,
    query: ByteQuery,
) -> NDArray[np.float32]:
    """Score documents; arguments and result as in `bytes_reference.score_bytes`."""
    offsets, codes, packed = stored
    nbits, _, table, weight_scale, centroids, scales, shifts, squares = tables
    query_tokens, starts, query_scales = query
    size, stride = packed.shape[1], centroids.shape[1]
    groups, quads = query_tokens.shape[0], query_tokens.shape[1]
    per_byte, mask = 8 // nbits, (1 << nbits) - 1
    out = np.empty(len(docs), dtype=np.float32)
    for number in numba.prange(len(docs)):
        rows = np.full((ROWS, stride), np.uint8(128), dtype=np.uint8)
        best = np.full(groups * LANES, np.float32(-np.inf), dtype=np.float32)
        sums = np.empty((ROWS, LANES), dtype=np.int32)
        terms = np.empty(2, dtype=np.int32)
        shrink = np.empty(ROWS, dtype=np.float32)
        end = offsets[docs[number] + 1]
        first = offsets[docs[number]]
        while first < end:
            count = min(ROWS, end - first)
            for row in range(count):
                place = rows.ctypes.data + row * stride
                source = packed.ctypes.data + (first + row) * size
                done = _unpack(nbits, source, size, table.ctypes.data, place)
                for byte in range(done, size):
                    for plane in range(per_byte):
                        bits = (packed[first + row, byte] >> (8 - nbits * (plane + 1))) & mask
                        rows[row, plane * size + byte] = table[bits]
                code = np.int64(codes[first + row])
                token_terms(
                    place, centroids.ctypes.data + code * stride, stride // 64, terms.ctypes.data
                )
                cross = np.float32(terms[0] - shifts[code]) * (weight_scale * scales[code])
                square = np.float32(terms[1]) * (weight_scale * weight_scale)
                length = squares[code] + np.float32(2) * cross + square
                shrink[row] = np.float32(1) / np.sqrt(max(length, np.float32(1e-12)))
            for group in range(groups):
                lane = group * LANES
                dot_bytes(
                    rows.ctypes.data,
                    stride,
                    query_tokens.ctypes.data + group * quads * 4 * LANES,
                    quads,
                    starts.ctypes.data + 4 * lane,
                    sums.ctypes.data,
                )
                for row in range(count):
                    code = np.int64(codes[first + row])
                    for token in range(LANES):
                        value = np.float32(sums[row, token]) * query_scales[lane + token]
                        value = (value + centroid_scores[code, lane + token]) * shrink[row]
                        best[lane + token] = max(best[lane + token], value)
            first += count
        total = np.float32(0)
        for value in best:
            total += value
        out[number] = total
    return out
