"""From the records of a sweep's variants to rows of results and fronts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from colbench.errors import ColbenchError
from colbench.experiment.evaluation import mean_intervals
from colbench.experiment.job import Failure
from colbench.measures.latency import BUSY
from colbench.measures.pareto import pareto_front
from colbench.measures.ranks import rank_intervals
from colbench.measures.significance import Test, compare_to_reference
from colbench.results.schema import Results, SweepInfo, SystemResult
from colbench.sweep.advice import Advice, index_bytes, is_disturbed, p50
from colbench.sweep.settings import SweepSettings, Variant
from colbench.sweep.task import VariantRecord

OVERLAP = "RBO"
"""What fronts are about where nothing is judged: overlap with exact search."""


def value(system: SystemResult, measure: str) -> float:
    """Return the effectiveness of a system that was measured, or its overlap."""
    if measure == OVERLAP:
        return system.fidelity.rbo if system.fidelity is not None else 0.0
    return (system.effectiveness or {})[measure]


def add_variants(
    results: Results,
    sweep: SweepSettings,
    measure: str,
    measured: Sequence[tuple[Variant, VariantRecord | Failure]],
    *,
    depth: int,
) -> Results:
    """Return the results with a row for each variant, tested against the reference.

    Args:
        results: of the references.
        sweep: what was varied.
        measure: of fronts, tests and advice.
        measured: the variants and what was measured at each, or why it was not.
        depth: documents asked for per query where a variant does not say.

    A variant that failed is a row beside the others, and no part of plots and advice.

    Raises:
        ColbenchError: no reference ran and none of them failed.
    """
    ran = [system for system in results.systems if system.status == "ok"]
    failed = [system.name for system in results.systems if system.status == "failed"]
    if not ran and not failed:
        raise ColbenchError(
            "sweep: none of the systems beside it could run, so it has no reference"
        )
    records = [(one, found) for one, found in measured if isinstance(found, VariantRecord)]
    rows = [_row(variant, record, variant.k or depth) for variant, record in records]
    broken = [_failed(one, found) for one, found in measured if isinstance(found, Failure)]
    notes = [*results.notes, *_notes(results, [record for _, record in records])]
    info = SweepInfo(
        system=sweep.system,
        axes=sweep.axes,
        variants={variant.name: dict(variant.parameters) for variant, _ in records},
        references=[system.name for system in results.systems],
        measure=measure,
        front_latency=[],
        front_bytes=[],
        advice=[],
    )
    if measure == OVERLAP:
        notes.append(
            f"nothing is judged: fronts are about {OVERLAP}, the overlap with exact search"
        )
        told = info.model_copy(update=_fronts([*ran, *rows], measure))
        return results.model_copy(
            update={"notes": notes, "systems": [*results.systems, *rows, *broken], "sweep": told}
        )
    named = results.config.get("reference") or next((one.name for one in [*ran, *rows]), None)
    reference = next((system for system in ran if system.name == named), None)
    if reference is None and named is not None and not failed:
        raise ColbenchError(f"sweep: its reference {named} was skipped: choose another reference")
    if reference is None and rows:
        reference = (ran or rows)[0]
        notes.append(f"no reference was measured: {reference.name} stands in for it")
    results = results.model_copy(update={"notes": notes})
    if reference is None or not rows:
        return results.model_copy(update={"systems": [*results.systems, *rows, *broken]})
    complete = with_variants(
        results,
        rows,
        reference,
        info,
        tolerance=sweep.tolerance,
    )
    return complete.model_copy(update={"systems": [*complete.systems, *broken]})


def with_variants(
    results: Results,
    rows: Sequence[SystemResult],
    reference: SystemResult,
    info: SweepInfo,
    *,
    tolerance: float,
) -> Results:
    """Return the results with these variants, tested against the reference, fronts and advice.

    Args:
        results: whose systems are the references, if there are any.
        rows: the variants; the reference may be one of them.
        reference: a system that ran.
        info: what was varied; fronts and advice are filled in.
        tolerance: loss that the advice takes for none.
    """
    rows = _tested(rows, reference, info.measure, results)
    parameters = {system: dict(chosen) for system, chosen in info.variants.items()}
    ran = [system for system in results.systems if system.status == "ok"] + rows
    complete = info.model_copy(
        update={
            **_fronts(ran, info.measure),
            "advice": Advice(
                [row for row in rows if row.name != reference.name] or rows,
                reference,
                info.measure,
                tolerance,
                parameters,
            ).lines(),
        }
    )
    return results.model_copy(
        update={
            "systems": [*results.systems, *rows],
            "sweep": complete,
            "reference": reference.name,
            "primary": info.measure,
        }
    )


def with_unjudged(results: Results, rows: Sequence[SystemResult], info: SweepInfo) -> Results:
    """Return the results with these variants of which nothing is judged: no tests, no advice.

    Args:
        results: whose systems are the references, if there are any.
        rows: the variants.
        info: what was varied; its measure is `OVERLAP`, and fronts are filled in.
    """
    ran = [system for system in results.systems if system.status == "ok"]
    told = f"nothing is judged: fronts are about {OVERLAP}, the overlap with exact search"
    return results.model_copy(
        update={
            "notes": [*results.notes, told],
            "systems": [*results.systems, *rows],
            "sweep": info.model_copy(update=_fronts([*ran, *rows], info.measure)),
        }
    )


def _failed(variant: Variant, failure: Failure) -> SystemResult:
    return SystemResult(
        name=variant.name,
        status="skipped" if failure.skipped else "failed",
        reason=failure.message,
        config=variant.settings.model_dump(mode="json"),
    )


def _row(variant: Variant, record: VariantRecord, depth: int) -> SystemResult:
    return SystemResult.of(
        variant.name, variant.settings.model_dump(mode="json"), record, depth=depth
    )


def _tested(
    rows: Sequence[SystemResult], reference: SystemResult, measure: str, results: Results
) -> list[SystemResult]:
    """Test every variant against the reference on one measure, corrected for their number."""
    ids = [query.id for query in results.queries]
    values = {
        system.name: {measure: dict(zip(ids, (system.per_query or {})[measure], strict=True))}
        for system in [reference, *rows]
    }
    test: Test = "fisher" if results.test == "fisher" else "student"
    tests = compare_to_reference(
        reference.name, values, [measure], test=test, alpha=results.alpha, margin=results.margin
    )
    # Thousands of pairs: Fisher's draws would take minutes.
    ranks = rank_intervals(values, [measure], alpha=results.alpha) if test == "student" else {}
    return [
        row.model_copy(
            update={
                "intervals": mean_intervals(values[row.name], measure),
                "ranks": ranks.get(row.name),
                "significance": tests.get(row.name),
            }
        )
        for row in rows
    ]


def _fronts(ran: Sequence[SystemResult], measure: str) -> dict[str, list[str]]:
    """Return both fronts; systems timed beside a busy process are in none of times."""
    calm = [system for system in ran if not is_disturbed(system)]
    return {
        "front_latency": _front(sorted(calm, key=index_bytes), measure, p50),
        "front_bytes": _front(sorted(ran, key=p50), measure, index_bytes),
    }


def _front(
    systems: Sequence[SystemResult], measure: str, cost: Callable[[SystemResult], float]
) -> list[str]:
    return pareto_front({system.name: (cost(system), value(system, measure)) for system in systems})


def _notes(results: Results, records: Sequence[VariantRecord]) -> list[str]:
    notes = list(dict.fromkeys(note for record in records for note in record.notes))
    busy = sum(record.other_cpu_share > BUSY for record in records)
    if busy:
        notes.append(
            f"{busy} variants: other processes used over {BUSY:.0%} of the cores while they were "
            "timed; their times are not to be trusted"
        )
    others = Counter(record.git_commit for record in records)
    others.pop(results.environment.git_commit, None)
    for commit, count in others.items():
        notes.append(f"{count} variants were measured at commit {(commit or 'unknown')[:12]}")
    return notes
