"""An explanation as a picture, SVG or PNG: a heat map, or that of A above that of B.

Beside the heat map of A stand bars of the difference; their rows are the same query tokens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colbench.errors import ColbenchError
from colbench.explain.heat_map import Column, choose_columns
from colbench.explain.labels import labels, printable
from colbench.explain.record import ExplainedDocument, Explanation
from colbench.explain.wording import summary, two_decimals
from colbench.files import atomic_write
from colbench.shortage import cannot_draw

_CELL_WIDTH, _CELL_HEIGHT = 27, 22
_BARS_WIDTH = 150
_MOST_COLUMNS = 44
"""Columns of a picture that a page still shows legibly."""

_TITLE_CHARACTERS_PER_COLUMN = 4
_FONT = "sans-serif"

_LEGEND = "similarity (framed: each query token's winner; they sum to the score)"

_DARK_FROM = 0.62
"""Part of the colour scale from which white reads better than black."""


def write_picture(explanation: Explanation, path: Path, *, everything: bool = False) -> None:
    """Write the picture; the name's ending says in which format.

    Args:
        explanation: of one or two documents.
        path: ends in .svg or .png.
        everything: show every document token, however wide that makes the picture.

    Raises:
        StorageError: it cannot be written.
        ColbenchError: there is too little address space.
    """
    if (reason := cannot_draw()) is not None:
        raise ColbenchError(reason)
    import vl_convert

    specification = chart(explanation, everything=everything).to_dict()
    if path.suffix.lower() == ".svg":
        with atomic_write(path) as stream:
            stream.write(vl_convert.vegalite_to_svg(specification))
    else:
        with atomic_write(path, "wb") as stream:
            stream.write(vl_convert.vegalite_to_png(specification, scale=2))


def chart(explanation: Explanation, *, everything: bool = False) -> Any:
    """Return the Altair chart."""
    import altair

    chosen = [_columns(document, everything) for document in explanation.documents]
    maps = [_heat_map(explanation, number, columns) for number, columns in enumerate(chosen)]
    width = _CELL_WIDTH * max(map(len, chosen))
    lines = [f"Query: {printable(explanation.query)}"]
    if len(maps) > 1:
        maps[0] = altair.hconcat(maps[0], _bars(explanation), spacing=24)
        lines.append(summary(explanation))
        width += _BARS_WIDTH
    title = altair.Title(
        [line for text in lines for line in textwrap.wrap(text, max(width // 7, 40))],
        anchor="start",
        fontSize=13,
        fontWeight="normal",
        offset=14,
    )
    whole = altair.vconcat(*maps, spacing=24).resolve_scale(color="shared")
    return (
        whole.properties(title=title, background="white")
        .configure(font=_FONT)
        .configure_view(stroke=None)
    )


def _columns(document: ExplainedDocument, everything: bool) -> Sequence[Column]:
    alignment = document.alignment
    count = len(alignment.document_tokens)
    if everything:
        return range(count)
    winners = set(alignment.winners.tolist())
    return choose_columns(winners, count, lambda columns: len(columns) <= _MOST_COLUMNS)


def _heat_map(explanation: Explanation, number: int, columns: Sequence[Column]) -> Any:
    import altair

    document = explanation.documents[number]
    alignment = document.alignment
    low, high = explanation.score_range
    data: Any = altair.InlineData(values=_cells(document, columns))
    heads = labels(alignment.document_tokens)
    names = [
        _keyed(place, "…" if column is None else heads[column].shown)
        for place, column in enumerate(columns)
    ]
    rows = _rows(explanation)
    plain = "slice(datum.label, indexof(datum.label, '|') + 1)"
    base = altair.Chart(data).encode(
        x=altair.X("column:N", sort=None, title=None)
        .scale(domain=names, paddingInner=0, paddingOuter=0)
        .axis(
            orient="top",
            labelAngle=-60,
            labelAlign="left",
            labelExpr=plain,
            labelLimit=110,
            ticks=False,
            domain=False,
            labelOverlap=False,
            labelPadding=5,
        ),
        y=altair.Y("row:N", sort=None, title=None)
        .scale(domain=rows, paddingInner=0, paddingOuter=0)
        .axis(
            labelExpr=plain,
            ticks=False,
            domain=False,
            labelLimit=140,
            labelOverlap=False,
        ),
    )
    heat = base.mark_rect().encode(
        color=altair.Color("similarity:Q", title=_LEGEND)
        .scale(scheme="blues", domain=[low, high])
        .legend(
            orient="bottom",
            direction="horizontal",
            gradientLength=160,
            format=".2f",
            titleLimit=600,
        )
    )
    boxes = base.transform_filter("datum.won").mark_rect(
        filled=False, stroke="#d62728", strokeWidth=2
    )
    dark = low + _DARK_FROM * (high - low)
    values = base.mark_text(fontSize=9).encode(
        text="shown:N",
        color=altair.condition(
            f"datum.similarity > {dark}", altair.value("white"), altair.value("black")
        ),
    )
    return altair.layer(heat, values, boxes).properties(
        width=_CELL_WIDTH * len(columns),
        height=_CELL_HEIGHT * len(rows),
        title=_title(explanation, number, len(columns)),
    )


def _bars(explanation: Explanation) -> Any:
    import altair

    rows = _rows(explanation)
    values = [
        {"row": row, "difference": value, "shown": two_decimals(value, signed=True)}
        for row, value in zip(rows, explanation.differences.tolist(), strict=True)
    ]
    data: Any = altair.InlineData(values=values)
    reach = max(max(abs(value["difference"]) for value in values), 0.01) * 1.5
    base = altair.Chart(data).encode(
        y=altair.Y("row:N", sort=None, title=None)
        .scale(domain=rows, paddingInner=0, paddingOuter=0)
        .axis(labels=False, ticks=False, domain=False),
        x=altair.X("difference:Q", title=None)
        .scale(domain=[-reach, reach])
        .axis(labels=False, ticks=False, grid=False, domain=False),
    )
    bars = base.mark_bar(height=_CELL_HEIGHT - 8).encode(
        color=altair.condition(
            "datum.difference > 0", altair.value("#4c78a8"), altair.value("#f58518")
        )
    )
    left = base.transform_filter("datum.difference < 0").mark_text(align="right", dx=-4, fontSize=9)
    right = base.transform_filter("datum.difference >= 0").mark_text(align="left", dx=4, fontSize=9)
    return altair.layer(bars, left.encode(text="shown:N"), right.encode(text="shown:N")).properties(
        width=_BARS_WIDTH,
        height=_CELL_HEIGHT * len(rows),
        title=altair.Title(
            f"A − B: {explanation.difference:+.4f}", anchor="start", fontSize=11, offset=8
        ),
    )


def _cells(document: ExplainedDocument, columns: Sequence[Column]) -> list[dict[str, Any]]:
    alignment = document.alignment
    heads, rows = labels(alignment.document_tokens), labels(alignment.query_tokens)
    cells = []
    for row, label in enumerate(rows):
        for place, column in enumerate(columns):
            if column is None:
                continue
            similarity = float(alignment.similarities[row, column])
            cells.append(
                {
                    "row": _keyed(row, label.shown),
                    "column": _keyed(place, heads[column].shown),
                    "similarity": similarity,
                    "shown": two_decimals(similarity),
                    "won": column == int(alignment.winners[row]),
                }
            )
    return cells


def _rows(explanation: Explanation) -> list[str]:
    tokens = labels(explanation.documents[0].alignment.query_tokens)
    return [_keyed(row, label.shown) for row, label in enumerate(tokens)]


def _keyed(place: int, text: str) -> str:
    """Return a name of a row or column that equal tokens do not share; the axis cuts the number."""
    return f"{place}|{text}"


def _title(explanation: Explanation, number: int, columns: int) -> Any:
    import altair

    document = explanation.documents[number]
    letter = explanation.letters[number]
    head = f"{letter + ': ' if letter else ''}{document.name}, score {document.alignment.score:.4f}"
    head = ", ".join(filter(None, [head, document.judgment, document.part]))
    width = max(columns * _TITLE_CHARACTERS_PER_COLUMN, 30)
    return altair.Title(
        textwrap.wrap(head, width),
        subtitle=textwrap.wrap(printable(document.title), width)[:2],
        anchor="start",
        fontSize=11,
        subtitleFontSize=11,
        offset=8,
    )
