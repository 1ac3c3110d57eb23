"""The variants of a sweep: colour and shape tell parameters, a ring the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colbench.report.charts.frame import Layout
from colbench.report.charts.marks import short, varied
from colbench.report.charts.theme import colour, spectrum
from colbench.results.schema import Results

_SIZE = 70
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-left")


def grid(
    results: Results,
    rows: Sequence[dict[str, Any]],
    axes: dict[str, Any],
    hover: list[Any],
    layout: Layout,
) -> list[Any]:
    """Return the layers of the variants and of the references.

    Args:
        results: a sweep.
        rows: the variants; field `p0`, `p1`, ... is the value of the first parameter, the second,
            ...
        axes: the channels x and y.
        hover: the tooltip.
        layout: size of the chart.
    """
    import altair

    own = [row for row in rows if not row["reference"]]
    marks = altair.Chart(altair.InlineData(values=own)).encode(**axes, tooltip=hover)
    layers = [
        marks.transform_filter(altair.datum.front).mark_point(
            size=3 * _SIZE, color=colour("accent"), strokeWidth=1.5
        ),
        _coloured(marks.mark_point(filled=True, size=_SIZE), results, layout),
    ]
    references = [row for row in rows if row["reference"]]
    if references:
        beside = altair.Chart(altair.InlineData(values=references)).encode(**axes, tooltip=hover)
        layers.append(
            beside.mark_point(shape="cross", filled=True, size=110, opacity=1, color=colour("ink"))
        )
    return layers


def _coloured(marks: Any, results: Results, layout: Layout) -> Any:
    import altair

    assert results.sweep is not None
    numbers = {axis: f"p{number}" for number, axis in enumerate(results.sweep.axes)}
    axes = list(varied(results).items())
    if not axes:
        return marks.encode(color=altair.value(colour("other")))
    legend: dict[str, Any] = {"orient": "top", "columns": 4 if layout.narrow else 8}
    axis, values = axes[0]
    field = numbers[axis]
    picked = altair.selection_point(fields=[field], bind="legend")
    scale = altair.Scale(domain=values, range=spectrum(len(values)))
    marks = marks.add_params(picked).encode(
        color=altair.Color(
            f"{field}:N", title=short(axis), scale=scale, legend=altair.Legend(**legend)
        ),
        opacity=altair.when(picked).then(altair.value(0.95)).otherwise(altair.value(0.12)),
    )
    if len(axes) > 1 and len(axes[1][1]) <= len(_SHAPES):
        axis, values = axes[1]
        shapes = altair.Legend(**legend, symbolFillColor=colour("muted"))
        scale = altair.Scale(domain=values, range=list(_SHAPES[: len(values)]))
        marks = marks.encode(
            shape=altair.Shape(f"{numbers[axis]}:N", title=short(axis), scale=scale, legend=shapes)
        )
    return marks
