"""A heat map of similarities as lines of text, and which document tokens it shows.

A cell holds the number and, where the token won, a star, so nothing depends on colours. A cell sets
both its colours, so it reads alike on a dark and on a light terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.style import Style
from rich.text import Text

from colbench.explain.alignment import Alignment
from colbench.explain.labels import Label, labels
from colbench.explain.wording import two_decimals

Column = int | None
"""Position of a document token, or None where some are left out."""

_RADII = (3, 2, 1)


def near_winners(winners: Collection[int], count: int, radius: int) -> list[Column]:
    """Return the positions at most `radius` from a winner, in order, with None for each gap.

    A gap of one token is not worth a column of its own, so that token is shown.

    Args:
        winners: positions of the winning tokens.
        count: tokens of the document.
        radius: neighbours kept on either side.

    >>> near_winners([4, 9], 20, 1)
    [None, 3, 4, 5, None, 8, 9, 10, None]
    >>> near_winners([1, 3], 4, 0)
    [0, 1, 2, 3]
    """
    near = {p for w in winners for p in range(w - radius, w + radius + 1) if 0 <= p < count}
    near |= {p for p in range(count) if {p - 1, p + 1} <= near | {-1, count}}
    columns: list[Column] = []
    for position in range(count):
        if position in near:
            columns.append(position)
        elif not columns or columns[-1] is not None:
            columns.append(None)
    return columns


def choose_columns(
    winners: Collection[int], count: int, fits: Callable[[Sequence[Column]], bool]
) -> list[Column]:
    """Return all columns if they fit, else as much around the winners as fits.

    The winners themselves are always there, whether they fit or not.
    """
    whole: list[Column] = list(range(count))
    if fits(whole):
        return whole
    for radius in _RADII:
        columns = near_winners(winners, count, radius)
        if fits(columns):
            return columns
    return near_winners(winners, count, 0)


VIRIDIS = ("#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#fde725")
"""Matplotlib's viridis at equal steps: even to the eye, and as grey too."""

_LIGHT_INK_BELOW = 0.5
"""Part of the scale where white reads better than black."""

_CELL = 5
"""Narrowest column: the star and `-.05` or `1.00`."""

_MOST_LABEL = 14
_BANDS = 2
"""Blocks of lines that may be filled with neighbours of winners; winners may take more."""


def heat_map(
    alignment: Alignment, scale: tuple[float, float], width: int, *, everything: bool = False
) -> Iterator[Text]:
    """Yield the lines of a heat map, cut into blocks one below the other where it is too wide.

    Args:
        alignment: of one document.
        scale: similarities at the ends of the colour scale.
        width: characters of a line.
        everything: show every document token, else those near winners where not all fit.
    """
    rows, heads = labels(alignment.query_tokens), labels(alignment.document_tokens)
    margin = _margin(rows, width)
    room = max(width - margin, _CELL + 1)
    columns: Sequence[Column] = range(len(heads))
    if not everything:
        winners = set(alignment.winners.tolist())
        columns = choose_columns(
            winners, len(heads), lambda chosen: len(_bands(chosen, heads, room)) <= _BANDS
        )
    for number, band in enumerate(_bands(columns, heads, room)):
        if number:
            yield Text("")
        yield _head([None if c is None else str(c + 1) for c in band], band, heads, margin, "dim")
        yield _head([None if c is None else heads[c].shown for c in band], band, heads, margin)
        for row, label in enumerate(rows):
            yield _row(alignment, row, label, band, heads, scale, margin)


def colours(value: float, scale: tuple[float, float]) -> tuple[str, str]:
    """Return (background, ink) of a similarity, as #rrggbb.

    >>> colours(1.0, (0.0, 1.0)), colours(0.0, (0.0, 1.0))
    (('#fde725', '#000000'), ('#440154', '#ffffff'))
    """
    low, high = scale
    part = min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 1.0
    place = part * (len(VIRIDIS) - 1)
    left = min(int(place), len(VIRIDIS) - 2)
    ends = np.array([Color.parse(VIRIDIS[left + i]).get_truecolor() for i in (0, 1)])
    red, green, blue = (ends[0] + (ends[1] - ends[0]) * (place - left)).round().astype(int).tolist()
    ink = "#ffffff" if part < _LIGHT_INK_BELOW else "#000000"
    return f"#{red:02x}{green:02x}{blue:02x}", ink


def _margin(rows: Sequence[Label], width: int) -> int:
    """Return the characters before the cells: number, space, query token, space."""
    longest = max(cell_len(label.shown) for label in rows)
    return len(str(len(rows))) + min(longest, _MOST_LABEL, max(width // 4, 4)) + 2


def _bands(columns: Sequence[Column], heads: Sequence[Label], room: int) -> list[list[Column]]:
    bands: list[list[Column]] = [[]]
    used = 0
    for column in columns:
        width = _width(column, heads)
        if used + width > room and bands[-1]:
            bands.append([])
            used = 0
        bands[-1].append(column)
        used += width
    return bands


def _width(column: Column, heads: Sequence[Label]) -> int:
    if column is None:
        return 2
    return min(max(cell_len(heads[column].shown), _CELL), _MOST_LABEL) + 1


def _fitted(text: str, width: int) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)


def _head(
    texts: Sequence[str | None],
    band: Sequence[Column],
    heads: Sequence[Label],
    margin: int,
    style: str = "",
) -> Text:
    line = Text(" " * margin, style=style)
    for text, column in zip(texts, band, strict=True):
        width = _width(column, heads)
        line.append("… " if text is None else _fitted(text, width - 1) + " ")
    return line


def _row(
    alignment: Alignment,
    row: int,
    label: Label,
    band: Sequence[Column],
    heads: Sequence[Label],
    scale: tuple[float, float],
    margin: int,
) -> Text:
    number = f"{row + 1:>{len(str(len(alignment.query_tokens)))}} "
    line = Text(number + _fitted(label.shown, margin - len(number) - 1) + " ")
    for column in band:
        if column is None:
            line.append("  ")
            continue
        value = float(alignment.similarities[row, column])
        won = column == alignment.winners[row]
        ground, ink = colours(value, scale)
        text = ("*" if won else " ") + two_decimals(value)
        line.append(
            set_cell_size(text, _width(column, heads)),
            Style(color=ink, bgcolor=ground, bold=won, underline=won),
        )
    return line
