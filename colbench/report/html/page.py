"""Assembling `report.html`: tables by the server, plots and single queries by the page itself.

Data and scripts are put into the page so that neither can break out of its place.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from colbench.report.charts.catalogue import CHARTS
from colbench.report.charts.draw import specification, vega_lite_version
from colbench.report.charts.frame import NARROW, WIDE
from colbench.report.charts.marks import LATENCY, SIZE
from colbench.report.charts.plane import plane
from colbench.report.charts.theme import DARK, FONT, LIGHT, configuration
from colbench.report.formats import points
from colbench.report.groups import Group, group
from colbench.report.run import group_document
from colbench.report.table import (
    Code,
    Document,
    Extra,
    Link,
    Picture,
    Prose,
    Section,
    Strong,
    spans,
)
from colbench.results.schema import Results, SystemResult
from colbench.results.verdicts import primary_measure


def json_block(value: Any) -> Markup:
    """Return JSON for a `<script type="application/json">`.

    `<`, `>` and `&` are written as escapes: no text in it can end the element or open a comment.

    >>> print(json_block({"a": "</script>"}))
    {"a":"\\u003c/script\\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def inline_script(source: str) -> Markup:
    """Return JavaScript for a `<script>`: a closing tag or a comment inside a string is split.

    >>> print(inline_script("x = '</script>'"))
    x = '<\\/script>'
    """
    # A browser reads a carriage return as a line feed, which would not match the script's hash.
    lines = source.replace("\r\n", "\n").replace("\r", "\n")
    return Markup(re.sub(r"<(?=/script|!--)", r"<\\", lines, flags=re.IGNORECASE))


def source_hash(script: str) -> str:
    """Return the source expression by which a content security policy allows one script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def content_policy(scripts: list[Markup]) -> str:
    """Return a policy under which nothing is loaded and only these scripts run.

    No `unsafe-eval`: Vega is told to interpret its expressions (`ast: true`), where it would
    otherwise compile them with `Function`. Styles must be inline: Vega sets them on its elements.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(source_hash(script) for script in scripts)}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def query_data(results: Results) -> dict[str, Any] | None:
    """Return queries, documents and values by query; None where two systems cannot be compared.

    `systems[i].values[measure][j]` is the value of `queries[j]`, `systems[i].top[j]` the numbers of
    its best documents in `documents`, and `queries[j].judged` maps such numbers to grades.
    `queries[j].documents` are its relevant documents with their grades, `systems[i].ranks[j]` the
    ranks of these, 0 for none, and `systems[i].first[j]` the rank of the first.
    """
    systems = [system for system in results.systems if system.per_query]
    if len(systems) < 2 or not results.queries or results.sweep is not None:
        return None
    first, second = _pair(results, systems)
    places = {document.id: place for place, document in enumerate(results.documents)}
    return {
        "measures": results.measures,
        "measure": primary_measure(results),
        "first": first,
        "second": second,
        "queries": [
            {
                "id": query.id,
                "text": query.text,
                "relevant": query.relevant,
                "documents": list((query.relevant_docs or {}).items()),
                "judged": {
                    places[document]: grade
                    for document, grade in (query.judged or {}).items()
                    if document in places
                },
            }
            for query in results.queries
        ],
        "documents": [[d.id, d.title, d.text] for d in results.documents],
        "systems": [
            {
                "name": system.name,
                "values": {
                    measure: [round(value, 6) for value in values]
                    for measure, values in (system.per_query or {}).items()
                },
                "top": system.top or [],
                "ranks": system.relevant_ranks,
                "first": system.first_relevant,
            }
            for system in systems
        ],
    }


def _pair(results: Results, systems: list[SystemResult]) -> tuple[int, int]:
    """Return the places of the best system and of what it is held against at first."""
    measure = primary_measure(results) or ""
    order = sorted(
        range(len(systems)),
        key=lambda place: -(systems[place].effectiveness or {}).get(measure, 0.0),
    )
    names = [system.name for system in systems]
    against = names.index(results.reference) if results.reference in names else order[1]
    return order[0] if order[0] != against else order[1], against


_SCRIPTS = ("tables.js", "axes.js", "charts.js", "queries.js")


@dataclass(frozen=True)
class _Part:
    """What the page says of one collection.

    Attributes:
        name: of the collection.
        document: the report.
        charts: name → layout → Vega-Lite specification.
        plane: axes and values that the systems can be drawn over; None where they cannot.
        queries: what the view of single queries is filled from; None where it is left out.
    """

    name: str
    document: Document
    charts: dict[str, dict[str, Any]]
    plane: dict[str, Any] | None
    queries: dict[str, Any] | None

    def parts(self) -> Iterator[tuple[bool, list[Section]]]:
        """Yield neighbouring sections together, with whether they are folded."""
        found = itertools.groupby(self.document.sections, lambda s: s.folded is not None)
        return ((folded, list(sections)) for folded, sections in found)


def render_html(runs: Sequence[Results]) -> str:
    """Return the page for one run or several.

    It loads nothing: styles, scripts, data and the plotting library (0.9 MB) are inside it. Text of
    the results reaches it as escaped HTML, or as JSON that the page shows with `textContent`.
    """
    groups = [_part(part) for part in group(runs)]
    scripts = [plotting_library(), *(inline_script(_asset(name)) for name in _SCRIPTS)]
    return (
        report_environment()
        .get_template("page.html.j2")
        .render(
            title=" and ".join(dict.fromkeys(run.experiment for run in runs)),
            groups=groups,
            charts=json_block([part.charts for part in groups]),
            planes=json_block([part.plane for part in groups]),
            across={one.name: one.key for one in (LATENCY, SIZE)},
            queries=json_block([part.queries for part in groups]),
            themes=json_block({"light": configuration(LIGHT), "dark": configuration(DARK)}),
            policy=content_policy(scripts),
            scripts=scripts,
            style=Markup(_asset("style.css")),
            light=LIGHT.colours(),
            dark=DARK.colours(),
            font=Markup(FONT),
        )
    )


def report_environment() -> Environment:
    """Return what templates are filled with: everything in them is escaped."""
    environment = Environment(
        loader=PackageLoader("colbench.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["numbered"] = itertools.count().__next__
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["points"] = points
    environment.filters["prose"] = prose
    return environment


def _part(found: Group) -> _Part:
    charts = {}
    for kind in CHARTS:
        wide, narrow = kind.draw(found.results, WIDE), kind.draw(found.results, NARROW)
        if wide is not None and narrow is not None:
            charts[kind.name] = {"wide": specification(wide), "narrow": specification(narrow)}
    drawn = [Picture(kind.name, kind.title, kind.summary) for kind in CHARTS if kind.name in charts]
    queries = query_data(found.results)
    document = group_document(found, drawn)
    # A view that cannot be filled, and of which there is nothing to say, leaves no heading behind.
    sections = [s for s in document.sections if queries or any(map(_says, s.blocks))]
    name = found.results.collection.name
    return _Part(name, replace(document, sections=sections), charts, plane(found.results), queries)


def _says(block: object) -> bool:
    return not (isinstance(block, Extra) and block.kind == "queries" and not block.text)


def prose(value: Prose) -> Markup:
    """Return a sentence as HTML that shows exactly its characters."""
    return Markup("").join(map(_span, spans(value)))


def _span(part: str | Link) -> Markup:
    match part:
        case Link():
            # Nothing but an address of the web may be followed.
            is_web = part.url.startswith(("https://", "http://"))
            told = escape(part.text)
            return Markup('<a href="{}">{}</a>').format(part.url, told) if is_web else told
        case Code():
            return Markup("<code>{}</code>").format(str(part))
        case Strong():
            return Markup("<strong>{}</strong>").format(str(part))
        case _:
            return escape(part)


@functools.cache
def plotting_library() -> Markup:
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    used = "window.vegaEmbed = vegaEmbed;"
    return inline_script(vl_convert.javascript_bundle(used, vl_version=vega_lite_version()))


def _asset(name: str) -> str:
    return resources.files("colbench.report.html").joinpath("assets", name).read_text("utf-8")
