"""The Pareto front of cost and effectiveness: the choices that no other one beats."""

from __future__ import annotations

import math
from collections.abc import Mapping


def pareto_front(values: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the names that no other one beats, cheapest first.

    One beats another that it equals or betters in both, and betters in one. Those that are equal in
    both do not beat each other: they are on the front together, in the order given.

    Args:
        values: name → (cost, effectiveness); less cost and more effectiveness are better. What is
            to count as equal has to be rounded before.

    >>> pareto_front({"a": (1, 0.5), "b": (2, 0.7), "c": (3, 0.6), "d": (2, 0.7)})
    ['a', 'b', 'd']
    """
    front: list[str] = []
    last = (math.inf, -math.inf)
    for name in sorted(values, key=lambda name: (values[name][0], -values[name][1])):
        if values[name][1] > last[1] or tuple(values[name]) == last:
            front.append(name)
            last = values[name]
    return front
