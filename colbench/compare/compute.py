"""Comparing two results, whatever shows it: effectiveness, changes, costs where times compare."""

from __future__ import annotations

from collections.abc import Sequence

import colbench
from colbench.compare.changes import (
    config_changes,
    environment_changes,
    setting_changes,
)
from colbench.compare.effectiveness import Pair, measure_changes, moved_queries
from colbench.compare.pairing import Opened, check_comparable, pair_systems
from colbench.compare.record import Comparison, CostChange, MeasureChange, PairComparison, Side
from colbench.measures.bootstrap import LEVEL, RESAMPLES
from colbench.measures.catalogue import ignores_order
from colbench.measures.latency import BUSY
from colbench.measures.significance import Test, too_few_sentence
from colbench.report.costs import costs, load_costs
from colbench.results.schema import Environment, Results, SystemResult
from colbench.results.task_result import KIND
from colbench.results.verdicts import primary_measure

_MACHINE = ("cpu", "cores", "threads", "accelerator")
"""What times depend on; memory differs by a few pages between equal machines."""


def cost_changes(a: SystemResult, b: SystemResult) -> list[CostChange]:
    """Return every cost that at least one of the systems has."""
    changes = []
    for cost in [*costs("compare"), *load_costs([a, b])]:
        first, second = cost.of(a), cost.of(b)
        if first is None and second is None:
            continue
        ratio = second / first if first and second is not None else None
        changes.append(
            CostChange(cost=cost.source, is_time=cost.is_time, a=first, b=second, ratio=ratio)
        )
    return changes


def machine_note(a: Results, b: Results) -> str | None:
    """Say what about the machines makes times incomparable; None where nothing does."""
    differing = [
        f"{name} {_of(a.environment, name)} and {_of(b.environment, name)}"
        for name in _MACHINE
        if getattr(a.environment, name) != getattr(b.environment, name)
    ]
    if not differing:
        return None
    return f"times are not comparable, A and B were not measured alike: {'; '.join(differing)}"


def busy_notes(a: SystemResult, b: SystemResult) -> list[str]:
    """Say which of the systems was timed beside a busy process."""
    return [
        f"times are not comparable, in {side} other processes used {system.other_cpu_share:.0%} of "
        "the cores meanwhile"
        for side, system in (("A", a), ("B", b))
        if system.other_cpu_share is not None and system.other_cpu_share > BUSY
    ]


def sampling_note(a: SystemResult, b: SystemResult) -> str | None:
    """Say that latencies are of unequal numbers of queries or trials; None where they are not."""
    if a.latency_ms is None or b.latency_ms is None:
        return None
    first, second = (
        f"{latency.queries} queries × {latency.trials} trials"
        for latency in (a.latency_ms, b.latency_ms)
    )
    return None if first == second else f"latencies are of {first} in A, {second} in B"


def _of(environment: Environment, name: str) -> str:
    value = getattr(environment, name)
    return "none" if value is None else str(value)


def compare(
    a: Opened,
    b: Opened,
    systems: Sequence[str] = (),
    *,
    test: Test = "student",
    alpha: float = 0.05,
    queries: int = 5,
) -> Comparison:
    """Put two results side by side.

    Args:
        a: the reference; every difference is B minus A.
        b: the other; may be the same.
        systems: pairs `name in A=name in B`; all systems of one name where empty.
        test: paired test of the means.
        alpha: its level, of the primary measure over all pairs and of all other tests together.
        queries: drops and rises to keep of each pair.

    Raises:
        ConfigError: a system is unknown or was not measured, or none is in both.
        DataError: the collections, or the queries, are not the same.
        StorageError: a file of per-query values is damaged.
    """
    check_comparable(a, b)
    matched, unpaired = pair_systems(a.results, b.results, systems)
    pairs = [Pair(first, second, a.values(first), b.values(second)) for first, second in matched]
    measures = [name for name in a.results.measures if name in b.results.measures]
    wanted = primary_measure(a.results)
    primary = wanted if wanted in measures else next(iter(measures), None)
    untested = [name for name in measures if _says_nothing(name, a.results, b.results)]
    changes = measure_changes(pairs, measures, test, alpha, primary=primary, untested=untested)
    machines = machine_note(a.results, b.results)
    return Comparison(
        colbench_version=colbench.__version__,
        a=_side(a),
        b=_side(b),
        collection=a.results.collection,
        measures=measures,
        primary=primary,
        test=test,
        alpha=alpha,
        level=LEVEL,
        resamples=RESAMPLES,
        notes=[
            *([machines] if machines else []),
            *_notes(a, b, measures),
            *_too_few(changes, alpha),
        ],
        config=config_changes(a.results, b.results),
        environment=environment_changes(a.results, b.results),
        pairs=[
            _pair(pair, matched, a, b, queries, machines is None)
            for pair, matched in zip(pairs, changes, strict=True)
        ],
        unpaired=unpaired,
    )


def _says_nothing(measure: str, a: Results, b: Results) -> bool:
    documents = a.collection.docs
    return all(
        ignores_order(measure, system.depth or documents, documents)
        for results in (a, b)
        for system in results.systems
        if system.status == "ok"
    )


def _too_few(changes: Sequence[Sequence[MeasureChange]], alpha: float) -> list[str]:
    tested = [c for pair in changes for c in pair if c.primary and c.wins is not None]
    queries = max(((c.wins or 0) + (c.ties or 0) + (c.losses or 0) for c in tested), default=None)
    told = queries is not None and too_few_sentence(queries, len(tested), alpha)
    return [told] if told else []


def _side(opened: Opened) -> Side:
    results = opened.results
    return Side(
        path=str(opened.path),
        experiment=results.experiment,
        command=results.command,
        created=results.created,
    )


def _notes(a: Opened, b: Opened, both: Sequence[str]) -> list[str]:
    notes = []
    for side, opened in (("A", a), ("B", b)):
        alone = [name for name in opened.results.measures if name not in both]
        if alone:
            notes.append(f"measures of {side} alone, not compared: {', '.join(alone)}")
        if not opened.results.queries:
            notes.append(
                f"{side} was written before results held queries and documents: run it again to "
                "see them beside the queries that moved"
            )
    return notes


def _pair(
    pair: Pair,
    effectiveness: list[MeasureChange],
    a: Opened,
    b: Opened,
    queries: int,
    alike: bool,
) -> PairComparison:
    busy = busy_notes(pair.a, pair.b)
    tested = [change.measure for change in effectiveness if change.wins is not None]
    moved_by = tested[0] if tested else None
    drops, rises = (
        moved_queries(pair, moved_by, a.results, b.results, queries) if moved_by else ([], [])
    )
    sampling = sampling_note(pair.a, pair.b)
    whole = not any(side.config.get("kind") == KIND for side in (pair.a, pair.b))
    return PairComparison(
        a=pair.a.name,
        b=pair.b.name,
        identical=_identical(pair),
        settings=setting_changes(pair.a, pair.b) if whole else [],
        effectiveness=effectiveness,
        costs=cost_changes(pair.a, pair.b) if whole else [],
        times_comparable=alike and not busy,
        moved_by=moved_by,
        drops=drops,
        rises=rises,
        untrained=pair.a.untrained or pair.b.untrained,
        notes=_pair_notes(pair),
        cost_notes=[*busy, *([sampling] if sampling else [])],
    )


def _identical(pair: Pair) -> bool | None:
    first, second = pair.a.run_sha256, pair.b.run_sha256
    if first is None or second is None:
        return None
    # The name of the system is part of every line of its run.
    return first == second if first == second or pair.a.name == pair.b.name else None


def _pair_notes(pair: Pair) -> list[str]:
    notes = []
    for side, system, values in (("A", pair.a, pair.values_a), ("B", pair.b, pair.values_b)):
        if values is None and system.config.get("kind") == KIND:
            notes.append(
                f"no test, interval or query that moved: {side} is a file of MTEB, which holds "
                "means alone"
            )
        elif values is None:
            notes.append(
                f"no test, interval or query that moved: {side} has no per-query values, neither "
                f"in its results.json nor in {system.per_query_file or 'a file'} beside it; run it "
                "again"
            )
    if pair.a.depth != pair.b.depth:
        notes.append(
            f"{pair.a.depth} documents per query were retrieved in A, {pair.b.depth} in B: "
            "measures that look deeper than the fewer of them are not comparable"
        )
    return notes
