"""Names of a sweep's axes as tables show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def short_names(axes: Iterable[str]) -> dict[str, str]:
    """Return the last part of each axis, or the whole of it where two end alike.

    >>> short_names(["index.dims", "search.nprobe", "k"])
    {'index.dims': 'dims', 'search.nprobe': 'nprobe', 'k': 'k'}
    """
    ends = {axis: axis.rpartition(".")[2] for axis in axes}
    counted = list(ends.values())
    return {axis: end if counted.count(end) == 1 else axis for axis, end in ends.items()}


def shown(value: Any) -> str:
    """Return a value of an axis as the configuration writes it.

    >>> shown(None), shown(0.4), shown("k100")
    ('null', '0.4', 'k100')
    """
    return "null" if value is None else str(value)
