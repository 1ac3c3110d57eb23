"""From the records of a sweep's points to rows of results, fronts, and advice in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from colbench.errors import ColbenchError
from colbench.measures.latency import BUSY
from colbench.measures.pareto import pareto_front
from colbench.measures.significance import Test, compare_to_baseline
from colbench.results.schema import Results, SweepInfo, SystemResult
from colbench.sweep.settings import Point, SweepSettings
from colbench.sweep.task import PointRecord


def advise(
    points: Sequence[SystemResult], baseline: SystemResult, measure: str, tolerance: float
) -> list[str]:
    """Name the fastest and the smallest point that lose no more than is tolerated, and the best.

    Args:
        points: of the sweep, measured.
        baseline: what their loss, speed and size are held against.
        measure: that counts.
        tolerance: loss that is taken for none.
    """
    wanted = value(baseline, measure) - tolerance
    good = [point for point in points if value(point, measure) >= wanted]
    best = max(points, key=lambda point: (value(point, measure), -p50(point)))
    within = f"within {100 * tolerance:g} points of {baseline.name}"
    if not good:
        return [_sentence(f"no point is {within}; the best", best, baseline, measure)]
    smallest = min(good, key=lambda point: (index_bytes(point), p50(point)))
    fastest = min(good, key=lambda point: (p50(point), index_bytes(point)))
    chosen = {f"smallest {within}": smallest, f"fastest {within}": fastest}
    if smallest.name == fastest.name:
        chosen = {f"smallest and fastest {within}": smallest}
    chosen[f"highest {measure}"] = best
    return [_sentence(told, point, baseline, measure) for told, point in chosen.items()]


def _sentence(told: str, point: SystemResult, baseline: SystemResult, measure: str) -> str:
    difference = 100 * (value(point, measure) - value(baseline, measure))
    test = (point.significance or {}).get(measure)
    sure = "" if test is None else " (significant)" if test.significant else " (not significant)"
    return (
        f"{told}: {point.name}: {difference:+.1f} points of {measure}{sure}, "
        f"{_ratio(point, baseline, index_bytes, 'smaller', 'larger')}, "
        f"{_ratio(point, baseline, p50, 'faster', 'slower')} than {baseline.name}"
    )


def _ratio(
    point: SystemResult,
    baseline: SystemResult,
    cost: Callable[[SystemResult], float],
    less: str,
    more: str,
) -> str:
    ours, theirs = cost(point), cost(baseline)
    if not ours or not theirs:
        return f"no {less}"
    return f"{theirs / ours:.1f}× {less}" if ours <= theirs else f"{ours / theirs:.1f}× {more}"


def value(system: SystemResult, measure: str) -> float:
    """Return the effectiveness of a system that was measured."""
    return (system.effectiveness or {})[measure]


def p50(system: SystemResult) -> float:
    """Return the median milliseconds of a search."""
    return system.latency_ms.search.p50 if system.latency_ms else float("inf")


def index_bytes(system: SystemResult) -> float:
    """Return the size of the index."""
    return system.index.bytes if system.index else float("inf")


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
    return SystemResult.of(point.name, point.settings.model_dump(mode="json"), record, depth=depth)


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
        else row.model_copy(update={"significance": found[row.name]})
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
