"""The frame of a chart: its size, and where a value falls in it.

Scales are fixed here and not left to Vega-Lite, so that labels can be placed before it draws.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_LABEL_PIXELS = 46
"""Room that a tick label of an axis needs."""


@dataclass(frozen=True)
class Layout:
    """Size of the plotting area, in pixels.

    Attributes:
        width: of the plotting area; axes and their titles come on top.
        height: of the plotting area.
        narrow: whether it is for a phone.
    """

    width: int
    height: int
    narrow: bool = False


WIDE = Layout(740, 390)
NARROW = Layout(270, 330, narrow=True)


@dataclass(frozen=True)
class Axis:
    """A scale with its ends.

    Attributes:
        low: value at its beginning.
        high: value at its end.
        pixels: length.
        log: whether it is logarithmic.
    """

    low: float
    high: float
    pixels: int
    log: bool

    @classmethod
    def around(
        cls,
        values: Iterable[float],
        pixels: int,
        *,
        log: bool,
        margin: float = 0.08,
        least: float = 0.005,
    ) -> Axis:
        """Return an axis on which all values lie.

        Args:
            values: what is to lie on it; above 0 for a logarithmic one.
            pixels: its length.
            log: whether it is logarithmic.
            margin: share of the values' span that is left free at both ends.
            least: what a linear one leaves free at least, in its own unit.
        """
        values = list(values)
        if log:
            ends = math.log10(min(values)), math.log10(max(values))
            pad = max(0.15, margin * (ends[1] - ends[0]))
            return cls(10 ** (ends[0] - pad), 10 ** (ends[1] + pad), pixels, log)
        pad = max(least, margin * (max(values) - min(values)))
        low = min(values) - pad
        return cls(low if min(values) < 0 else max(0.0, low), max(values) + pad, pixels, log)

    def place(self, value: float) -> float:
        """Return pixels from the beginning."""
        low, high, value = self._linear(self.low), self._linear(self.high), self._linear(value)
        return self.pixels * (value - low) / (high - low)

    def value(self, place: float) -> float:
        """Return the value at so many pixels from the beginning."""
        low, high = self._linear(self.low), self._linear(self.high)
        value = low + (high - low) * place / self.pixels
        return float(10**value) if self.log else value

    def _linear(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def scale(self) -> Any:
        """Return the Altair scale."""
        import altair

        ends = [self.low, self.high]
        if self.log:
            return altair.Scale(type="log", domain=ends, nice=False)
        return altair.Scale(domain=ends, nice=False, zero=False)

    def format(self, ticks: int) -> str:
        """Return the d3 format that tells about so many ticks of a linear axis apart.

        >>> Axis(0.2, 0.7, 300, log=False).format(5), Axis(0.70, 0.72, 300, log=False).format(5)
        ('.2f', '.3f')
        """
        step = (self.high - self.low) / ticks
        return f".{min(4, max(0 if step >= 1 else 2, math.ceil(-math.log10(step))))}f"

    def ticks(self) -> list[float]:
        """Return round values of a logarithmic axis, no more than have room.

        >>> Axis(0.5, 600, 600, log=True).ticks()
        [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]
        """
        values: list[float] = []
        for digits in ((1, 2, 5), (1, 3), (1,)):
            values = _decades(self.low, self.high, digits)
            if len(values) * _LABEL_PIXELS <= self.pixels:
                break
        return values


def _decades(low: float, high: float, digits: Iterable[int]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [float(f"{d}e{e}") for e in range(first, last + 1) for d in digits]
    return [int(v) if v.is_integer() else v for v in values if low <= v <= high]
