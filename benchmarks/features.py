"""The benchmarks as features of colbench, registered by whoever runs them."""

from __future__ import annotations

import colbench.features

BENCHMARKS = [
    "benchmarks.application",
    "benchmarks.encode_speed",
    "benchmarks.gate_power",
    "benchmarks.index_speed",
]


def register() -> None:
    """Add the benchmarks to the features; those that are there already stay."""
    known = colbench.features.REGISTERED
    known.extend(package for package in BENCHMARKS if package not in known)
