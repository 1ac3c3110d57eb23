"""A part of a report as HTML that stands by itself: what a notebook shows.

No scripts, nothing that is loaded, styles on the elements themselves; pictures are inline SVG.
Notebooks show several such fragments in one page, so that nothing in one may be named as in
another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from colbench.digests import text_digest
from colbench.report.charts.catalogue import CHARTS
from colbench.report.charts.draw import drawn_svg
from colbench.report.charts.frame import WIDE
from colbench.report.html.page import report_environment
from colbench.report.table import Block, Picture, Section, caption
from colbench.results.schema import Results

_NAMED = re.compile(r'(\bid="|url\(#|xlink:href="#|href="#)([\w-]+)')


def render_fragment(blocks: Sequence[Block], pictures: Mapping[str, Markup] | None = None) -> str:
    """Return blocks of a report as HTML.

    Args:
        blocks: what is shown.
        pictures: name of a `Picture` → SVG; one that is not there is left out.
    """
    template = report_environment().get_template("fragment.html.j2")
    return template.render(blocks=list(blocks), pictures=pictures or {})


def drawn(results: Results) -> tuple[list[Picture], dict[str, Markup]]:
    """Return the charts that results allow, and each as inline SVG by its name."""
    pictures, svgs = [], {}
    for kind in CHARTS:
        chart = kind.draw(results, WIDE)
        if chart is not None:
            svg = drawn_svg(chart, kind.title, caption(results))
            pictures.append(Picture(kind.name, kind.title, kind.summary))
            svgs[kind.name] = Markup(unique_names(svg))
    return pictures, svgs


def unique_names(svg: str) -> str:
    """Return a picture whose parts are named as in no other one.

    >>> unique_names('<g id="a"/><g clip-path="url(#a)"/>')
    '<g id="c...-a"/><g clip-path="url(#c...-a)"/>'
    """
    prefix = f"c{text_digest(svg)[:10]}-"
    return re.sub(r"<[^>]*>", lambda tag: _NAMED.sub(rf"\g<1>{prefix}\g<2>", tag[0]), svg)


def shown_in_brief(blocks: Sequence[Block]) -> list[Block]:
    """Return what a short account shows: the lead, sections for it, and those with pictures."""
    return [
        block
        for block in blocks
        if not isinstance(block, Section)
        or block.scope == "brief"
        or any(isinstance(part, Picture) for part in block.blocks)
    ]
