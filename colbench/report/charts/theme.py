"""Colours and type of charts and page, light and dark.

A chart names no colour: it names a parameter (`accent`, `loss`, ...) and gets the values from the
Vega-Lite configuration it is drawn with, so that one description serves both schemes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
FONT_SIZE = 12
"""Of text in charts, in pixels."""

_SPECTRUM = ("#4c6ef5", "#1594c9", "#0f9f8f", "#5f9e2f", "#c98a10", "#e0602c", "#d0407e")
"""Of middle lightness: each stands out from a white as from a black ground."""


@dataclass(frozen=True)
class Scheme:
    """Colours by what they are for; values are CSS colours.

    Attributes:
        paper: ground of the page.
        surface: ground of what stands out from the page: table heads, cards.
        ink: text.
        muted: secondary text, axis labels.
        line: grid lines and borders.
        accent: what a reader should see first.
        other: what stands behind it.
        loss: a change for the worse.
        gain: a change for the better.
        total: a value that is no change.
    """

    paper: str
    surface: str
    ink: str
    muted: str
    line: str
    accent: str
    other: str
    loss: str
    gain: str
    total: str

    def colours(self) -> dict[str, str]:
        """Return name → colour."""
        return asdict(self)


LIGHT = Scheme(
    paper="#ffffff",
    surface="#f5f7f9",
    ink="#1d2329",
    muted="#5b6570",
    line="#dde2e7",
    accent="#1d5fc4",
    other="#7f8994",
    loss="#bf4310",
    gain="#0b7a6b",
    total="#56697d",
)
DARK = Scheme(
    paper="#14181d",
    surface="#1d232a",
    ink="#e4e8ec",
    muted="#a0abb6",
    line="#343c46",
    accent="#7db2ff",
    other="#858f9a",
    loss="#f2915a",
    gain="#4ecbb6",
    total="#8aa0b7",
)


def configuration(scheme: Scheme, *, background: str = "transparent") -> dict[str, Any]:
    """Return the Vega-Lite configuration that a chart is drawn with."""
    axis = {
        "labelColor": scheme.muted,
        "titleColor": scheme.ink,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": scheme.line,
        "domainColor": scheme.line,
        "tickColor": scheme.line,
        "labelFontSize": FONT_SIZE,
        "titleFontSize": FONT_SIZE,
    }
    legend = {
        "labelColor": scheme.ink,
        "titleColor": scheme.muted,
        "titleFontWeight": "normal",
        "labelFontSize": FONT_SIZE,
        "titleFontSize": FONT_SIZE,
        "labelLimit": 320,
        "titleLimit": 320,
    }
    return {
        "background": background,
        "font": FONT,
        "params": [{"name": name, "value": value} for name, value in scheme.colours().items()],
        "axis": axis,
        "legend": legend,
        "text": {"fontSize": FONT_SIZE, "color": scheme.ink},
        "title": {
            "color": scheme.ink,
            "fontSize": FONT_SIZE + 1,
            "anchor": "start",
            "frame": "group",
        },
        "view": {"stroke": None},
    }


def colour(name: str) -> Any:
    """Return the expression that stands for a colour of `Scheme` in a chart."""
    import altair

    return altair.expr(name)


def spectrum(count: int) -> list[str]:
    """Return `count` colours for values that have an order.

    >>> spectrum(2)
    ['#4c6ef5', '#d0407e']
    >>> len(set(spectrum(30)))
    30
    """
    last = len(_SPECTRUM) - 1
    places = [last * number / max(1, count - 1) for number in range(count)]
    return [_between(place) for place in places]


def _between(place: float) -> str:
    low = min(int(place), len(_SPECTRUM) - 2)
    ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in _SPECTRUM[low : low + 2]]
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
