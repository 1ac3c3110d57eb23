"""Which centroid a token belongs to.

Comparing every token with every centroid is nearly all of a build's arithmetic. The coarse way
groups centroids into cells and gives each cell a list of the centroids nearest to its centre; a
token is compared with the centres and then with the list of its cell, a sixteenth of the work. On
SciFact 97 % of tokens get the centroid they would get otherwise, and the mean dot product with it
falls from .8242 to .8216.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colbench.index.colbert.clustering import find_centroids, nearest, nearest_to
from colbench.index.threads import each_on_one_thread

_EXACT_BELOW = 2048
_CENTROIDS_A_CELL = 32
_SHARE = 16
_ROWS = 8192
"""Tokens of a cell that are compared at a time."""


class Assigner:
    """Finds centroids of tokens.

    Args:
        centroids: float32 (centroids, dims).
        exact: compare with all centroids, however many there are.
        seed: of the cells.
    """

    def __init__(self, centroids: NDArray[np.float32], *, exact: bool, seed: int) -> None:
        self._centroids = centroids
        self._cells: NDArray[np.float32] | None = None
        if not exact and len(centroids) > _EXACT_BELOW:
            self._make_cells(seed)

    def _make_cells(self, seed: int) -> None:
        import torch

        count = len(self._centroids) // _CENTROIDS_A_CELL
        cells = find_centroids(self._centroids, count, iterations=5, seed=seed)
        self._cells = cells.astype(np.float32)
        table = torch.from_numpy(self._centroids).T
        (near,) = each_on_one_thread(lambda cells: torch.from_numpy(cells) @ table, [self._cells])
        most = len(self._centroids) // _SHARE
        # In ascending order, so that of equally near centroids the lower number wins as it does
        # when all are compared.
        self._near = near.topk(most, dim=1).indices.sort(dim=1).values.numpy()

    def assign(self, vectors: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the centroid of each row of a float (n, dims) matrix."""
        if self._cells is None:
            return nearest(vectors, self._centroids)
        cell_of = nearest(vectors, self._cells)
        order = np.argsort(cell_of, kind="stable")
        bounds = np.searchsorted(cell_of[order], np.arange(len(self._cells) + 1))
        numbers = np.empty(len(vectors), dtype=np.int64)

        def assign_in(cell: int) -> None:
            rows = order[bounds[cell] : bounds[cell + 1]]
            near = self._near[cell]
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS]
                numbers[part] = near[nearest_to(self._centroids[near])(vectors[part])]

        for _ in each_on_one_thread(assign_in, np.flatnonzero(np.diff(bounds)).tolist()):
            pass
        return numbers
