"""Placing the names of marks so that they cover neither each other nor a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from colbench.report.charts.theme import FONT_SIZE

_CHARACTER = 0.58 * FONT_SIZE
"""Mean width of a character of a sans-serif face, a little on the safe side."""
_LINE = FONT_SIZE + 2
_POINT = 7.0
"""Half the side of the square that a mark keeps free."""
_NEAR = 9.0
_DISTANCES = (_NEAR, 20.0, 32.0, 46.0, 62.0, 80.0)
_DIRECTIONS: tuple[tuple[float, float, Align], ...] = (
    (1, 0, "left"),
    (-1, 0, "right"),
    (0, -1.6, "center"),  # further off: a line is wide, and would lie on its own mark
    (0, 1.6, "center"),
    (0.8, -0.7, "left"),
    (0.8, 0.7, "left"),
    (-0.8, -0.7, "right"),
    (-0.8, 0.7, "right"),
)

Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Label:
    """Where a name goes.

    Attributes:
        x: pixels from the left, of the side that `align` names.
        y: pixels from the top, of the middle of the line.
        align: how the text lies about `x`.
        distance: pixels from its mark.
        free: whether it covers nothing.
    """

    x: float
    y: float
    align: Align
    distance: float
    free: bool

    @property
    def far(self) -> bool:
        """Whether it stands so far off that a line must lead to it."""
        return self.distance > _NEAR


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0


def place(
    names: Sequence[str],
    marks: Sequence[tuple[float, float]],
    width: int,
    height: int,
    others: Sequence[tuple[float, float]] = (),
    line: Sequence[tuple[float, float]] = (),
) -> list[Label]:
    """Return a place for the name of each mark, the nearest one that is free.

    Args:
        names: what is written, one line each.
        marks: (x, y) in pixels from the upper left corner, one per name.
        width: of the plotting area, in pixels.
        height: of it.
        others: marks without a name, which are kept free as well.
        line: corners of a line through marks, each piece of it level or upright.
    """
    taken = [_around(x, y) for x, y in (*marks, *others)]
    taken += [_stroke(start, end) for start, end in pairwise(line)]
    labels: list[Label] = []
    for name, (x, y) in zip(names, marks, strict=True):
        label, box = _best(name, x, y, taken, width, height)
        labels.append(label)
        taken.append(box)
    return labels


def _around(x: float, y: float) -> _Box:
    return _Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT)


def _stroke(start: tuple[float, float], end: tuple[float, float]) -> _Box:
    (left, right), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    return _Box(left - 1, top - 1, right + 1, bottom + 1)


def _best(
    name: str, x: float, y: float, taken: Sequence[_Box], width: int, height: int
) -> tuple[Label, _Box]:
    own = _around(x, y)
    best: tuple[float, Label, _Box] | None = None
    for distance in _DISTANCES:
        for across, down, align in _DIRECTIONS:
            at = x + across * distance, y + down * distance
            box = _text_box(name, *at, align)
            covered = sum(box.overlap(other) for other in taken if other != own)
            outside = (box.right - box.left) * _LINE - box.overlap(_Box(0, 0, width, height))
            cost = covered + 4 * outside
            if best is None or cost < best[0]:
                free = cost < 1
                best = cost, Label(*at, align, distance, free), box
                if free:
                    return best[1:]
    assert best is not None
    return best[1:]


def _text_box(name: str, x: float, y: float, align: Align) -> _Box:
    wide = len(name) * _CHARACTER
    left = x - {"left": 0.0, "center": wide / 2, "right": wide}[align]
    return _Box(left, y - _LINE / 2, left + wide, y + _LINE / 2)
