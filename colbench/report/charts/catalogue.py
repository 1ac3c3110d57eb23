"""The charts that a report can have, in its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from colbench.report.charts.frame import Layout
from colbench.report.charts.latency import latency
from colbench.report.charts.marks import LATENCY, SIZE
from colbench.report.charts.pareto import pareto
from colbench.report.charts.waterfall import waterfall
from colbench.results.schema import Results


@dataclass(frozen=True)
class ChartKind:
    """A chart.

    Attributes:
        name: of its files.
        title: its heading.
        summary: how to read it, in a sentence or two.
        draw: makes the Altair chart in a layout; None where the results have nothing for it.
    """

    name: str
    title: str
    summary: str
    draw: Callable[[Results, Layout], Any | None]


_FRONT = (
    "Up and to the left is better. The line joins the systems that no other one beats: that equals "
    "or betters them in both, and betters them in one. What the tables print alike is equal."
)

CHARTS = (
    ChartKind(
        LATENCY.name,
        "Effectiveness and the time of a query",
        _FRONT,
        lambda results, layout: pareto(results, LATENCY, layout),
    ),
    ChartKind(
        SIZE.name,
        "Effectiveness and index size",
        _FRONT,
        lambda results, layout: pareto(results, SIZE, layout),
    ),
    ChartKind(
        "latency",
        "The time of a query, encoding and search together",
        "A tick is one query, where the results hold them; the marks are p50, p95 and p99. Where "
        "only the two parts were kept, the mark is the sum of their medians.",
        latency,
    ),
    ChartKind(
        "losses",
        "Where quality is lost, stage by stage",
        "From the first stage through the change of each further one, in points (× 100), to the "
        "final ranking. The axis need not begin at 0.",
        waterfall,
    ),
)
