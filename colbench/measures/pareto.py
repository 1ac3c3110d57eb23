"""The Pareto front: what no other choice beats in both cost and effectiveness."""

from __future__ import annotations

import math
from collections.abc import Mapping


def pareto_front(values: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names that no other one beats, cheapest first.

    One beats another that costs no less and is no better. Of those that are equal in both, the
    first given stands for all.

    Args:
        values: name → (cost, effectiveness); less cost and more effectiveness are better.

    >>> pareto_front({"a": (1, 0.5), "b": (2, 0.7), "c": (3, 0.6), "d": (2, 0.7)})
    ['a', 'b']
    """
    front: list[str] = []
    best = -math.inf
    for name in sorted(values, key=lambda name: (values[name][0], -values[name][1])):
        if values[name][1] > best:
            front.append(name)
            best = values[name][1]
    return front
