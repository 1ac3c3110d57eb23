"""From the workers' runs to rows of results: effectiveness, significance, losses by stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colbench.collection.model import Collection
from colbench.config.settings import RunSettings
from colbench.digests import sha256_file
from colbench.experiment.bench import SystemReply
from colbench.experiment.examples import Examples, choose_examples, relevant_documents
from colbench.experiment.job import Failure
from colbench.experiment.output import OutputFolder
from colbench.files import write_json
from colbench.measures.bootstrap import mean_difference
from colbench.measures.catalogue import ignores_order
from colbench.measures.effectiveness import evaluate, first_relevant, mean_scores, ranking_digest
from colbench.measures.overlap import mean_overlap
from colbench.measures.ranks import Ranks, rank_intervals
from colbench.measures.significance import Significance, compare_to_reference
from colbench.progress import note
from colbench.results.grouping import columns_of
from colbench.results.schema import AttributionStage, Fidelity, SystemResult
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import module_metadata
from colbench.run.model import Ranking, Run
from colbench.run.trec import read_trec

_CUTOFFS = (10, 100)


def attribute_loss(
    system: str,
    stages: Sequence[str],
    collection: Collection,
    measures: Sequence[str],
    output: OutputFolder,
    *,
    depth: int,
) -> list[AttributionStage] | None:
    """Score the run of each stage and hold it against the first.

    Args:
        system: name of the system.
        stages: its stages in order; their runs are staged in `output`.
        collection: what was searched.
        measures: names of the measures reported.
        output: where the runs are.
        depth: documents asked for per query.

    Returns:
        One entry a stage, in order; None without stages.
    """
    cutoffs = sorted({k for k in _CUTOFFS if k < depth} | {depth})
    rows: list[AttributionStage] = []
    reference: Run | None = None
    for stage in stages:
        run = _read(output, system, stage, collection)
        reference = run if reference is None else reference
        means = mean_scores(evaluate(collection.qrels, run, measures))
        before = rows[-1].effectiveness if rows else None
        overlap = mean_overlap(run, reference, cutoffs)
        rows.append(
            AttributionStage(
                stage=stage,
                effectiveness=means,
                change={name: means[name] - before[name] for name in means} if before else None,
                rbo=overlap.rbo,
                intersection={str(k): share for k, share in overlap.intersection.items()},
            )
        )
    return rows or None


def _read(output: OutputFolder, system: str, stage: str, collection: Collection) -> Run:
    """Read a stage's run and put back the queries without results, which a TREC file leaves out."""
    return _whole(read_trec(output.stage_file(system, stage)), collection)


def _whole(run: Run, collection: Collection) -> Run:
    nothing = Ranking.sort([], [])
    return Run(
        run.name, {query.id: run.rankings.get(query.id, nothing) for query in collection.queries}
    )


PerQuery = dict[str, dict[str, float]]
"""measure → query id → value"""


@dataclass(frozen=True)
class Outcome:
    """What became of one system.

    Attributes:
        name: the system.
        settings: its checked settings.
        reply: what its worker measured, or why it could not.
        docs_encoded: documents encoded for it in this run.
        log: staged file with what its process said before it failed.
    """

    name: str
    settings: SystemSettings
    reply: SystemReply | Failure
    docs_encoded: int
    log: Path | None = None


@dataclass(frozen=True)
class Evaluated:
    """What the results say about the systems.

    Attributes:
        rows: one per system, in order.
        reference: the one asked for, or the first system that ran; None where fewer than two
            systems ran or the reference was skipped.
        examples: queries and documents to look at.
    """

    rows: list[SystemResult]
    reference: str | None
    examples: Examples


@dataclass(frozen=True)
class _Found:
    """What is kept of whole rankings, in the order of the collection's queries."""

    first_relevant: list[int | None]
    relevant: list[list[int]]
    digests: list[str]

    @classmethod
    def of(cls, collection: Collection, run: Run) -> _Found:
        ids = [query.id for query in collection.queries]
        first = first_relevant(collection.qrels, run)
        nothing = Ranking.sort([], [])
        return cls(
            [first.get(query) for query in ids],
            [
                _ranks(relevant_documents(collection.qrels.get(query, {})), run.rankings.get(query))
                for query in ids
            ],
            [ranking_digest(run.rankings.get(query, nothing).doc_ids) for query in ids],
        )


def _ranks(documents: Iterable[str], ranking: Ranking | None) -> list[int]:
    """Return the rank of each document, 0 where it was not retrieved."""
    found = {doc_id: rank for rank, doc_id in enumerate(ranking.doc_ids, 1)} if ranking else {}
    return [found.get(doc_id, 0) for doc_id in documents]


def evaluate_systems(
    outcomes: Sequence[Outcome],
    collection: Collection,
    measures: Sequence[str],
    output: OutputFolder,
    *,
    depth: int,
    settings: RunSettings,
    exact: tuple[str, Path] | None = None,
) -> Evaluated:
    """Score the run files and test them against the reference.

    Args:
        outcomes: what became of each system.
        collection: what was searched; without judgments there are no scores and no tests.
        measures: names of the measures reported; none without judgments.
        output: where the runs are.
        depth: documents asked for per query.
        settings: of the run.
        exact: name and run of the search that overlap is held against; None for no overlap.
    """
    note("evaluating")
    reference, significance = settings.reference, settings.significance
    scores: dict[str, PerQuery] = {}
    runs: dict[str, Run] = {}
    found: dict[str, _Found] = {}
    for outcome in outcomes:
        if isinstance(outcome.reply, SystemReply):
            run = read_trec(output.run_file(outcome.name))
            scores[outcome.name] = evaluate(collection.qrels, run, measures)
            if measures:
                write_json(output.per_query_file(outcome.name), scores[outcome.name])
            found[outcome.name] = _Found.of(collection, run)
            runs[outcome.name] = _beginnings(run, settings.examples.documents)
    chosen = reference or next(iter(scores), None)
    documents = len(collection.documents)
    untested = [name for name in measures if ignores_order(name, depth, documents)]
    test, alpha = significance.test, significance.alpha
    tests = {}
    if measures and chosen in scores and len(scores) > 1:
        tests = compare_to_reference(
            chosen,
            scores,
            measures,
            test=test,
            alpha=alpha,
            untested=untested,
            margin=significance.margin,
        )
    ranks = rank_intervals(scores, measures, test, alpha, untested=untested)
    losses = {
        outcome.name: attribute_loss(
            outcome.name, outcome.reply.stages, collection, measures, output, depth=depth
        )
        for outcome in outcomes
        if isinstance(outcome.reply, SystemReply)
    }
    values = {name: per_query[measures[0]] for name, per_query in scores.items() if measures}
    fidelities = _fidelities(exact, list(scores), collection, output, depth)
    columns = columns_of(settings.slices)
    examples = choose_examples(collection, runs, values, settings.examples, columns)
    rows = [
        _row(
            outcome,
            scores[outcome.name],
            tests.get(outcome.name),
            losses[outcome.name],
            found[outcome.name],
            ranks[outcome.name] if len(scores) > 1 else None,
            examples,
            output,
            depth,
            fidelities.get(outcome.name),
        )
        if outcome.name in scores
        else _not_measured(outcome, output)
        for outcome in outcomes
    ]
    return Evaluated(rows, chosen if tests else None, examples)


def _fidelities(
    exact: tuple[str, Path] | None,
    systems: Sequence[str],
    collection: Collection,
    output: OutputFolder,
    depth: int,
) -> dict[str, Fidelity]:
    """Hold the run of each system against that of exact search."""
    if exact is None:
        return {}
    reference, file = exact
    wanted = _whole(read_trec(file), collection)
    cutoffs = sorted({k for k in _CUTOFFS if k < depth} | {depth})
    found = {}
    for system in systems:
        overlap = mean_overlap(read_trec(output.run_file(system)), wanted, cutoffs)
        found[system] = Fidelity(
            reference=reference,
            rbo=overlap.rbo,
            intersection={str(k): share for k, share in overlap.intersection.items()},
        )
    return found


def _beginnings(run: Run, most: int) -> Run:
    """Return the first documents of each query: whole runs of many systems are large."""
    return Run(
        run.name,
        {
            query_id: Ranking(ranking.doc_ids[:most], ranking.scores[:most])
            for query_id, ranking in run.rankings.items()
        },
    )


def _row(
    outcome: Outcome,
    scores: PerQuery,
    tests: dict[str, Significance] | None,
    attribution: list[AttributionStage] | None,
    found: _Found,
    ranks: dict[str, Ranks] | None,
    examples: Examples,
    output: OutputFolder,
    depth: int,
    fidelity: Fidelity | None,
) -> SystemResult:
    reply = outcome.reply
    assert isinstance(reply, SystemReply)
    run_file = output.run_file(outcome.name)
    encodes = reply.encode_docs_per_second is not None
    return SystemResult.of(
        outcome.name,
        outcome.settings.model_dump(mode="json"),
        reply,
        effectiveness=mean_scores(scores) if scores else None,
        intervals=mean_intervals(scores, next(iter(scores))) if scores else None,
        ranks=ranks or None,
        depth=depth,
        docs_encoded=outcome.docs_encoded if encodes else None,
        attribution=attribution,
        significance=tests or None,
        per_query={
            measure: [values[query.id] for query in examples.queries]
            for measure, values in scores.items()
        },
        first_relevant=found.first_relevant if scores else None,
        relevant_ranks=found.relevant if scores else None,
        rankings=found.digests,
        top=examples.top[outcome.name],
        fidelity=fidelity,
        run_file=output.relative(run_file),
        run_sha256=sha256_file(run_file),
        per_query_file=output.relative(output.per_query_file(outcome.name)) if scores else None,
    )


def mean_intervals(scores: PerQuery, measure: str) -> dict[str, tuple[float, float]] | None:
    """Return the limits of the mean of one measure; None with a single query."""
    values = np.array(list(scores[measure].values()))
    found = mean_difference(values, np.zeros_like(values))
    return None if found.low is None or found.high is None else {measure: (found.low, found.high)}


def _not_measured(outcome: Outcome, output: OutputFolder) -> SystemResult:
    assert isinstance(outcome.reply, Failure)
    return SystemResult(
        name=outcome.name,
        status="skipped" if outcome.reply.skipped else "failed",
        reason=outcome.reply.message,
        log=output.relative(outcome.log) if outcome.log is not None else None,
        config=outcome.settings.model_dump(mode="json"),
        metadata=module_metadata(outcome.settings.kind),
    )
