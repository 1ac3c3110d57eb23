"""From the records of a sweep's points to rows of results, fronts and advice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

from colbench.config.sweep import Point, SweepSettings
from colbench.errors import ColbenchError
from colbench.experiment.job import PointRecord
from colbench.experiment.sweep.advice import advise, index_bytes, p50, value
from colbench.measures.latency import BUSY
from colbench.measures.pareto import pareto_front
from colbench.measures.significance import Test, compare_to_baseline
from colbench.results.schema import Results, Significance, SweepInfo, SystemResult


def add_points(
    results: Results,
    sweep: SweepSettings,
    measure: str,
    measured: Sequence[tuple[Point, PointRecord]],
    *,
    depth: int,
) -> Results:
    """Return the results with a row for each point, tested against the baseline.

    Args:
        results: of the references, at least one of which ran.
        sweep: what was varied.
        measure: of fronts, tests and advice.
        measured: the points and what was measured at each.
        depth: documents asked for per query where a point does not say.

    Raises:
        ColbenchError: no reference ran.
    """
    ran = [system for system in results.systems if system.status == "ok"]
    if not ran:
        raise ColbenchError("sweep: none of the systems beside it could run, so it has no baseline")
    named = results.config.get("baseline") or ran[0].name
    baseline = next((system for system in ran if system.name == named), None)
    if baseline is None:
        raise ColbenchError(f"sweep: its baseline {named} was skipped: choose another baseline")
    rows = [_row(point, record, point.k or depth) for point, record in measured]
    notes = [*results.notes, *_notes(results, [record for _, record in measured])]
    return with_points(
        results.model_copy(update={"notes": notes}),
        rows,
        baseline,
        SweepInfo(
            system=sweep.system,
            axes=sweep.axes,
            points={point.name: dict(point.parameters) for point, _ in measured},
            references=[system.name for system in results.systems],
            measure=measure,
            front_latency=[],
            front_bytes=[],
            advice=[],
        ),
        tolerance=sweep.tolerance,
    )


def with_points(
    results: Results,
    rows: Sequence[SystemResult],
    baseline: SystemResult,
    info: SweepInfo,
    *,
    tolerance: float,
) -> Results:
    """Return the results with these points, tested against the baseline, fronts and advice.

    Args:
        results: whose systems are the references, if there are any.
        rows: the points; the baseline may be one of them.
        baseline: a system that ran.
        info: what was varied; fronts and advice are filled in.
        tolerance: loss that the advice takes for none.
    """
    rows = _tested(rows, baseline, info.measure, results)
    ran = [system for system in results.systems if system.status == "ok"] + rows
    complete = info.model_copy(
        update={
            "front_latency": _front(sorted(ran, key=index_bytes), info.measure, p50),
            "front_bytes": _front(sorted(ran, key=p50), info.measure, index_bytes),
            "advice": advise(
                [row for row in rows if row.name != baseline.name] or rows,
                baseline,
                info.measure,
                tolerance,
            ),
        }
    )
    return results.model_copy(
        update={
            "systems": [*results.systems, *rows],
            "sweep": complete,
            "baseline": baseline.name,
        }
    )


def _row(point: Point, record: PointRecord, depth: int) -> SystemResult:
    return SystemResult(
        name=point.name,
        status="ok",
        config=point.settings.model_dump(mode="json"),
        facts=record.facts,
        effectiveness=record.effectiveness,
        depth=depth,
        latency_ms=record.latency_ms,
        other_cpu_share=record.other_cpu_share,
        build_seconds=record.build_seconds,
        encodings=record.encodings,
        index=record.index,
        per_query=record.per_query,
        fidelity=record.fidelity,
        run_sha256=record.run_sha256,
    )


def _tested(
    rows: Sequence[SystemResult], baseline: SystemResult, measure: str, results: Results
) -> list[SystemResult]:
    """Test every point against the baseline on one measure, corrected for their number."""
    ids = [query.id for query in results.queries]
    values = {
        system.name: {measure: dict(zip(ids, (system.per_query or {})[measure], strict=True))}
        for system in [baseline, *rows]
    }
    test: Test = "fisher" if results.test == "fisher" else "student"
    found = compare_to_baseline(baseline.name, values, [measure], test=test, alpha=results.alpha)
    return [
        row
        if row.name == baseline.name
        else row.model_copy(
            update={
                "significance": {
                    measure: Significance.model_validate(
                        dataclasses.asdict(found[row.name][measure])
                    )
                }
            }
        )
        for row in rows
    ]


def _front(
    systems: Sequence[SystemResult], measure: str, cost: Callable[[SystemResult], float]
) -> list[str]:
    return pareto_front({system.name: (cost(system), value(system, measure)) for system in systems})


def _notes(results: Results, records: Sequence[PointRecord]) -> list[str]:
    notes = []
    busy = sum(record.other_cpu_share > BUSY for record in records)
    if busy:
        notes.append(
            f"{busy} points: other processes used over {BUSY:.0%} of the cores while they were "
            "timed; their times are not to be trusted"
        )
    others = Counter(record.git_commit for record in records)
    others.pop(results.environment.git_commit, None)
    for commit, count in others.items():
        notes.append(f"{count} points were measured at commit {(commit or 'unknown')[:12]}")
    return notes
