"""Assembling `report.html`: tables by the server, plots and single queries by the page itself."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from colbench.report.charts.draw import vega_lite_version
from colbench.report.charts.theme import DARK, FONT, LIGHT, configuration
from colbench.report.html.embed import content_policy, inline_script, json_block
from colbench.report.html.groups import group
from colbench.report.html.section import section
from colbench.results.schema import Results

_SCRIPTS = ("tables.js", "charts.js", "queries.js")


def render_html(runs: Sequence[Results]) -> str:
    """Return the page for one run or several.

    It loads nothing: styles, scripts, data and the plotting library (0.9 MB) are inside it. Text of
    the results reaches it as escaped HTML, or as JSON that the page shows with `textContent`.
    """
    environment = Environment(
        loader=PackageLoader("colbench.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [section(found) for found in group(runs)]
    scripts = [plotting_library(), *(inline_script(_asset(name)) for name in _SCRIPTS)]
    return environment.get_template("page.html.j2").render(
        title=" and ".join(dict.fromkeys(run.experiment for run in runs)),
        sections=sections,
        charts=json_block([found.charts for found in sections]),
        queries=json_block([found.queries for found in sections]),
        themes=json_block({"light": configuration(LIGHT), "dark": configuration(DARK)}),
        policy=content_policy(scripts),
        scripts=scripts,
        style=Markup(_asset("style.css")),
        light=LIGHT.colours(),
        dark=DARK.colours(),
        font=Markup(FONT),
    )


@functools.cache
def plotting_library() -> Markup:
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    used = "window.vegaEmbed = vegaEmbed;"
    return inline_script(vl_convert.javascript_bundle(used, vl_version=vega_lite_version()))


def _asset(name: str) -> str:
    return resources.files("colbench.report.html").joinpath("assets", name).read_text("utf-8")
