"""Nearest centroids and k-means on a torch device, for builds that are not done on the CPU.

The k-means is the one faiss does on the CPU, step for step: the same first centroids from the same
seed, means of unit vectors brought back to length 1, and an empty cluster filled with half of
another. Sums are taken in the order of the vectors. So centroids are those of the CPU as long as no
vector lies so near to the middle of two that rounding decides; from there on they may differ.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.index.device import upload

_PRODUCTS = 1 << 26
"""Float32 products held at a time: 256 MB."""

_SPLIT = 1 / 1024
_SPLIT_SEED = 1234


class Table:
    """Centroids on a device.

    Args:
        centroids: float32 (centroids, dims).
        device: of torch.
    """

    def __init__(self, centroids: NDArray[np.float32], device: str) -> None:
        self.device = torch.device(device)
        self.rows = upload(centroids, self.device)

    def nearest(self, vectors: NDArray[Any]) -> NDArray[np.int64]:
        """Return the centroid with the largest dot product for each vector, int64 (n,).

        Args:
            vectors: float (n, dims). One between two centroids may get either: the rounding of a
                product depends on how many rows are multiplied at once.
        """
        numbers = np.empty(len(vectors), dtype=np.int64)
        step = _step(len(self.rows))
        for start in range(0, len(vectors), step):
            part = upload(vectors[start : start + step], self.device).to(torch.float32)
            numbers[start : start + step] = nearest_rows(part, self.rows).cpu().numpy()
        return numbers


def _step(centroids: int) -> int:
    return max(_PRODUCTS // max(centroids, 1), 1)


def nearest_rows(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """Return the row of `centroids` with the largest dot product for each vector, int64 (n,).

    Args:
        vectors: float32 (n, dims).
        centroids: float32 (m, dims) on the same device, m >= 1.
    """
    step = _step(len(centroids))
    numbers = torch.empty(len(vectors), dtype=torch.int64, device=vectors.device)
    for start in range(0, len(vectors), step):
        products = vectors[start : start + step] @ centroids.T
        numbers[start : start + step] = products.argmax(dim=1)
    return numbers


def kmeans(
    sample: NDArray[np.floating], count: int, iterations: int, seed: int, device: str
) -> NDArray[np.float32]:
    """Cluster unit vectors.

    Args:
        sample: float (n, dims), unit rows.
        count: centroids, fewer than n.
        iterations: at least one.
        seed: as faiss takes it.
        device: of torch.

    Returns:
        float32 (count, dims), unit rows.
    """
    vectors = upload(sample, torch.device(device)).to(torch.float32)
    centroids = _unit(vectors[_first(len(sample), count, seed).to(vectors.device)])
    for _ in range(iterations):
        owner = nearest_rows(vectors, centroids)
        sizes = torch.bincount(owner, minlength=count)
        grouped = vectors[owner.argsort(stable=True)]
        sums = torch.segment_reduce(grouped, "sum", lengths=sizes, axis=0, initial=0.0)
        means = sums / sizes.clamp(min=1)[:, None]
        centroids = _unit(_without_empty(means, sizes.cpu().numpy()))
    trained: NDArray[np.float32] = centroids.cpu().numpy()
    return trained


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-12)


def _faiss() -> Any:
    """Return the module; its type hints leave its random numbers out."""
    return importlib.import_module("faiss")


def _first(vectors: int, count: int, seed: int) -> torch.Tensor:
    """Return the vectors that faiss begins with."""
    faiss = _faiss()
    order = np.empty(vectors, dtype=np.int32)
    faiss.rand_perm(faiss.swig_ptr(order), vectors, seed + 1)
    return torch.from_numpy(order[:count].astype(np.int64))


def _without_empty(means: torch.Tensor, sizes: NDArray[np.int64]) -> torch.Tensor:
    """Give each empty cluster half of another, which is drawn in proportion to its size."""
    empty = np.flatnonzero(sizes == 0)
    if not len(empty):
        return means
    random = _faiss().RandomGenerator(_SPLIT_SEED)
    left = sizes.astype(np.float32)
    spare = np.float32(sizes.sum() - len(sizes))
    apart = torch.full((means.shape[1],), _SPLIT, device=means.device)
    apart[1::2] *= -1
    for cluster in empty.tolist():
        other = 0
        while random.rand_float() >= (left[other] - 1) / spare:
            other = (other + 1) % len(left)
        means[cluster] = means[other] * (1 + apart)
        means[other] *= 1 - apart
        left[cluster] = left[other] / 2
        left[other] -= left[cluster]
    return means
