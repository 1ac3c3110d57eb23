"""Which texts share a forward pass.

A pass costs what its longest text costs times the number of texts, so texts of like length share
one, and a budget of tokens bounds it rather than a number of texts: short texts go in larger
batches. A batch that is taken out leaves the cuts between the others where they were, because the
size of each follows from its own longest text; an interrupted run resumes on that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def plan_batches(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Return the positions of the texts of each batch, longest texts first.

    Args:
        lengths: tokens read of each text; equal ones stay in the order given.
        budget: tokens of one batch, padding among them; a longer text is a batch of its own.

    >>> [batch.tolist() for batch in plan_batches(np.array([2, 9, 3, 4]), budget=8)]
    [[1], [3, 2], [0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    first = 0
    while first < len(order):
        end = first + max(budget // max(int(lengths[order[first]]), 1), 1)
        batches.append(order[first:end])
        first = end
    return batches
