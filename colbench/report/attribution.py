"""Where quality is lost: one table for each system that was searched stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

from colbench.measures.overlap import PERSISTENCE
from colbench.report.formats import fraction, points
from colbench.report.table import Table, names, numbers
from colbench.results.schema import AttributionStage, Results
from colbench.results.verdicts import primary_measure

HEADING = "Where quality is lost"

_PLACES = {
    "compressed": "the residuals",
    "candidates": "the choice of candidates",
    "pruned": "the first centroid interaction",
    "final": "the last stage",
    "engine": "the engine's index and search",
}
"""What a stage of `colbert`, or of an engine of others, does, in words."""


def loss_tables(results: Results) -> list[Table]:
    """Return a table for each system whose stages were searched; none without measures.

    The note of a table names the largest loss; it has none where nothing was lost.
    """
    measure = primary_measure(results)
    if measure is None:
        return []
    return [
        _table(system.name, system.attribution, measure)
        for system in results.systems
        if system.attribution
    ]


def explain_losses(results: Results) -> str:
    """How to read the tables, in a few sentences."""
    measure = primary_measure(results)
    return (
        "Each row is the search cut off after that stage. points: change (× 100) of "
        f"{measure} against the row above. RBO (extrapolated, p = {PERSISTENCE:g}) "
        "and intersection, the share of the k best documents, are with the first row."
    )


def _table(system: str, stages: Sequence[AttributionStage], measure: str) -> Table:
    cutoffs = list(stages[0].intersection)
    columns = [
        *names("stage", about="the search cut off after it"),
        *numbers(fraction, measure, direction="higher", priority=0, about="the primary measure"),
        *numbers(points, "points", direction="higher", priority=0, about="to the row above, × 100"),
        *numbers(
            fraction,
            "RBO",
            *(f"intersection@{k}" for k in cutoffs),
            direction="higher",
            about="overlap with the documents of the first row",
        ),
    ]
    rows = [
        [
            stage.stage,
            stage.effectiveness[measure],
            None if stage.change is None else stage.change[measure],
            stage.rbo,
            *(stage.intersection[k] for k in cutoffs),
        ]
        for stage in stages
    ]
    loss = _largest_loss(system, stages, measure)
    return Table(system, columns, rows, [loss] if loss else [])


def _largest_loss(system: str, stages: Sequence[AttributionStage], measure: str) -> str:
    """Name the stage that loses most; of equals the first."""
    changes = [round(100 * (stage.change or {}).get(measure, 0.0), 2) for stage in stages]
    worst = min(range(len(stages)), key=changes.__getitem__)
    if changes[worst] >= 0:
        return ""
    stage = stages[worst].stage
    place = _PLACES.get(stage)
    where = f"{place} ({stage})" if place else stage
    return f"{system}: most is lost in {where}: {changes[worst]:+.2f} points of {measure}."
