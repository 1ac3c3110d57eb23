"""When two values of a measure are equal: the one rule of every test, gate and report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TIE = 1e-9
"""Values that differ by no more are tied: it is rounding, far below what a query can change."""


class Outcomes(NamedTuple):
    """Queries by the sign of their difference."""

    wins: int
    ties: int
    losses: int


def differ(first: float, second: float) -> bool:
    """Return whether two values are not tied.

    >>> differ(0.5, 0.5 + 1e-12), differ(0.5, 0.6)
    (False, True)
    """
    return abs(second - first) > TIE


def outcomes(differences: Sequence[float] | NDArray[np.float64]) -> Outcomes:
    """Count the differences above, within and below a tie.

    >>> outcomes([0.2, 1e-12, -0.1, 0.3])
    Outcomes(wins=2, ties=1, losses=1)
    """
    delta = np.asarray(differences, dtype=np.float64)
    above, below = int((delta > TIE).sum()), int((delta < -TIE).sum())
    return Outcomes(above, len(delta) - above - below, below)
