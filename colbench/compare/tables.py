"""The parts a shown comparison is made of: sections, tables, and how cells are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from colbench.compare.record import PairComparison

_LONGEST = 90
"""Characters of a value or a query that are shown."""


@dataclass(frozen=True)
class ComparisonTable:
    """Cells as plain text.

    Attributes:
        name: what stands above it; empty for nothing.
        titles: of the columns.
        lines: a row each.
        code: number of leading columns that hold names.
        left: number of leading columns that are left-aligned.
    """

    name: str
    titles: Sequence[str]
    lines: Sequence[Sequence[str]]
    code: int = 1
    left: int = 1


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it: sentences, tables, how to read them."""

    heading: str
    notes: list[str] = field(default_factory=list)
    tables: list[ComparisonTable] = field(default_factory=list)
    legend: str = ""


def pair_name(pair: PairComparison) -> str:
    """Return the name of both systems, or both names.

    >>> from types import SimpleNamespace as Pair
    >>> pair_name(Pair(a="bm25", b="bm25")), pair_name(Pair(a="bm25", b="colbert"))
    ('bm25', 'bm25 → colbert')
    """
    return pair.a if pair.a == pair.b else f"{pair.a} → {pair.b}"


def points(difference: float) -> str:
    """A difference in points, with its sign.

    >>> points(-0.01234), points(-0.00001)
    ('-1.23', '0.00')
    """
    shown = round(100 * difference, 2)
    return f"{shown:+.2f}" if shown else "0.00"


def shortened(text: str) -> str:
    """Return text as one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
