"""What the kernels of the last stage read: stored tokens, a codec and a query as bytes.

A token's score is (c·q + r·q) / ‖c + r‖ for its centroid c and the bucket weights r. Here c·q stays
float32, and r·q = s_r s_q Σ r₈ q₈ with bytes r₈, q₈: weights and query tokens are divided by their
own scale and rounded. ‖c + r‖² = ‖c‖² + 2 c·r + ‖r‖² is taken from bytes in the same way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.codec import Codec, bucket_numbers
from colbench.index.colbert.kernels.llvm import LANES

_MOST = 127.0
_BLOCK = 64
_AT_ONCE = 512


class StoredTokens(NamedTuple):
    """The tokens of a segment's documents, as a kernel reads them.

    Attributes:
        offsets: int64 (documents + 1,): document i owns tokens offsets[i] to offsets[i + 1].
        codes: uint16 or uint32 (tokens,), centroid of each token.
        packed: uint8 (tokens, bytes), packed residuals; no bytes with centroids only.
    """

    offsets: NDArray[np.int64]
    codes: NDArray[np.integer]
    packed: NDArray[np.uint8]


class ByteTables(NamedTuple):
    """A codec as bytes. "Plane order": first dimension of every packed byte, then all second ones.

    Attributes:
        nbits: bits per dimension.
        dims: dimensions of a vector.
        table: uint8 (256,): bucket bits as they lie in a packed byte → weight + 128. Below 8 bits
            the 16 entries are repeated.
        weight_scale: float32, what a weight of 1 stands for.
        centroids: int8 (centroids, dims rounded up to 64), plane order.
        scales: float32 (centroids,), what a 1 in each centroid stands for.
        shifts: int32 (centroids,), 128 Σ c₈.
        squares: float32 (centroids,), ‖c‖².
    """

    nbits: int
    dims: int
    table: NDArray[np.uint8]
    weight_scale: np.float32
    centroids: NDArray[np.int8]
    scales: NDArray[np.float32]
    shifts: NDArray[np.int32]
    squares: NDArray[np.float32]


class ByteQuery(NamedTuple):
    """A query as bytes, 16 tokens a group.

    Attributes:
        tokens: int8 (groups, dims rounded up to 64 / 4, 16, 4), plane order.
        starts: int32 (groups * 16,), -128 Σ q₈: makes up for the 128 added to each weight.
        scales: float32 (groups * 16,), s_r s_q.
    """

    tokens: NDArray[np.int8]
    starts: NDArray[np.int32]
    scales: NDArray[np.float32]


def plane_order(dims: int, nbits: int) -> NDArray[np.int64]:
    """Return the dimension at each place of the plane order.

    >>> plane_order(8, 4).tolist()
    [0, 2, 4, 6, 1, 3, 5, 7]
    """
    return np.arange(dims).reshape(-1, 8 // nbits).T.ravel()


def _rounded(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round each row to bytes; returns them and the scale of each row."""
    scales = np.abs(rows).max(axis=1, initial=0.0) / np.float32(_MOST)
    safe = np.where(scales > 0, scales, np.float32(1))
    return np.rint(rows / safe[:, None]).astype(np.int8), scales.astype(np.float32)


def _padded(dims: int) -> int:
    return -(-dims // _BLOCK) * _BLOCK


def _in_planes(rows: NDArray[np.int8], nbits: int) -> NDArray[np.int8]:
    count, dims = rows.shape
    padded = np.zeros((count, _padded(dims)), dtype=np.int8)
    padded[:, :dims] = rows[:, plane_order(dims, nbits)]
    return padded


def byte_tables(codec: Codec) -> ByteTables:
    """Round a codec with 1 to 8 bits per dimension to bytes."""
    weights, weight_scale = _rounded(codec.weights[None, :])
    by_bits = np.zeros(1 << codec.nbits, dtype=np.uint8)
    # The top value of a byte b is bits b >> (8 - nbits), in their packed (reversed) order.
    top = np.arange(1 << codec.nbits) << (8 - codec.nbits)
    by_bits[:] = weights[0, bucket_numbers(codec.nbits)[top, 0]].astype(np.int16) + 128
    repeated = np.resize(by_bits, max(16, len(by_bits)))
    return ByteTables(
        nbits=codec.nbits,
        dims=codec.dims,
        table=np.tile(repeated, 256 // len(repeated)),
        weight_scale=np.float32(weight_scale[0]),
        **_byte_centroids(codec),
    )


def _byte_centroids(codec: Codec) -> dict[str, NDArray[Any]]:
    """Round the centroids, some at a time: a searching process should stay small."""
    count = len(codec.centroids)
    rounded = np.empty((count, _padded(codec.dims)), dtype=np.int8)
    scales, squares = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    shifts = np.empty(count, dtype=np.int32)
    for start in range(0, count, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        wide = codec.centroids[part].astype(np.float32)
        whole, scales[part] = _rounded(wide)
        rounded[part] = _in_planes(whole, codec.nbits)
        shifts[part] = 128 * whole.sum(axis=1, dtype=np.int32)
        squares[part] = np.einsum("ij,ij->i", wide, wide)
    return {"centroids": rounded, "scales": scales, "shifts": shifts, "squares": squares}


def byte_query(query: NDArray[np.float32], tables: ByteTables) -> ByteQuery:
    """Round a query, float32 (tokens, dims), to bytes."""
    groups = -(-len(query) // LANES)
    padded = np.zeros((groups * LANES, query.shape[1]), dtype=np.float32)
    padded[: len(query)] = query
    rounded, scales = _rounded(padded)
    planes = _in_planes(rounded, tables.nbits)
    quads = planes.reshape(groups, LANES, planes.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    return ByteQuery(
        tokens=np.ascontiguousarray(quads),
        starts=-128 * planes.sum(axis=1, dtype=np.int32),
        scales=scales * tables.weight_scale,
    )
