"""Dot products of float32 rows with 16 query tokens at a time, on any processor.

Eight rows share each load of the query, and the sixteen sums of a row stay in a register: the
arithmetic of a matrix product, without the copies a matrix library makes before it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from colbench.index.colbert.kernels.llvm import (
    F32,
    LANES,
    call,
    filled,
    integer_procedure,
    load,
    loop,
    number,
    spread,
    store,
    vector,
)
from colbench.index.colbert.kernels.tables import StoredTokens

ROWS = 8
"""Rows in one call of `dot_float`."""


def _dot_float(
    builder: ir.IRBuilder,
    rows: ir.Value,
    stride: ir.Value,
    query: ir.Value,
    dims: ir.Value,
    out: ir.Value,
) -> None:
    lanes = vector(F32, LANES)
    starts = [builder.add(rows, builder.mul(stride, number(row))) for row in range(ROWS)]

    def step(dim: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        tokens = load(builder, builder.add(query, builder.mul(dim, number(4 * LANES))), lanes)
        offset = builder.mul(dim, number(4))
        values = [load(builder, builder.add(start, offset), F32) for start in starts]
        return [
            call(builder, "llvm.fma.v16f32", lanes, [spread(builder, value, LANES), tokens, total])
            for value, total in zip(values, sums, strict=True)
        ]

    sums = loop(builder, dims, [filled(lanes, 0.0)] * ROWS, step)
    for row, total in enumerate(sums):
        store(builder, total, builder.add(out, number(4 * LANES * row)))


dot_float = integer_procedure(5, _dot_float)
"""(rows, stride in bytes, query (dims, 16), dims, out (8, 16)), all addresses of float32."""


def lanes_of(query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay a query out for the kernels.

    Args:
        query: float32 (tokens, dims).

    Returns:
        float32 (groups, dims, 16): groups of 16 tokens, the last filled up with zeros.
    """
    tokens, dims = query.shape
    groups = -(-tokens // LANES)
    padded = np.zeros((groups * LANES, dims), dtype=np.float32)
    padded[:tokens] = query
    return np.ascontiguousarray(padded.reshape(groups, LANES, dims).transpose(0, 2, 1))


def _widener(width: int) -> Any:
    """Make (source of float16, count, out of float32): converts `count` groups of `width`."""

    def emit(builder: ir.IRBuilder, source: ir.Value, count: ir.Value, out: ir.Value) -> None:
        def step(place: ir.Value, _: list[ir.Value]) -> list[ir.Value]:
            offset = builder.mul(place, number(2 * width))
            halves = load(builder, builder.add(source, offset), vector(ir.HalfType(), width))
            wide = builder.fpext(halves, vector(F32, width))
            store(builder, wide, builder.add(out, builder.mul(offset, number(2))))
            return []

        loop(builder, count, [], step)

    return integer_procedure(3, emit)


widen_8, widen_1 = _widener(8), _widener(1)


@numba.njit(inline="always")
def widen(source: int, count: int, out: int) -> None:
    """Convert `count` float16 at an address to float32; numba has no float16 on a CPU."""
    eights = count // 8
    if eights > 0:
        widen_8(source, eights, out)
    if count > 8 * eights:
        widen_1(source + 16 * eights, count - 8 * eights, out + 32 * eights)


@numba.njit(parallel=True, cache=True)
def centroid_scores(
    centroids: NDArray[np.uint16], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Score every centroid for every query token.

    Args:
        centroids: the bits of float16 (centroids, dims).
        query: `lanes_of` the query.

    Returns:
        float32 (centroids, groups * 16); lanes beyond the query's tokens are 0.
    """
    count, dims = centroids.shape
    groups = query.shape[0]
    scores = np.empty((count, groups * LANES), dtype=np.float32)
    for block in numba.prange((count + ROWS - 1) // ROWS):
        rows = np.zeros((ROWS, dims), dtype=np.float32)
        out = np.empty((ROWS, LANES), dtype=np.float32)
        first = block * ROWS
        filled = min(ROWS, count - first)
        widen(centroids.ctypes.data + first * dims * 2, filled * dims, rows.ctypes.data)
        for group in range(groups):
            dot_float(
                rows.ctypes.data,
                4 * dims,
                query.ctypes.data + group * dims * LANES * 4,
                dims,
                out.ctypes.data,
            )
            lane = group * LANES
            for row in range(filled):
                scores[first + row, lane : lane + LANES] = out[row]
    return scores


@numba.njit(inline="always")
def _best_of_rows(
    rows: NDArray[np.float32],
    count: int,
    query: NDArray[np.float32],
    sums: NDArray[np.float32],
    best: NDArray[np.float32],
) -> None:
    dims = rows.shape[1]
    for group in range(query.shape[0]):
        lane = group * LANES
        dot_float(
            rows.ctypes.data,
            4 * dims,
            query.ctypes.data + group * dims * LANES * 4,
            dims,
            sums.ctypes.data,
        )
        for row in range(count):
            for token in range(LANES):
                best[lane + token] = max(best[lane + token], sums[row, token])


@numba.njit(parallel=True, cache=True)
def score_residuals(
    docs: NDArray[np.int64],
    stored: StoredTokens,
    centroids: NDArray[np.uint16],
    byte_values: NDArray[np.float32],
    query: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Score documents with their decompressed, normalised vectors in float32.

    Args:
        docs: documents to score.
        stored: tokens of their segment.
        centroids: the bits of float16 (centroids, dims).
        byte_values: `Codec.byte_values`; float32 (256, dimensions a byte).
        query: `lanes_of` the query.

    Returns:
        float32 (len(docs),), in their order; -inf for a document without tokens.
    """
    offsets, codes, packed = stored
    groups, dims = query.shape[0], query.shape[1]
    per_byte = byte_values.shape[1]
    out = np.empty(len(docs), dtype=np.float32)
    for item in numba.prange(len(docs)):
        rows = np.zeros((ROWS, dims), dtype=np.float32)
        sums = np.empty((ROWS, LANES), dtype=np.float32)
        best = np.full(groups * LANES, np.float32(-np.inf), dtype=np.float32)
        end = offsets[docs[item] + 1]
        first = offsets[docs[item]]
        while first < end:
            count = min(ROWS, end - first)
            for row in range(count):
                code = np.int64(codes[first + row])
                widen(
                    centroids.ctypes.data + code * dims * 2,
                    dims,
                    rows.ctypes.data + row * dims * 4,
                )
                for byte in range(packed.shape[1]):
                    values = byte_values[packed[first + row, byte]]
                    for place in range(per_byte):
                        rows[row, byte * per_byte + place] += values[place]
                square = np.float32(0)
                for dim in range(dims):
                    square += rows[row, dim] * rows[row, dim]
                shrink = np.float32(1) / np.sqrt(max(square, np.float32(1e-24)))
                for dim in range(dims):
                    rows[row, dim] *= shrink
            _best_of_rows(rows, count, query, sums, best)
            first += count
        total = np.float32(0)
        for value in best:
            total += value
        out[item] = total
    return out


@numba.njit(parallel=True, cache=True)
def score_halves(
    docs: NDArray[np.int64],
    offsets: NDArray[np.int64],
    vectors: NDArray[np.uint16],
    query: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Score documents whose vectors are stored whole.

    Args:
        docs: documents to score.
        offsets: document i owns vectors offsets[i] to offsets[i + 1].
        vectors: the bits of float16 (tokens, dims).
        query: `lanes_of` the query.

    Returns:
        As `score_residuals`.
    """
    groups, dims = query.shape[0], query.shape[1]
    out = np.empty(len(docs), dtype=np.float32)
    for item in numba.prange(len(docs)):
        rows = np.zeros((ROWS, dims), dtype=np.float32)
        sums = np.empty((ROWS, LANES), dtype=np.float32)
        best = np.full(groups * LANES, np.float32(-np.inf), dtype=np.float32)
        end = offsets[docs[item] + 1]
        first = offsets[docs[item]]
        while first < end:
            count = min(ROWS, end - first)
            widen(vectors.ctypes.data + first * dims * 2, count * dims, rows.ctypes.data)
            _best_of_rows(rows, count, query, sums, best)
            first += count
        total = np.float32(0)
        for value in best:
            total += value
        out[item] = total
    return out
