"""From the runs of a system's stages to where its quality is lost."""

from __future__ import annotations

from collections.abc import Sequence

from colbench.collection.model import Collection
from colbench.experiment.output import OutputFolder
from colbench.measures.effectiveness import evaluate, mean_scores
from colbench.measures.overlap import mean_overlap
from colbench.results.schema import AttributionStep
from colbench.run.model import Ranking, Run
from colbench.run.trec import read_trec

_CUTOFFS = (10, 100)


def attribute_loss(
    system: str,
    steps: Sequence[str],
    collection: Collection,
    measures: Sequence[str],
    output: OutputFolder,
    *,
    depth: int,
) -> list[AttributionStep] | None:
    """Score the run of each stage and hold it against the first.

    Args:
        system: name of the system.
        steps: its stages in order; their runs are staged in `output`.
        collection: what was searched.
        measures: names of the measures reported.
        output: where the runs are.
        depth: documents asked for per query.

    Returns:
        One entry a stage, in order; None without stages.
    """
    cutoffs = sorted({k for k in _CUTOFFS if k < depth} | {depth})
    rows: list[AttributionStep] = []
    reference: Run | None = None
    for step in steps:
        run = _read(output, system, step, collection)
        reference = run if reference is None else reference
        means = mean_scores(evaluate(collection.qrels, run, measures))
        before = rows[-1].effectiveness if rows else None
        overlap = mean_overlap(run, reference, cutoffs)
        rows.append(
            AttributionStep(
                step=step,
                effectiveness=means,
                change={name: means[name] - before[name] for name in means} if before else None,
                rbo=overlap.rbo,
                intersection={str(k): share for k, share in overlap.intersection.items()},
            )
        )
    return rows or None


def _read(output: OutputFolder, system: str, step: str, collection: Collection) -> Run:
    """Read a stage's run and put back the queries without results, which a TREC file leaves out."""
    run = read_trec(output.step_file(system, step))
    nothing = Ranking.sort([], [])
    return Run(
        run.name, {query.id: run.rankings.get(query.id, nothing) for query in collection.queries}
    )
