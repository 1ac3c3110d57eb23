"""What encoding the documents of a system took, as its results hold it."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from colbench.encoder.cache.store import EncodeStats
from colbench.measures.machine import gemm_gflops
from colbench.results.schema import EncodingInfo

_ALIKE = (
    *("encoder", "form", "backend", "precision", "device"),
    *("tokens", "truncated_tokens", "chunks"),
)
"""What two uses of an encoder must have in common to be one entry."""


def encoding_infos(stats: Iterable[EncodeStats], *, fresh: bool = False) -> list[EncodingInfo]:
    """Return one entry for each encoder, form, arithmetic and way of cutting documents.

    The product that its speed is held against is timed here, once in the life of this process: call
    this where nothing is being measured.

    Args:
        stats: of each use of an encoder.
        fresh: whether another process of this run encoded the documents; where neither did, the
            speed is one of another time and has no such product beside it.
    """
    distinct: dict[tuple[object, ...], EncodeStats] = {}
    for one in stats:
        key = tuple(getattr(one, name) for name in _ALIKE)
        first = distinct.setdefault(key, one)
        if one.encoded > first.encoded:
            distinct[key] = one
    # Vectors from the cache were encoded at another time, perhaps on another machine.
    return [
        one.info(machine_gemm_gflops(one.precision, one.device) if fresh or one.encoded else None)
        for one in distinct.values()
    ]


@functools.cache
def machine_gemm_gflops(precision: str, device: str) -> float | None:
    """Return `gemm_gflops`, measured once in the life of this process."""
    return gemm_gflops(precision, device)
