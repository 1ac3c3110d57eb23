"""How long a search takes, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colbench.report.charts.frame import Axis, Layout
from colbench.report.charts.theme import colour
from colbench.report.formats import three_digits
from colbench.results.schema import Latency, Results

_STEP = 30
_STEP_NARROW = 44
"""Pixels of a row; the narrow one has the name above it."""
_PERCENTILES = ("p50", "p95", "p99")
_SHAPES = ("circle", "diamond", "square")


def latency(results: Results, layout: Layout) -> Any | None:
    """Return the Altair chart, or None where no latency was measured.

    A row per system, the fastest first: a tick per query where the results hold them, and p50, p95
        and
    p99. Of a sweep the fronts and the references only.
    """
    import altair

    timed = _timed(results)
    if not timed:
        return None
    ticks, spans, marks = _ticks(timed), _spans(timed), _percentiles(timed)
    values = [row["ms"] for row in (*ticks, *marks)]
    axes = _axes(timed, Axis.around(values, layout.width, log=True, margin=0.03), layout)
    shapes = altair.Scale(domain=list(_PERCENTILES), range=list(_SHAPES))
    legend = altair.Legend(orient="top", title=None)
    below = {"yOffset": 9 if layout.narrow else 0}
    layers = [
        _chart(ticks, axes).mark_tick(
            thickness=1, height=16, color=colour("other"), opacity=0.5, **below
        ),
        _chart(spans, axes)
        .mark_rule(color=colour("accent"), strokeWidth=2, **below)
        .encode(x2="to:Q"),
        _chart(marks, axes)
        .mark_point(filled=True, size=70, opacity=1, color=colour("accent"), **below)
        .encode(
            shape=altair.Shape("of:N", scale=shapes, legend=legend),
            tooltip=[altair.Tooltip(f"{n}:N") for n in ("system", *_PERCENTILES, "mean")],
        ),
    ]
    step = _STEP
    if layout.narrow:
        layers.append(_names(spans, axes))
        step = _STEP_NARROW
    return altair.layer(*layers).properties(width=layout.width, height=step * len(timed))


def _timed(results: Results) -> list[tuple[str, Latency]]:
    """Return (system, latency), the fastest first."""
    sweep = results.sweep
    names = {*sweep.front_latency, *sweep.front_bytes, *sweep.references} if sweep else None
    systems = [
        (system.name, system.latency_ms)
        for system in results.systems
        if system.latency_ms and system.latency_ms.search.p50 > 0
        if names is None or system.name in names
    ]
    return sorted(systems, key=lambda pair: pair[1].search.p50)


def _ticks(timed: Sequence[tuple[str, Latency]]) -> list[dict[str, Any]]:
    return [
        {"system": name, "ms": float(f"{value:.3g}")}
        for name, latency in timed
        for value in latency.search_ms or ()
        if value > 0
    ]


def _spans(timed: Sequence[tuple[str, Latency]]) -> list[dict[str, Any]]:
    return [
        {"system": name, "ms": latency.search.p50, "to": latency.search.p99}
        for name, latency in timed
    ]


def _percentiles(timed: Sequence[tuple[str, Latency]]) -> list[dict[str, Any]]:
    rows = []
    for name, latency in timed:
        values = latency.search.model_dump()
        tooltips = {key: f"{three_digits(value)} ms" for key, value in values.items()}
        rows += [
            {"system": name, "of": which, "ms": values[which], **tooltips} for which in _PERCENTILES
        ]
    return rows


def _axes(timed: Sequence[tuple[str, Latency]], x: Axis, layout: Layout) -> dict[str, Any]:
    import altair

    axis = None if layout.narrow else altair.Axis(labelLimit=320, ticks=False, domain=False)
    return {
        "x": altair.X("ms:Q", title="search of one query, ms (log scale)")
        .scale(x.scale())
        .axis(values=x.ticks(), format="~g"),
        "y": altair.Y("system:N", title=None, sort=[name for name, _ in timed], axis=axis),
    }


def _chart(rows: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    return altair.Chart(altair.InlineData(values=list(rows))).encode(**axes)


def _names(rows: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    text = _chart(rows, axes).mark_text(align="left", dy=-11, color=colour("ink"))
    return text.encode(x=altair.value(0), text="system:N")
