"""Where quality is lost: from exact search through each stage to the final ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colbench.report.charts.frame import Axis, Layout
from colbench.report.charts.theme import colour
from colbench.results.schema import AttributionStage, Results
from colbench.results.verdicts import primary_measure

_STEP = 26
"""Pixels of a row."""
_MOST = 6
"""Systems of a sweep that are shown: those of its front, cheapest first."""
_KINDS = {"value": "total", "loss": "loss", "gain": "gain", "no change": "other"}
"""Bar → its colour."""
_LABEL = 56
"""Pixels that the text beside a bar needs."""
_NAMES = 84
"""Pixels that the names of stages need."""


def waterfall(results: Results, layout: Layout) -> Any | None:
    """Return the Altair chart, or None where no system was searched stage by stage.

    One panel a system. The first bar is the value of the first stage, the last one that of the last
    stage; each bar between them goes from the value before a stage to the value after it.
    """
    import altair

    taken = _taken(results)
    measure = primary_measure(results)
    if not taken or measure is None:
        return None
    values = [stage.effectiveness[measure] for _, stages in taken for stage in stages]
    columns = 1 if layout.narrow or len(taken) == 1 else 2
    width = (layout.width - (_NAMES if layout.narrow else 0)) // columns - (columns - 1) * _NAMES
    x = Axis.around(values, width - _LABEL, log=False, margin=0.3, least=2e-4)
    x = Axis(x.low, x.value(width), width, log=False)
    panels = [_panel(name, _bars(stages, measure, x.low), measure, x) for name, stages in taken]
    return altair.concat(*panels, columns=columns, spacing=18)


def _taken(results: Results) -> list[tuple[str, list[AttributionStage]]]:
    """Return (system, stages) of the systems with more than one stage."""
    taken = [
        (system.name, system.attribution)
        for system in results.systems
        if system.attribution and len(system.attribution) > 1
    ]
    if not results.measures or results.sweep is None:
        return taken if results.measures else []
    front = results.sweep.front_latency
    return sorted((t for t in taken if t[0] in front), key=lambda t: front.index(t[0]))[:_MOST]


def _bars(stages: Sequence[AttributionStage], measure: str, low: float) -> list[dict[str, Any]]:
    """Return the bars from top to bottom; one of a value begins where the axis does."""
    first, last = stages[0].effectiveness[measure], stages[-1].effectiveness[measure]
    bars = [_value(stages[0].stage, first, low)]
    before = first
    for stage in stages[1:]:
        after = stage.effectiveness[measure]
        points = round(100 * (after - before), 2) + 0.0
        bars.append(
            {
                "stage": stage.stage,
                "start": before,
                "end": after,
                "kind": _kind(points),
                "text": f"{points:+.2f}",
                "told": f"{points:+.2f} points",
                "at": max(before, after),
            }
        )
        before = after
    return [*bars, _value("result", last, low)]


def _kind(points: float) -> str:
    return "no change" if points == 0 else "loss" if points < 0 else "gain"


def _value(stage: str, value: float, low: float) -> dict[str, Any]:
    text = f"{value:.4f}"
    return {
        "stage": stage,
        "start": low,
        "end": value,
        "kind": "value",
        "text": text,
        "told": text,
        "at": value,
    }


def _panel(system: str, bars: Sequence[dict[str, Any]], measure: str, x: Axis) -> Any:
    import altair

    colours = altair.Scale(
        domain=list(_KINDS), range=[colour(n) for n in ("total", "loss", "gain")]
    )
    ticks = x.pixels // 60
    across = altair.X("start:Q", title=measure).scale(x.scale())
    # Numbered, as a stage may have any name, `result` too.
    rows = [{**bar, "row": f"{number}"} for number, bar in enumerate(bars)]
    names = {row["row"]: row["stage"] for row in rows}
    base = altair.Chart(altair.InlineData(values=rows)).encode(
        y=altair.Y("row:N", title=None, sort=list(names)).axis(
            labelExpr=_names_of(names),
            ticks=False,
            domain=False,
            minExtent=_NAMES,
            labelPadding=6,
            labelLimit=260,
        )
    )
    legend = altair.Legend(orient="top", title=None, values=["loss", "gain"])
    bar = base.mark_bar(height=_STEP - 10, strokeWidth=1.5).encode(
        x=across.axis(tickCount=ticks, format=x.format(ticks)),
        x2="end:Q",
        color=altair.Color("kind:N", scale=colours, legend=legend),
        stroke=altair.Stroke("kind:N", scale=colours, legend=legend),
        tooltip=[altair.Tooltip("stage:N"), altair.Tooltip("told:N", title=measure)],
    )
    text = base.mark_text(align="left", dx=6, color=colour("ink")).encode(
        x=altair.X("at:Q").scale(x.scale()), text="text:N"
    )
    return altair.layer(bar, text).properties(
        title=system, width=x.pixels, height=_STEP * len(bars)
    )


def _names_of(names: dict[str, str]) -> str:
    import json

    return f"{json.dumps(names)}[datum.value]"
