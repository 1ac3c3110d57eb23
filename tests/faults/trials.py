"""How many trials there are, and what became of them."""

from __future__ import annotations

import os
import random
from collections import defaultdict

import pytest

TRIALS = int(os.environ.get("COLBENCH_FAULT_TRIALS", "2"))
"""Trials of each operation: a sample by default, all of them with `make faults`."""

in_full = pytest.mark.skipif(TRIALS < 10, reason="seconds or minutes: part of make faults")
"""Mark of a test that a sample leaves out."""

SEED = int(os.environ.get("COLBENCH_FAULT_SEED", "0"))
COLUMNS = ("trials", "interrupted", "survived", "lost")

table: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COLUMNS, 0))
"""operation → column → count"""


class Trial:
    """One trial in the table; it counts as survived when the block ends without an error."""

    def __init__(self, operation: str) -> None:
        self._row = table[operation]

    def __enter__(self) -> Trial:
        self._row["trials"] += 1
        return self

    def interrupted(self) -> None:
        """Record that the operation had not ended when it was stopped."""
        self._row["interrupted"] += 1

    def __exit__(self, kind: object, *_: object) -> None:
        self._row["lost" if kind else "survived"] += 1


def seeded(name: str, number: int) -> random.Random:
    """Return the random numbers of a trial."""
    return random.Random(f"{name} {SEED} {number}")
