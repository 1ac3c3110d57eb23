"""Where quality is lost: one table a system that was searched stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colbench.measures.overlap import PERSISTENCE
from colbench.results.schema import AttributionStep, Results

HEADING = "Where quality is lost"

_PREFERRED = "ndcg@10"
_PLACES = {
    "compressed": "the residuals",
    "candidates": "the choice of candidates",
    "pruned": "the first centroid interaction",
    "final": "the last stage",
}
"""What a stage of `colbert` does, in words."""


@dataclass(frozen=True)
class LossTable:
    """The stages of one system.

    Attributes:
        system: its name.
        titles: the header.
        lines: the cells, one line a stage, the first cell its name.
        told: one sentence that names the largest loss; empty where nothing was lost.
    """

    system: str
    titles: list[str]
    lines: list[list[str]]
    told: str


def loss_tables(results: Results) -> list[LossTable]:
    """One table a system whose stages were searched; none without measures."""
    if not results.measures:
        return []
    measure = main_measure(results)
    return [
        _table(system.name, system.attribution, measure)
        for system in results.systems
        if system.attribution
    ]


def explain_losses(results: Results) -> str:
    """How to read the tables, in a few sentences."""
    return (
        "Each row is the search cut off after that stage. change: points (× 100) of "
        f"{main_measure(results)} against the row above. RBO (extrapolated, p = {PERSISTENCE:g}) "
        "and intersection, the share of the k best documents, are with the first row."
    )


def main_measure(results: Results) -> str:
    """Return the measure that losses are told in: nDCG@10, or the first one without it."""
    return _PREFERRED if _PREFERRED in results.measures else results.measures[0]


def _table(system: str, steps: Sequence[AttributionStep], measure: str) -> LossTable:
    cutoffs = list(steps[0].intersection)
    lines = [
        [
            step.step,
            f"{step.effectiveness[measure]:.4f}",
            "" if step.change is None else f"{_points(step, measure):+.2f}",
            f"{step.rbo:.4f}",
            *(f"{step.intersection[k]:.4f}" for k in cutoffs),
        ]
        for step in steps
    ]
    titles = ["step", measure, "change", "RBO", *(f"intersection@{k}" for k in cutoffs)]
    return LossTable(system, titles, lines, _largest_loss(system, steps, measure))


def _largest_loss(system: str, steps: Sequence[AttributionStep], measure: str) -> str:
    """Name the stage that loses most; of equals the first."""
    worst = min(steps, key=lambda step: _points(step, measure))
    points = _points(worst, measure)
    if points >= 0:
        return ""
    place = _PLACES.get(worst.step)
    where = f"{place} ({worst.step})" if place else worst.step
    return f"{system}: most is lost in {where}: {points:+.2f} points of {measure}."


def _points(step: AttributionStep, measure: str) -> float:
    """Return the change as it is shown, in points; 0 for the first step."""
    # Adding 0 makes a 0 of -0, which would be shown as a loss.
    return round(100 * (step.change or {}).get(measure, 0.0), 2) + 0.0
