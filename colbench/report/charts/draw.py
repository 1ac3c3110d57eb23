"""Turning a chart into SVG, PNG, or what the page draws it from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.printing import visible
from colbench.report.charts.theme import FONT, LIGHT, configuration

_TAG = re.compile(r"<[^>]*>")
_TOLD = re.compile(r' (?:role|aria-\w+)="[^"]*"')
_FINE = re.compile(r"\d+\.\d{3,}")
_ALIKE = re.compile(
    r'<path d="[^"]*"(?P<look> fill="[^"]*"(?: opacity="[^"]*")?)/>'
    r'(?:<path d="[^"]*"(?P=look)/>){2,}'
)
_FONT = f' font-family="{FONT}"'


def specification(chart: Any) -> dict[str, Any]:
    """Return the Vega-Lite specification of an Altair chart, without a configuration.

    It is not checked against the schema of Vega-Lite, which takes longer than making it.
    """
    content: dict[str, Any] = chart.to_dict(validate=False)
    content.pop("config", None)  # Altair's own theme
    return content


def picture(chart: Any, title: str, subtitle: str) -> tuple[str, bytes]:
    """Return (SVG, PNG at twice the size) of an Altair chart, dark on white, with a title."""
    import vl_convert

    svg = drawn_svg(chart, title, subtitle)
    return svg, vl_convert.svg_to_png(svg, scale=2)


def drawn_svg(chart: Any, title: str, subtitle: str) -> str:
    """Return an Altair chart as SVG, dark on white, with a title."""
    import vl_convert

    drawn = specification(chart)
    below = drawn.get("title")
    lines = [subtitle, below["text"]] if isinstance(below, dict) else [subtitle]
    drawn["title"] = {
        "text": title,
        "subtitle": lines,
        "subtitleColor": LIGHT.muted,
        "subtitlePadding": 4,
        "offset": 12,
    }
    drawn["config"] = configuration(LIGHT, background=LIGHT.paper)
    drawn["padding"] = 12
    version = vega_lite_version()
    return compact(vl_convert.vegalite_to_svg(drawable(drawn), vl_version=version))


def drawable(value: Any) -> Any:
    """Return a specification whose text is XML: of a control character vl_convert would abort."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {drawable(key): drawable(item) for key, item in value.items()}
    return [drawable(item) for item in value] if isinstance(value, list | tuple) else value


def write_chart(chart: Any, title: str, subtitle: str, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png` of an Altair chart, as `picture` makes them.

    Raises:
        StorageError: they cannot be written.
    """
    svg, png = picture(chart, title, subtitle)
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(svg)
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(png)


def compact(svg: str) -> str:
    """Return the same picture in fewer bytes: font and looks named once, hundredths of a pixel.

    Only tags are touched. What they tell a screen reader goes: where an SVG is shown, as an image,
    only the image's alternative text reaches one. The other values in them hold no text.
    """

    def shorter(tag: re.Match[str]) -> str:
        text = _FINE.sub(lambda number: f"{float(number[0]):.2f}", _TOLD.sub("", tag[0]))
        return text.replace(' opacity="1"', "").replace(_FONT, "")

    start, end, rest = _ALIKE.sub(_together, _TAG.sub(shorter, svg)).partition(">")
    return start + _FONT + end + rest


def _together(alike: re.Match[str]) -> str:
    """Return marks that look alike in one group, which names their look once."""
    look = alike["look"]
    paths = alike[0].replace(look, "")
    # The opacity of a group is that of its marks together: where two overlap, it would differ.
    return f"<g{look.replace(' opacity', ' fill-opacity')}>{paths}</g>"


def vega_lite_version() -> str:
    """Return the version of Vega-Lite that Altair writes for, as vl-convert names it: `6.4`."""
    import altair

    return ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
