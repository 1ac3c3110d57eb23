"""Share of gates that raise an alarm, a dot a run and number of queries: SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.report.charts.draw import picture
from colbench.results.gate_power import GatePower

_WIDTH, _ROW = 260, 18
_KINDS = {"degradation": "worse", "noise": "as good", "exchanged": "as good, exchanged"}
_RULES = {"tests": "gate's tests", "tolerance": "fixed tolerance"}


def write_picture(results: GatePower, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    told = f"share of {results.trials:,} gates that raise an alarm; runs that are worse should"
    svg, png = picture(alarms(results), "Is the gate right?", told)
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(svg)
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(png)


def alarms(results: GatePower) -> Any:
    """Return the Altair chart: a column a collection, a block a kind of run."""
    import altair

    columns = []
    for found in results.collections:
        blocks = []
        for kind, told in _KINDS.items():
            points = [
                {
                    "run": variant.about,
                    "queries": f"{detection.queries}",
                    "share": getattr(detection, rule),
                    "rule": shown,
                }
                for variant in found.variants
                if variant.kind == kind
                for detection in variant.detections
                for rule, shown in _RULES.items()
            ]
            rows = len({point["run"] for point in points})
            data: Any = altair.InlineData(values=points)
            chart = (
                altair.Chart(data)
                .mark_point(filled=True, opacity=0.8)
                .encode(
                    x=altair.X("share:Q", title="gates that raise an alarm").scale(domain=[0, 1]),
                    y=altair.Y("run:N", title=None, sort=None).axis(labelLimit=260),
                    color=altair.Color("rule:N", title=None),
                    size=altair.Size(
                        "queries:O", title="queries", sort=[str(n) for n in _sizes(results)]
                    ),
                )
                .properties(width=_WIDTH, height=_ROW * max(rows, 1), title=told)
            )
            blocks.append(chart)
        columns.append(altair.vconcat(*blocks).properties(title=found.collection.name))
    return altair.hconcat(*columns)


def _sizes(results: GatePower) -> list[int]:
    every = {d.queries for c in results.collections for v in c.variants for d in v.detections}
    return sorted(every)
