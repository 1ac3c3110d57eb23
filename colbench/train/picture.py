"""The learning curve: development measure above training loss, over the steps; SVG and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.report.charts.draw import picture
from colbench.report.charts.frame import Axis
from colbench.report.charts.theme import colour
from colbench.train.naming import KINDS, base_of
from colbench.train.record import Train

_WIDTH, _MEASURE, _LOSS = 560, 220, 150
_ROOM = 20
"""Pixels that a name takes below its line."""
_Row = dict[str, Any]


def write_picture(results: Train, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`.

    Raises:
        StorageError: they cannot be written.
    """
    title = f"Learning curve: {KINDS[results.kind]} from {base_of(results)}"
    dev = results.development
    subtitle = f"{dev.measure} on {dev.queries:,} queries held out for development; training loss"
    svg, png = picture(learning_curve(results), title, subtitle)
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(svg)
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(png)


def learning_curve(results: Train) -> Any:
    """Return the Altair chart: one panel above the other, the second where a loss is known."""
    import altair

    values = [{"step": p.step, "value": p.value} for p in results.curve if p.value is not None]
    losses = [{"step": p.step, "loss": p.loss} for p in results.curve if p.loss is not None]
    panels = [_measure(results, values), *([_loss(results, losses)] if losses else [])]
    return altair.vconcat(*panels)


def _measure(results: Train, values: Sequence[_Row]) -> Any:
    import altair

    best: _Row = {"step": results.best_step, "value": results.best_value}
    best["label"] = f"best: {results.best_value:.4f}"
    start = {"value": results.start_value, "label": f"untrained: {results.start_value:.4f}"}
    measured = [*(row["value"] for row in values), best["value"], start["value"]]
    axis = Axis.around(measured, _MEASURE, log=False, margin=0.15)
    x = _steps(results)
    y = altair.Y("value:Q", title=results.development.measure).scale(axis.scale())
    # The names stand inside the panel whichever side of it they belong to.
    late = results.best_step > _last(results) / 2
    below = _ROOM < axis.place(results.start_value) < _MEASURE / 2
    rule = _chart([start]).mark_rule(strokeDash=[5, 4], color=colour("other")).encode(y=y)
    named = _chart([start]).mark_text(align="right", dy=10 if below else -10, color=colour("muted"))
    curve = _chart(values).encode(x=x, y=y)
    mark = _chart([best]).encode(x=x, y=y)
    layered: Any = altair.layer(
        rule,
        named.encode(x=altair.value(_WIDTH), y=y, text="label:N"),
        curve.mark_line(color=colour("accent"), strokeWidth=1.5, opacity=0.6),
        curve.mark_point(filled=True, size=45, opacity=1, color=colour("accent")),
        mark.mark_point(size=170, opacity=1, strokeWidth=2, color=colour("ink")),
        mark.mark_text(
            align="right" if late else "left", dx=-12 if late else 12, dy=-10, color=colour("ink")
        ).encode(text="label:N"),
    )
    return layered.properties(width=_WIDTH, height=_MEASURE)


def _loss(results: Train, losses: Sequence[_Row]) -> Any:
    import altair

    axis = Axis.around([row["loss"] for row in losses], _LOSS, log=False)
    y = altair.Y("loss:Q", title="training loss").scale(axis.scale()).axis(tickCount=5)
    chart = _chart(losses).encode(x=_steps(results), y=y)
    layered: Any = altair.layer(
        chart.mark_line(color=colour("total"), strokeWidth=1.5),
        chart.mark_point(filled=True, size=25, opacity=1, color=colour("total")),
    )
    return layered.properties(width=_WIDTH, height=_LOSS)


def _steps(results: Train) -> Any:
    """Return the axis that both panels have: from no step to the last one."""
    import altair

    axis = altair.Axis(format=",d", tickMinStep=1, tickCount=8)
    scale = altair.Scale(domain=[0, _last(results)], nice=False)
    return altair.X("step:Q", title="step", scale=scale, axis=axis)


def _last(results: Train) -> int:
    return max([1, results.best_step, *(point.step for point in results.curve)])


def _chart(rows: Sequence[_Row]) -> Any:
    import altair

    return altair.Chart(altair.InlineData(values=list(rows)))
