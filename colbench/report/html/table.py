"""Tables as the page's templates take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """A cell.

    Attributes:
        text: what is shown, unescaped.
        value: what a numeric column is sorted by; None sorts last.
        best: whether it is set in bold.
        difference: to the baseline, shown smaller beneath.
        hint: shown on hover.
        tag: a word beside the text, such as `baseline`.
    """

    text: str
    value: float | None = None
    best: bool = False
    difference: str = ""
    hint: str = ""
    tag: str = ""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: its head.
        numeric: whether it is aligned to the right and sorted by value, the highest first.
        falling: whether the first click sorts the highest first.
    """

    title: str
    numeric: bool = True
    falling: bool = False


@dataclass(frozen=True)
class Line:
    """A row.

    Attributes:
        cells: one a column.
        run: the run it belongs to, where the page holds several.
    """

    cells: Sequence[Entry]
    run: str = ""


@dataclass(frozen=True)
class DataTable:
    """A table.

    Attributes:
        name: tells assistive software what it holds.
        columns: the head.
        lines: the body.
        told: how to read it, in a sentence; empty for none.
    """

    name: str
    columns: Sequence[Column]
    lines: Sequence[Line] = field(default_factory=list)
    told: str = ""


def plain(
    name: str,
    words: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str | Entry]],
    told: str = "",
) -> DataTable:
    """Return a table of columns with words, then columns with numbers.

    A cell given as a string is shown as it is; one of a column with numbers is given as an `Entry`.
    """
    columns = [Column(title, numeric=False) for title in words] + [Column(t) for t in numbers]
    lines = [
        Line([cell if isinstance(cell, Entry) else Entry(cell) for cell in row]) for row in rows
    ]
    return DataTable(name, columns, lines, told)
