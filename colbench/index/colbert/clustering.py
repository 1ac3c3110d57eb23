"""Centroids: k-means over a sample, in two levels where one would take too long.

One level compares every vector with every centroid. Two levels split the sample into cells first
and run k-means inside each cell, with as many centroids as its share of the sample: 16,384
centroids of 524,288 vectors of 384 dimensions take 5 seconds on two cores.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from colbench.index.threads import each_on_one_thread

FLAT = 512
"""Up to this many centroids one level is fast enough."""

_CELL_SAMPLE = 256
_TILE = 16
_PRODUCTS = 1 << 24
"""Float32 products that a thread holds at a time: 64 MB."""


def find_centroids(
    sample: NDArray[np.floating], count: int, *, iterations: int, seed: int, device: str = "cpu"
) -> NDArray[np.float16]:
    """Cluster unit vectors.

    Args:
        sample: float (n, dims), unit rows, n >= 1.
        count: centroids wanted; where the sample is smaller, its rows are the centroids.
        iterations: of k-means.
        seed: equal seeds give equal centroids, on one device and with any number of threads.
        device: where; another torch device than the CPU takes `clustering_device`.

    Returns:
        float16 (at most count, dims), unit rows before rounding.
    """
    if count >= len(sample):
        centroids = sample.astype(np.float32)
    elif count <= FLAT:
        centroids = _kmeans(sample, count, iterations, seed, device)
    else:
        centroids = _two_levels(sample, count, iterations, seed, device)
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    unit: NDArray[np.float16] = (centroids / np.maximum(lengths, 1e-12)).astype(np.float16)
    return unit


def _kmeans(
    sample: NDArray[np.floating], count: int, iterations: int, seed: int, device: str
) -> NDArray[np.float32]:
    if device != "cpu":
        from colbench.index.colbert import clustering_device

        return clustering_device.kmeans(sample, count, iterations, seed + 1, device)
    (centroids,) = each_on_one_thread(lambda n: _faiss_kmeans(sample, n, iterations, seed), [count])
    return centroids


def _faiss_kmeans(
    sample: NDArray[np.floating], count: int, iterations: int, seed: int
) -> NDArray[np.float32]:
    """Cluster on the thread that calls, which must have the libraries to itself."""
    import faiss

    vectors = np.ascontiguousarray(sample, dtype=np.float32)
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=iterations,
        seed=seed + 1,  # faiss takes 0 for "any"
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(vectors)
    return np.asarray(kmeans.centroids, dtype=np.float32)


def _two_levels(
    sample: NDArray[np.floating], count: int, iterations: int, seed: int, device: str
) -> NDArray[np.float32]:
    from colbench.progress import bar  # here, for a process that only searches stays small

    cells = 1 << ((count.bit_length() + 1) // 2)
    chosen = np.random.default_rng(seed).permutation(len(sample))[: cells * _CELL_SAMPLE]
    centres = _kmeans(sample[np.sort(chosen)], cells, iterations, seed, device)
    cell_of = nearest(sample, centres, device)
    order = np.argsort(cell_of, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(cell_of, minlength=len(centres)))])
    share = np.diff(bounds * count // len(sample))

    def centroids_of(cell: int) -> NDArray[np.float32]:
        members = sample[order[bounds[cell] : bounds[cell + 1]]]
        if share[cell] >= len(members):
            return members.astype(np.float32)
        if share[cell] == 0:
            return np.empty((0, sample.shape[1]), dtype=np.float32)
        if device != "cpu":
            return _kmeans(members, int(share[cell]), iterations, seed, device)
        return _faiss_kmeans(members, int(share[cell]), iterations, seed)

    numbers = range(len(centres))
    parts = (
        each_on_one_thread(centroids_of, numbers) if device == "cpu" else map(centroids_of, numbers)
    )
    return np.concatenate(list(bar(parts, total=len(centres), description="k-means", unit="cell")))


def nearest(
    vectors: NDArray[np.floating], centroids: NDArray[np.float32], device: str = "cpu"
) -> NDArray[np.int64]:
    """Return the centroid with the largest dot product for each vector, int64 (n,).

    On the CPU a vector between two centroids gets the same one whatever vectors stand beside it,
    and with any number of threads.
    """
    if device != "cpu":
        from colbench.index.colbert.clustering_device import Table

        return Table(centroids, device).nearest(vectors)
    find = nearest_to(centroids)
    step = max(_PRODUCTS // max(len(centroids), 1), _TILE)
    starts = range(0, len(vectors), step)
    found = each_on_one_thread(lambda start: find(vectors[start : start + step]), starts)
    return np.concatenate([np.empty(0, dtype=np.int64), *found])


def nearest_to(
    centroids: NDArray[np.float32],
) -> Callable[[NDArray[np.floating]], NDArray[np.int64]]:
    """Return a function that does what `nearest` does, on the thread that calls it."""
    import torch

    table = torch.from_numpy(np.ascontiguousarray(centroids)).T

    def find(vectors: NDArray[np.floating]) -> NDArray[np.int64]:
        # A product of few rows, or of a number of rows that fills no tile, is rounded otherwise.
        rows = np.zeros((-(-len(vectors) // _TILE) * _TILE, vectors.shape[1]), dtype=np.float32)
        rows[: len(vectors)] = vectors
        best: NDArray[np.int64] = (torch.from_numpy(rows) @ table).argmax(dim=1).numpy()
        return best[: len(vectors)]

    return find
