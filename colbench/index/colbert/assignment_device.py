"""Which centroid a token belongs to, found on a torch device.

Comparisons are those of `assignment`, with the same cells and the same lists, so a token gets the
centroid it would get on the CPU unless two, or two cells, are equally near to within rounding.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from colbench.index.colbert.assignment import Assigner
from colbench.index.colbert.clustering_device import Table, nearest_rows
from colbench.index.device import upload


class DeviceAssigner(Assigner):
    """Finds centroids of tokens on a torch device; cells are made on the CPU.

    Args:
        centroids: float32 (centroids, dims).
        exact: compare with all centroids, however many there are.
        seed: of the cells.
        device: of torch.
    """

    def __init__(
        self, centroids: NDArray[np.float32], *, exact: bool, seed: int, device: str
    ) -> None:
        super().__init__(centroids, exact=exact, seed=seed)
        self._table = Table(centroids, device)
        if self._cells is not None:
            self._centres = Table(self._cells, device)
            self._lists = upload(self._near, self._table.device)

    def assign(self, vectors: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the centroid of each row of a float (n, dims) matrix."""
        if self._cells is None:
            return self._table.nearest(vectors)
        rows = upload(vectors, self._table.device).to(torch.float32)
        cell_of = nearest_rows(rows, self._centres.rows)
        order = cell_of.argsort(stable=True)
        ends = torch.bincount(cell_of, minlength=len(self._cells)).cumsum(0).tolist()
        nearest = torch.empty_like(cell_of)
        start = 0
        for cell, end in enumerate(ends):
            if end > start:
                own, near = order[start:end], self._lists[cell]
                nearest[own] = near[nearest_rows(rows[own], self._table.rows[near])]
            start = end
        numbers: NDArray[np.int64] = nearest.cpu().numpy()
        return numbers
