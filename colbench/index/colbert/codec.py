"""ColBERTv2's residual codec: a vector is its nearest centroid plus a few bits per dimension.

Santhanam et al. 2022, https://arxiv.org/abs/2112.01488, section 3.3. The packed bytes are those of
the authors' implementation (colbert-ai): dimension after dimension, the most significant end of a
byte first, and the bits of one value in reversed order.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

PACKED_BITS = (1, 2, 4, 8)
"""Values of `nbits` that have residual codes."""

_MOST_VALUES = 1 << 24


@dataclass(frozen=True)
class Codec:
    """Centroids and buckets of one index.

    Attributes:
        nbits: bits per dimension; 0 for centroids only.
        centroids: float16 (centroids, dims), unit rows.
        cutoffs: float32 (2^nbits - 1,), ascending: value v falls into bucket `sum(v > cutoffs)`.
        weights: float32 (2^nbits,): the value each bucket stands for.
    """

    nbits: int
    centroids: NDArray[np.float16]
    cutoffs: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def dims(self) -> int:
        """Dimensions of a vector."""
        return int(self.centroids.shape[1])

    @property
    def code_bytes(self) -> int:
        """Bytes of one vector's packed residual."""
        return self.dims * self.nbits // 8

    @property
    def centroid_bits(self) -> NDArray[np.uint16]:
        """The bits of the centroids: numba has no float16 on a CPU."""
        return self.centroids.view(np.uint16)

    @functools.cached_property
    def wide_centroids(self) -> NDArray[np.float32]:
        """The centroids as float32, for building; a search reads the mapped float16."""
        return self.centroids.astype(np.float32)

    def compress(
        self, vectors: NDArray[np.floating], codes: NDArray[np.integer]
    ) -> NDArray[np.uint8]:
        """Pack the residuals of vectors.

        Args:
            vectors: float (n, dims).
            codes: integer (n,), the centroid of each.

        Returns:
            uint8 (n, dims * nbits / 8).
        """
        packed = np.zeros((len(vectors), self.code_bytes), dtype=np.uint8)
        if packed.size:
            wide = np.ascontiguousarray(vectors, dtype=np.float32)
            _pack(wide, codes, self.wide_centroids, self.cutoffs, self.nbits, packed)
        return packed

    def decompress(
        self, codes: NDArray[np.integer], packed: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return unit vectors, float32 (n, dims), from centroid numbers and packed residuals."""
        vectors: NDArray[np.float32] = self.wide_centroids[codes]
        if self.nbits:
            vectors += self.residuals(packed)
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        vectors /= np.maximum(norms, np.float32(1e-12))[:, None]
        return vectors

    def residuals(self, packed: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (n, dims): the bucket weight of every dimension."""
        values: NDArray[np.float32] = self.byte_values[packed]
        return values.reshape(len(packed), self.dims)

    @functools.cached_property
    def byte_values(self) -> NDArray[np.float32]:
        """float32 (256, dimensions a byte): what each byte of a packed residual stands for."""
        values: NDArray[np.float32] = self.weights[bucket_numbers(self.nbits)]
        return values


def bucket_numbers(nbits: int) -> NDArray[np.int64]:
    """Return the buckets that each byte holds, int64 (256, 8 / nbits).

    >>> bucket_numbers(2)[0b01_10_00_11].tolist()
    [2, 1, 0, 3]
    """
    per_byte = 8 // nbits
    byte = np.arange(256)[:, None]
    value = np.arange(per_byte)[None, :]
    numbers = np.zeros((256, per_byte), dtype=np.int64)
    for bit in range(nbits):
        numbers |= ((byte >> (7 - value * nbits - bit)) & 1) << bit
    return numbers


def learn_buckets(
    residuals: NDArray[np.float32], nbits: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Choose cut-offs and weights so that every bucket is equally full.

    Args:
        residuals: float32, any shape: differences between held-out vectors and their centroids.
        nbits: bits per dimension; 0 and 16 have no buckets.

    Returns:
        (cutoffs (2^nbits - 1,), weights (2^nbits,)): the quantiles i/2^nbits and (i + ½)/2^nbits.
    """
    if nbits not in PACKED_BITS:
        return np.empty(0, np.float32), np.zeros(1, np.float32)
    values = residuals.ravel()
    if not len(values):
        values = np.zeros(1, dtype=np.float32)
    values = values[:: -(-len(values) // _MOST_VALUES)]
    steps = np.arange(1 << nbits) / (1 << nbits)
    cutoffs = np.quantile(values, steps[1:])
    weights = np.quantile(values, steps + 0.5 / (1 << nbits))
    return cutoffs.astype(np.float32), weights.astype(np.float32)


@numba.njit(parallel=True, cache=True)
def _pack(
    vectors: NDArray[np.float32],
    codes: NDArray[np.integer],
    centroids: NDArray[np.float32],
    cutoffs: NDArray[np.float32],
    nbits: int,
    packed: NDArray[np.uint8],
) -> None:
    dims = vectors.shape[1]
    per_byte = 8 // nbits
    for row in numba.prange(len(vectors)):
        buckets = np.zeros(dims, dtype=np.uint8)
        centroid = centroids[codes[row]]
        for cutoff in cutoffs:
            for dim in range(dims):
                buckets[dim] += np.uint8(vectors[row, dim] - centroid[dim] > cutoff)
        for byte in range(packed.shape[1]):
            value = 0
            for place in range(per_byte):
                bucket = buckets[byte * per_byte + place]
                for bit in range(nbits):
                    value |= ((bucket >> bit) & 1) << (7 - place * nbits - bit)
            packed[row, byte] = value
