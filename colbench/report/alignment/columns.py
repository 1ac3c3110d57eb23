"""Which document tokens a heat map shows: those near winners, where not all fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

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
