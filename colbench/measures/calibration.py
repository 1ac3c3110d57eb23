"""How fast this machine is now: two fixed workloads, timed beside the systems.

A latency in milliseconds says as much about the machine as about the system. Divided by the time
of a fixed piece of work of the same run it can be held against that of another day: the encoding of
a query against a matrix product (arithmetic), a search against a scan (memory).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from colbench.measures.gemm import product_seconds
from colbench.records import Record
from colbench.timing import repeated

_SIDE = 1024
"""Rows and columns of the product's float32 matrices: 2.1 GFLOP."""

_SCANNED = 16_384
"""Rows of `_SIDE` float32 values that a scan reads: 64 MiB, more than a core's own caches hold."""

_REPEATS = 9


class Calibration(Record):
    """Fixed work, timed just after the system with the same threads: how fast the machine was."""

    gemm_ms: float = Field(gt=0, description="product of two 1024 × 1024 float32 matrices, median")
    scan_ms: float = Field(gt=0, description="64 MiB float32 matrix times a vector, median")


def calibrate() -> Calibration:
    """Time both workloads, with the threads this process was given. Takes about half a second."""
    random = np.random.default_rng(0)
    rows = random.random((_SCANNED, _SIDE), np.float32)
    square, vector = rows[:_SIDE].copy(), rows[0].copy()
    products = product_seconds(square, least=_REPEATS)
    scans = repeated(lambda: rows @ vector, least=_REPEATS)
    return Calibration(
        gemm_ms=float(np.median(products)) * 1000, scan_ms=float(np.median(scans)) * 1000
    )
