"""Effectiveness against a cost, with the front of what nothing beats.

Every layer has a name, by which a page finds it to draw it over other axes (`axes.js`).

The variants of a sweep are told apart by colour and shape; a ring marks the front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from colbench.report.charts.frame import Axis, Layout
from colbench.report.charts.labels import place
from colbench.report.charts.marks import Cost, Mark, marks, short, varied
from colbench.report.charts.theme import colour, spectrum
from colbench.report.costs import costs
from colbench.results.schema import Results
from colbench.results.verdicts import primary_measure

_GRID_SIZE = 70
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
        marks.transform_filter(altair.datum.front)
        .mark_point(size=3 * _GRID_SIZE, color=colour("accent"), strokeWidth=1.5)
        .properties(name="systems_front"),
        _coloured(marks.mark_point(filled=True, size=_GRID_SIZE), results, layout).properties(
            name="systems"
        ),
    ]
    references = [row for row in rows if row["reference"]]
    if references:
        beside = altair.Chart(altair.InlineData(values=references)).encode(**axes, tooltip=hover)
        layers.append(
            beside.mark_point(
                shape="cross", filled=True, size=110, opacity=1, color=colour("ink")
            ).properties(name="systems_beside")
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


_TOLD = 2
"""Costs of at most this priority are told by a hover, besides the measures."""
_SIZE = 85
"""Area of a mark, in square pixels."""
_FEW = 12
STANDINGS = _FRONT, _BEATEN = "on the front", "beaten by another"


def pareto(results: Results, cost: Cost, layout: Layout) -> Any | None:
    """Return the Altair chart, or None where fewer than two systems have both values.

    Without a sweep every mark bears its name. In a sweep the front and the references do; colour
    and shape tell the first two parameters, and a click on the legend picks one value out.
    """
    import altair

    systems = marks(results, cost)
    if len(systems) < 2:
        return None
    x = Axis.around((mark.cost for mark in systems), layout.width, log=True)
    y = Axis.around((mark.effect for mark in systems), layout.height, log=False)
    axes = {
        "x": altair.X("cost:Q", title=f"{cost.title} (log scale)")
        .scale(x.scale())
        .axis(values=x.ticks(), labelExpr=cost.tick, grid=True),
        "y": altair.Y("effect:Q", title=primary_measure(results))
        .scale(y.scale())
        .axis(format=y.format(layout.height // 50), tickCount=layout.height // 50),
    }
    hover = [
        altair.Tooltip(f"{field}:N", title=title)
        for field, title in _hover(results, systems).items()
    ]
    rows = [_record(results, mark) for mark in systems]
    labels = _labels(systems, x, y, layout)
    layers = [
        _front_line(rows, axes),
        _leaders(labels, axes),
        *(
            grid(results, rows, axes, hover, layout)
            if results.sweep
            else [_systems(rows, axes, hover)]
        ),
        *_names(labels, axes),
    ]
    chart = altair.layer(*layers).properties(width=layout.width, height=layout.height)
    settings = ", ".join(map(short, varied(results)))
    if not settings:
        return chart
    subtitle = altair.Title(f"beside marks: {settings}", fontWeight="normal", color=colour("muted"))
    return chart.properties(title=subtitle)


def _hover(results: Results, systems: Sequence[Mark]) -> dict[str, str]:
    """Return field → title of what a hover tells. Numbered, as a title may hold anything."""
    titles = ["name", *_axes(results), *results.measures, "95 % CI", *_costs()]
    return {f"t{number}": title for number, title in enumerate(titles)}


def _costs() -> list[str]:
    return [cost.title for cost in costs("comparison") if cost.priority <= _TOLD]


def _axes(results: Results) -> list[str]:
    return list(results.sweep.axes) if results.sweep else []


def _record(results: Results, mark: Mark) -> dict[str, Any]:
    name = f"{mark.name} ({mark.caveat})" if mark.caveat else mark.name
    tooltips = {**mark.cells, **mark.parameters, "name": name}
    hover = {field: tooltips.get(title, "") for field, title in _hover(results, []).items()}
    return {
        "name": mark.name,
        "cost": mark.cost,
        "effect": mark.effect,
        "front": mark.front,
        "standing": _FRONT if mark.front else _BEATEN,
        "reference": mark.reference,
        **{f"p{n}": mark.parameters.get(axis, "") for n, axis in enumerate(_axes(results))},
        **hover,
    }


def _labels(systems: Sequence[Mark], x: Axis, y: Axis, layout: Layout) -> list[dict[str, Any]]:
    """Return the names with their places turned back into values of the two axes."""

    def pixels(mark: Mark) -> tuple[float, float]:
        return x.place(mark.cost), layout.height - y.place(mark.effect)

    # Many names are shown where they are free; a few, whatever they cover. A hover tells the rest.
    few = len(systems) <= _FEW
    reach = math.inf if few or not layout.narrow else 34
    # References, then the front: they have the first choice of place.
    named = sorted(
        (p for p in systems if p.labelled), key=lambda p: (not p.reference, not p.front, p.cost)
    )
    placed = place(
        [mark.label for mark in named],
        [pixels(mark) for mark in named],
        layout.width,
        layout.height,
        others=[pixels(mark) for mark in systems if not mark.labelled],
        line=_corners([pixels(mark) for mark in systems if mark.front]),
    )
    return [
        {
            "label": mark.label,
            "cost": x.value(label.x),
            "effect": y.value(layout.height - label.y),
            "align": label.align,
            "far": label.far,
            "cost2": mark.cost,
            "effect2": mark.effect,
            "front": mark.front,
        }
        for mark, label in zip(named, placed, strict=True)
        if (label.free and label.distance <= reach) or (few and not mark.parameters)
    ]


def _corners(front: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of the line that `_front_line` draws."""
    corners: list[tuple[float, float]] = []
    for x, y in sorted(front):
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    return corners


def _front_line(rows: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    line = [{"cost": row["cost"], "effect": row["effect"]} for row in rows if row["front"]]
    return (
        altair.Chart(altair.InlineData(values=line))
        .mark_line(interpolate="step-after", color=colour("accent"), opacity=0.45, strokeWidth=1.5)
        .encode(**axes)
        .properties(name="front")
    )


def _leaders(labels: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    far = [label for label in labels if label["far"]]
    return (
        altair.Chart(altair.InlineData(values=far))
        .mark_rule(color=colour("other"), strokeWidth=0.8)
        .encode(**axes, x2="cost2:Q", y2="effect2:Q")
        .properties(name="leaders")
    )


def _systems(rows: Sequence[dict[str, Any]], axes: dict[str, Any], hover: list[Any]) -> Any:
    import altair

    scale = altair.Scale(domain=[_FRONT, _BEATEN], range=[colour("accent"), colour("other")])
    legend = altair.Legend(orient="top", title=None)
    return (
        altair.Chart(altair.InlineData(values=list(rows)))
        .mark_point(filled=True, size=_SIZE, opacity=1)
        .encode(**axes, color=altair.Color("standing:N", scale=scale, legend=legend), tooltip=hover)
        .properties(name="systems")
    )


def _names(labels: Sequence[dict[str, Any]], axes: dict[str, Any]) -> list[Any]:
    import altair

    base = altair.Chart(altair.InlineData(values=list(labels))).encode(**axes, text="label:N")
    align: Any = altair.expr("datum.align")
    written = {"align": align, "baseline": "middle"}
    # Paper around the letters, so that a line behind them does not cross them out.
    around = {"color": colour("paper"), "stroke": colour("paper"), "strokeWidth": 4}
    letters = altair.expr("datum.front ? ink : muted")
    return [
        base.mark_text(**written, **around).properties(name="names_ground"),
        base.mark_text(**written, color=letters).properties(name="names"),
    ]
