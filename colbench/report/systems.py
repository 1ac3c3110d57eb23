"""The systems of a run as tables: comparison, tests, latency, building, index files, encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colbench.report.costs import Cost, cost, costs, explained
from colbench.report.formats import count, fraction, number, p_value, percent, points, size
from colbench.report.table import Cell, Column, Table, names, numbers, texts
from colbench.results.axes import short_names, shown
from colbench.results.schema import EncodingInfo, Results, Significance, SystemResult

_SYSTEM = Column(title="system", kind="name", source="system")


def measured(results: Results) -> list[SystemResult]:
    """Return the systems that ran."""
    return [system for system in results.systems if system.status == "ok"]


def not_measured(results: Results) -> list[tuple[str, str]]:
    """Return (name, `skipped: …` or `failed: …`) of the systems that were not measured."""
    return [(s.name, s.why_not) for s in results.systems if s.status != "ok"]


def main_measure(results: Results) -> str | None:
    """Return the measure that systems are judged by first.

    That of a sweep's fronts, nDCG@10, or the first one without it; None where nothing was judged.
    """
    if results.sweep is not None:
        return results.sweep.measure
    preferred = [name for name in results.measures if name == "ndcg@10"]
    return next(iter([*preferred, *results.measures]), None)


def comparison(
    results: Results,
    references: Sequence[str | None] = (),
    groups: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
) -> Table:
    """Return a row for each measured system: parameters of a sweep, effectiveness, overlap, costs.

    Args:
        results: whose systems they are.
        references: systems that others are tested against; that of the results where empty.
        groups: system → what a page can hide it by.
        only: names of the systems to show; all where None.
    """
    known = references or [results.reference]
    systems = measured(results)
    overlap = _overlap(systems)
    told = _told_costs(results)
    main = main_measure(results)
    columns = [
        _SYSTEM,
        *_front_column(results),
        *_parameter_columns(results),
        *(effectiveness(measure, 0 if measure == main else 2) for measure in results.measures),
        *numbers(fraction, *overlap, direction="higher", optional=True),
        *told,
    ]
    rows = [
        [
            Cell(system.name, tag="reference" if system.name in known else ""),
            *_front(system, results),
            *_parameters(system, results),
            *(_measure(system, measure) for measure in results.measures),
            *_overlaps(system, overlap),
            *(cost.cell(system) for cost in told),
        ]
        for system in systems
    ]
    grouped = [groups.get(system.name, "") for system in systems] if groups else ()
    table = Table("Comparison of the systems", columns, rows, groups=grouped).compact()
    return table if only is None else table.named(only)


def _told_costs(results: Results) -> list[Cost]:
    """Return the costs that systems have; of a sweep those that its variants have."""
    variants = results.sweep.variants if results.sweep else None
    systems = [s for s in measured(results) if variants is None or s.name in variants]
    return [c for c in costs("comparison") if any(c.of(system) is not None for system in systems)]


def effectiveness(measure: str, priority: int = 2) -> Column:
    """Return the column of a measure; its best value is marked."""
    return Column(
        title=measure,
        format=fraction,
        direction="higher",
        marks_best=True,
        source=measure,
        priority=priority,
    )


def _measure(system: SystemResult, measure: str) -> Cell:
    value = (system.effectiveness or {}).get(measure)
    test = (system.significance or {}).get(measure)
    if value is None:  # deeper than the documents retrieved at this variant of a sweep
        return Cell()
    if test is None:
        return Cell(value)
    p_holm = "" if test.p_holm is None else f", p = {p_value(test.p_holm)} (Holm)"
    told = f"{test.wins} queries better, {test.ties} equal, {test.losses} worse{p_holm}"
    return Cell(value, mark=_dagger(test), difference=test.difference, hint=told)


def _dagger(test: Significance) -> str:
    return "†" if test.significant else ""


def comparison_legend(results: Results) -> str:
    """Return how to read the comparison of one run."""
    parts = [explained(_told_costs(results))]
    if results.sweep is not None:
        parts += [
            "front: no other system is both better and faster (t), or both better and smaller (b). "
            "A variant is searched with a query that was encoded beforehand. RBO and intersection "
            "are with the exact search, as deep as a variant's k."
        ]
    if results.reference is not None:
        parts.append(f"† differs from {results.reference}: {test_told(results)}.")
    return " ".join(parts)


def test_told(results: Results) -> str:
    """Return which test a run's daggers are of."""
    return f"paired {results.test} test, Holm-corrected, p ≤ {results.alpha:g}"


def _front_column(results: Results) -> list[Column]:
    return texts("front", priority=1) if results.sweep else []


def _front(system: SystemResult, results: Results) -> list[str]:
    sweep = results.sweep
    if sweep is None:
        return []
    fronts = (("t", sweep.front_latency), ("b", sweep.front_bytes))
    return ["".join(letter for letter, front in fronts if system.name in front)]


def _parameter_columns(results: Results) -> list[Column]:
    if results.sweep is None:
        return []
    names = short_names(results.sweep.axes)
    return [
        Column(title=names[axis], kind=_kind(values), source=axis, priority=4, implied=True)
        for axis, values in results.sweep.axes.items()
    ]


def _kind(values: Sequence[Any]) -> Any:
    return "number" if all(map(_is_number, values)) else "text"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parameters(system: SystemResult, results: Results) -> list[Cell]:
    if results.sweep is None:
        return []
    variant = results.sweep.variants.get(system.name)
    return [
        Cell() if variant is None else Cell(variant.get(axis), text=shown(variant.get(axis)))
        for axis in results.sweep.axes
    ]


def _overlap(systems: Sequence[SystemResult]) -> list[str]:
    """Return RBO and the cutoffs that every variant compared with exact search has, or nothing."""
    compared = [set(system.fidelity.intersection) for system in systems if system.fidelity]
    if not compared:
        return []
    return ["RBO", *(f"intersection@{k}" for k in sorted(set.intersection(*compared), key=int))]


def _overlaps(system: SystemResult, titles: Sequence[str]) -> list[float | None]:
    found = system.fidelity
    return [
        None if found is None else found.rbo if t == "RBO" else found.intersection[t.split("@")[1]]
        for t in titles
    ]


def significance(results: Results) -> Table:
    """Return the tests against the reference, a row for each system and measure."""
    columns = [
        *names("system"),
        *texts("measure"),
        *numbers(points, "points", direction="higher"),
        *numbers(p_value, "p", "p (Holm)", direction="lower"),
        *numbers(count, "better", "equal", "worse"),
    ]
    rows = [
        [
            system.name,
            measure,
            test.difference,
            test.p_value,
            Cell(test.p_holm, mark="" if test.p_holm is None else _dagger(test)),
            *(test.wins, test.ties, test.losses),
        ]
        for system in results.systems
        for measure, test in (system.significance or {}).items()
    ]
    note = (
        f"points: difference to {results.reference}, × 100. Paired {results.test} test over "
        f"queries; p (Holm) is corrected over all systems and measures. † p (Holm) ≤ "
        f"{results.alpha:g}. better, equal, worse: queries."
    )
    return Table(f"Against {results.reference}", columns, rows, [note])


def latency(results: Results) -> Table:
    """Return the times of single queries, a row for each system and stage."""
    load = cost("other_cpu_share")
    columns = [
        *names("system"),
        *texts("stage"),
        *numbers(cost("search_p50_ms").format, "p50", "p95", "p99", "mean", direction="lower"),
        Column(title="queries × trials"),
        load,
    ]
    rows = [
        [
            system.name,
            stage,
            *(times.p50, times.p95, times.p99, times.mean),
            Cell(timed.queries, text=f"{timed.queries} × {timed.trials}"),
            load.cell(system),
        ]
        for system in results.systems
        if (timed := system.latency_ms)
        for stage, times in (("encode", timed.encode), ("search", timed.search))
    ]
    note = "Milliseconds. other load: the share of the cores that other processes used meanwhile."
    return Table("Latency, ms", columns, rows, [note]).compact()


def building(results: Results) -> Table:
    """Return what encoding the documents and building the index took."""
    shown_here = costs("building")
    rows = [[s.name, *(cost.cell(s) for cost in shown_here)] for s in measured(results)]
    columns = [*names("system"), *shown_here]
    return Table("Encoding and building", columns, rows, [explained(shown_here)]).compact()


def index_files(results: Results) -> Table:
    """Return every file of every index."""
    columns = [*names("system", "file"), *numbers(size, "size", direction="lower")]
    rows = [
        [system.name, file, bytes_]
        for system in results.systems
        if system.index
        for file, bytes_ in system.index.files.items()
    ]
    return Table("Index files", columns, rows)


def encoders(results: Results) -> Table:
    """Return how documents were encoded, a row for each encoder in each form and arithmetic."""
    found: dict[tuple[str, ...], EncodingInfo] = {}
    for system in results.systems:
        for info in system.encodings or []:
            key = (info.encoder, info.form, info.backend, info.precision, info.device)
            found.setdefault((*key, str(info.tokens)), info)
    columns = [
        *names("encoder"),
        *texts("form", "backend", "precision"),
        *numbers(number, "docs/s", "GFLOP/s", direction="higher"),
        *numbers(percent, "of GEMM peak", direction="higher"),
        *numbers(count, "documents cut off", "tokens cut off", direction="lower"),
        *numbers(count, "chunks", optional=True),
        *numbers(fraction, "cosine to fp32", direction="higher", optional=True),
    ]
    rows = [
        [
            *(info.encoder, info.form, info.backend, info.precision),
            *(info.docs_per_second, info.gflops),
            gemm_share(info.gflops, info.gemm_gflops and info.gemm_gflops * info.devices),
            _part(info.truncated_docs, results.collection.docs),
            _part(info.truncated_tokens, info.tokens + info.truncated_tokens),
            *(info.chunks, info.cosine),
        ]
        for info in found.values()
    ]
    note = (
        "docs/s: when the documents were encoded. GFLOP/s: of the forward passes, padding not "
        "counted; of GEMM peak: as a share of a large matrix product in the same precision, where "
        "this run encoded."
    )
    return Table("Encoders", columns, rows, [note]).compact()


def gemm_share(gflops: float | None, gemm_gflops: float | None) -> float | None:
    """Return a rate as a share of the GEMM peak; None where one of them is not known.

    Nor is the peak known where the encoder exceeds it: torch emulates products there, as of int8
    without instructions for them, which another backend does a hundred times faster.

    >>> gemm_share(120.0, 400.0), gemm_share(None, 400.0), gemm_share(90.0, 2.0)
    (0.3, None, None)
    """
    if gflops is None or not gemm_gflops or gflops > gemm_gflops:
        return None
    return gflops / gemm_gflops


def _part(part: int, whole: int) -> Cell:
    share = f" ({100 * part / whole:.1f} %)" if part and whole else ""
    return Cell(part, text=f"{count(part)}{share}")


def tidy(results: Results, run: str | None = None) -> Table:
    """Return all values of all systems, skipped ones included: a table for other programs.

    First what it is: experiment, collection, system, status, and of a sweep whether it is a variant
    of the grid (else a reference) and every parameter. Then each measure, its difference to the
    reference and the Holm-corrected p-value where it was tested, the overlap with another system,
    the costs, and of a sweep whether the system is on a front. A parameter that has the name of
    another column is preceded by the swept system's. Columns are named as in `results.json`.

    Args:
        results: whose systems they are.
        run: name of the run, in a column of its own; None for no such column.
    """
    records = [_record(system, results) for system in results.systems]
    if run is not None:
        records = [{"run": run, **record} for record in records]
    return _of_records(records)


def together(tables: Sequence[Table]) -> Table:
    """Return the rows of several tidy tables as one."""
    return _of_records([record for table in tables for record in table.records()])


def _of_records(records: Sequence[dict[str, Any]]) -> Table:
    # The fullest row first: it has the columns that others lack in the place where they belong.
    keys = dict.fromkeys(key for row in sorted(records, key=len, reverse=True) for key in row)
    columns = [Column(title=key, source=key) for key in keys]
    return Table("Systems", columns, [[record.get(key) for key in keys] for record in records])


def _record(system: SystemResult, results: Results) -> dict[str, Any]:
    sweep = results.sweep
    what = {
        "experiment": results.experiment,
        "collection": results.collection.name,
        "system": system.name,
        "status": system.status,
    }
    means, tests = system.effectiveness or {}, system.significance or {}
    values: dict[str, Any] = {measure: means.get(measure) for measure in results.measures}
    for measure in results.measures:
        test = tests.get(measure)
        values[f"{measure}_difference"] = test.difference if test else None
        values[f"{measure}_p_holm"] = test.p_holm if test else None
    if system.fidelity is not None:
        values |= {"reference": system.fidelity.reference, "rbo": system.fidelity.rbo}
        values |= {f"intersection@{k}": v for k, v in system.fidelity.intersection.items()}
    values["depth"] = system.depth
    values |= {cost.source: cost.of(system) for cost in costs("csv")}
    if system.status != "ok":
        values["reason"] = system.reason
    if sweep is None:
        return {**what, **values}
    values |= {
        "front_latency": system.name in sweep.front_latency,
        "front_bytes": system.name in sweep.front_bytes,
    }
    variant = sweep.variants.get(system.name)
    taken = {*what, *values, "is_variant"}
    chosen = {
        f"{sweep.system}.{axis}" if axis in taken else axis: variant[axis] if variant else None
        for axis in sweep.axes
    }
    return {**what, "is_variant": variant is not None, **chosen, **values}
