"""How long a query takes from its text to ranked documents, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from colbench.report.charts.frame import Axis, Layout
from colbench.report.charts.theme import colour
from colbench.report.formats import three_digits
from colbench.results.schema import Distribution, Latency, Results

_STEP = 30
_STEP_NARROW = 44
"""Pixels of a row; the narrow one has the name above it."""
_PERCENTILES = ("p50", "p95", "p99")
_SHAPES = ("circle", "diamond", "square")


@dataclass(frozen=True)
class _Timed:
    """The times of a system's queries, in milliseconds, encoding and search together.

    Attributes:
        name: of the system.
        p50: median.
        whole: all percentiles; None where only the two parts were kept.
        queries: of each query, where they were kept.
    """

    name: str
    p50: float
    whole: Distribution | None
    queries: Sequence[float]

    @classmethod
    def of(cls, name: str, latency: Latency) -> _Timed:
        whole = latency.end_to_end
        p50 = whole.p50 if whole else latency.encode.p50 + latency.search.p50
        parts = zip(latency.encode_ms or (), latency.search_ms or (), strict=False)
        return cls(name, p50, whole, [encode + search for encode, search in parts])


def latency(results: Results, layout: Layout) -> Any | None:
    """Return the Altair chart, or None where no latency was measured.

    A row per system, the fastest first: a tick per query where the results hold them, and p50, p95
    and p99. Of a sweep the fronts and the references only.
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


def _timed(results: Results) -> list[_Timed]:
    """Return the systems with their times, the fastest first."""
    sweep = results.sweep
    names = {*sweep.front_latency, *sweep.front_bytes, *sweep.references} if sweep else None
    systems = [
        _Timed.of(system.name, system.latency_ms)
        for system in results.systems
        if system.latency_ms
        if names is None or system.name in names
    ]
    return sorted((s for s in systems if s.p50 > 0), key=lambda system: system.p50)


def _ticks(timed: Sequence[_Timed]) -> list[dict[str, Any]]:
    return [
        {"system": system.name, "ms": float(f"{value:.3g}")}
        for system in timed
        for value in system.queries
        if value > 0
    ]


def _spans(timed: Sequence[_Timed]) -> list[dict[str, Any]]:
    return [{"system": s.name, "ms": s.p50, "to": s.whole.p99 if s.whole else s.p50} for s in timed]


def _percentiles(timed: Sequence[_Timed]) -> list[dict[str, Any]]:
    rows = []
    for system in timed:
        values = system.whole.model_dump() if system.whole else {"p50": system.p50}
        told = dict.fromkeys((*_PERCENTILES, "mean"), "not known")
        told |= {key: f"{three_digits(value)} ms" for key, value in values.items()}
        rows += [
            {"system": system.name, "of": which, "ms": values[which], **told}
            for which in _PERCENTILES
            if which in values
        ]
    return rows


def _axes(timed: Sequence[_Timed], x: Axis, layout: Layout) -> dict[str, Any]:
    import altair

    axis = None if layout.narrow else altair.Axis(labelLimit=320, ticks=False, domain=False)
    return {
        "x": altair.X("ms:Q", title="a query, encoding and search: ms (log scale)")
        .scale(x.scale())
        .axis(values=x.ticks(), format="~g"),
        "y": altair.Y("system:N", title=None, sort=[system.name for system in timed], axis=axis),
    }


def _chart(rows: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    return altair.Chart(altair.InlineData(values=list(rows))).encode(**axes)


def _names(rows: Sequence[dict[str, Any]], axes: dict[str, Any]) -> Any:
    import altair

    text = _chart(rows, axes).mark_text(align="left", dy=-11, color=colour("ink"))
    return text.encode(x=altair.value(0), text="system:N")
