"""The systems of a run as tables: comparison, tests, latency, building, index files, encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from colbench.errors import ConfigError
from colbench.measures.catalogue import METRICS, parse
from colbench.report.costs import Cost, cost, costs, explained, is_sum_of_medians
from colbench.report.formats import count, counted, fraction, number, p_value, percent, points, size
from colbench.report.table import Cell, Column, Table, names, numbers, texts
from colbench.results.axes import short_names, shown
from colbench.results.schema import Distribution, EncodingInfo, Results, Significance, SystemResult
from colbench.results.verdicts import primary_measure, told

_SYSTEM = Column(
    title="system",
    kind="name",
    source="system",
    about="as in the configuration; untrained tokens: of a model never trained for late "
    "interaction",
)
_EARLIER = "earlier"
"""Beside a time that is not of this run."""


def measured(results: Results) -> list[SystemResult]:
    """Return the systems that ran."""
    return [system for system in results.systems if system.status == "ok"]


def skipped(results: Results) -> list[tuple[str, str]]:
    """Return (name, reason) of the systems that could not run."""
    return [(s.name, s.reason or "") for s in results.systems if s.status == "skipped"]


def name_cell(system: SystemResult, tag: str = "") -> Cell:
    """Return what a row is called, with what it must not be taken for.

    Args:
        system: of the row.
        tag: a word beside its name.
    """
    return Cell(system.name, tag=tag, caveat="untrained tokens" if system.untrained else "")


def earlier(system: SystemResult, results: Results) -> set[str]:
    """Return the costs of a system that an earlier run measured, perhaps on another machine.

    What came from the cache was encoded then; an index that was found was built then, unless it was
    another system of these results that built it.
    """
    found = set()
    if system.docs_encoded == 0:
        found.add("encode_docs_per_second")
    if system.metadata.get("index_shared") is True and not any(
        other.build_seconds == system.build_seconds and other.metadata.get("index_shared") is False
        for other in results.systems
    ):
        found.add("build_seconds")
    return found


def _of_this_run(shown: Cost, system: SystemResult, results: Results) -> Cell:
    """Return the cell of a cost, but no speed of encoding that an earlier run had."""
    if shown.source == "encode_docs_per_second" and shown.source in earlier(system, results):
        return Cell()
    return _cost(shown, system, results)


def _cost(shown: Cost, system: SystemResult, results: Results) -> Cell:
    cell = shown.cell(system)
    if cell.value is None or shown.source not in earlier(system, results):
        return cell
    return replace(cell, caveat=_EARLIER)


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
    costs_told = _told_costs(results)
    main = primary_measure(results)
    # The primary measure first, and its interval beside it.
    measures = sorted(results.measures, key=lambda measure: measure != main)
    columns = [
        _SYSTEM,
        *_front_column(results),
        *_parameter_columns(results),
        *(effectiveness(measure, results) for measure in measures[:1]),
        *([_INTERVAL] if main in measures else []),
        *(effectiveness(measure, results) for measure in measures[1:]),
        *numbers(
            fraction,
            *overlap,
            direction="higher",
            optional=True,
            about="overlap with the documents of exact search",
        ),
        *costs_told,
    ]
    rows = [
        [
            name_cell(system, "reference" if system.name in known else ""),
            *_front(system, results),
            *_parameters(system, results),
            *(_measure(system, measure, results) for measure in measures[:1]),
            *([_interval(system, main)] if main in measures else []),
            *(_measure(system, measure, results) for measure in measures[1:]),
            *_overlaps(system, overlap),
            *(_of_this_run(shown, system, results) for shown in costs_told),
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
    return [
        cost
        for cost in costs("comparison")
        if any(_of_this_run(cost, system, results).value is not None for system in systems)
    ]


_INTERVAL = Column(
    title="95 % CI",
    source="interval",
    priority=2,
    optional=True,
    about="of the primary measure: bootstrap over queries (BCa)",
)


def effectiveness(measure: str, results: Results) -> Column:
    """Return the column of a measure; its best value is marked."""
    is_primary = measure == primary_measure(results)
    standing = "the primary measure" if is_primary else "a secondary measure"
    return Column(
        title=measure,
        format=fraction,
        direction="higher",
        marks_best=True,
        source=measure,
        priority=0 if is_primary else 2,
        about="; ".join(filter(None, (_described(measure), standing))),
    )


def _described(measure: str) -> str:
    """Return what a measure is; nothing for one that this version does not have."""
    try:
        return METRICS[parse(measure).metric].description
    except ConfigError:
        return ""


def _interval(system: SystemResult, measure: str | None) -> Cell:
    limits = (system.intervals or {}).get(measure or "")
    if limits is None:
        return Cell()
    low, high = limits
    return Cell(low, text=f"{fraction(low)} to {fraction(high)}")


def _measure(system: SystemResult, measure: str, results: Results) -> Cell:
    value = (system.effectiveness or {}).get(measure)
    test = (system.significance or {}).get(measure)
    if value is None:  # deeper than the documents retrieved at this variant of a sweep
        return Cell()
    if test is None:
        return Cell(value)
    better = counted(test.wins, "query", "queries")
    hint = f"{better} better, {test.ties} equal, {test.losses} worse: {told(test, results)}"
    return Cell(value, mark=_dagger(test), difference=test.difference, hint=hint)


def _dagger(test: Significance) -> str:
    return "†" if test.significant else ""


def comparison_legend(results: Results) -> str:
    """Return how to read the comparison of one run."""
    told = _told_costs(results)
    parts = [explained(told), *_caveats(results, told)]
    if results.sweep is not None:
        parts += [
            "front: no other system beats it in effectiveness and time (t), or in effectiveness "
            "and size (b). "
            "A variant is searched with a query that was encoded beforehand. RBO and intersection "
            "are with the exact search, as deep as a variant's k."
        ]
    if results.reference is not None:
        parts.append(f"† differs from {results.reference}: {test_told(results)}.")
    return " ".join(filter(None, parts))


def _caveats(results: Results, shown: Sequence[Cost]) -> list[str]:
    """Say what the words beside names and values stand for, and what is put together."""
    keys = {cost.source for cost in shown}
    systems = measured(results)
    parts = []
    if any(system.untrained for system in systems):
        parts.append(
            "untrained tokens: token vectors of a model that was never trained for late "
            "interaction."
        )
    if any(earlier(system, results) & keys for system in systems):
        parts.append(
            "earlier: not of this run, perhaps of another machine: documents encoded, or an index "
            "built, before."
        )
    summed = [system.name for system in systems if is_sum_of_medians(system)]
    if summed and "query_p50_ms" in keys:
        every = len(summed) == sum(system.latency_ms is not None for system in systems)
        parts.append(
            f"query ms{'' if every else ' of ' + ', '.join(summed)}: the sum of two medians; the "
            "times of single queries, which the median and p95 of the sum need, were not kept."
        )
    return parts


def test_told(results: Results) -> str:
    """Return which test a run's daggers are of."""
    primary = primary_measure(results)
    if not _has_primary(results):
        return f"paired {results.test} test, Holm-corrected, p ≤ {results.alpha:g}"
    others = ", ".join(measure for measure in results.measures if measure != primary)
    secondary = f"; secondary, corrected among themselves: {others}" if others else ""
    return (
        f"paired {results.test} test, p ≤ {results.alpha:g}, Holm-corrected; primary measure, with "
        f"its tests to itself: {primary}{secondary}"
    )


def _has_primary(results: Results) -> bool:
    """Return whether the tests of the primary measure were corrected apart from the others."""
    return any(
        test.primary is not None
        for system in results.systems
        for test in (system.significance or {}).values()
    )


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
        *names("system", about=_SYSTEM.about),
        *texts("measure", about="primary: its tests stand alone; the others are secondary"),
        *numbers(points, "points", direction="higher", about="difference to the reference, × 100"),
        Column(title="95 % CI", optional=True, about="of the difference, in points; not corrected"),
        *numbers(p_value, "p", direction="lower", about="of the paired test, not corrected"),
        *numbers(p_value, "p (Holm)", direction="lower", about="corrected within its family"),
        *numbers(count, "better", "equal", "worse", about="queries"),
        *texts("verdict", optional=True, priority=4, about="what the test and the interval show"),
    ]
    rows = [
        [
            name_cell(system),
            Cell(measure, tag="primary" if test.primary else ""),
            test.difference,
            _limits(test),
            test.p_value,
            Cell(test.p_holm, mark="" if test.p_holm is None else _dagger(test)),
            *(test.wins, test.ties, test.losses),
            None if test.verdict is None else told(test, results),
        ]
        for system in results.systems
        for measure, test in (system.significance or {}).items()
    ]
    family = (
        "p (Holm) is corrected over the systems for the primary measure, over all others for the "
        "secondary ones."
        if _has_primary(results)
        else "p (Holm) is corrected over all systems and measures."
    )
    note = (
        f"points: difference to {results.reference}, × 100. Paired {results.test} test over "
        f"queries; {family} † p (Holm) ≤ {results.alpha:g}. better, equal, worse: queries."
    )
    return Table(f"Against {results.reference}", columns, rows, [note]).compact()


def _limits(test: Significance) -> Cell:
    if test.low is None or test.high is None:
        return Cell()
    return Cell(test.low, text=f"{points(test.low)} to {points(test.high)}")


def latency(results: Results) -> Table:
    """Return the times of single queries, a row for each system and stage."""
    load = cost("other_cpu_share")
    columns = [
        *names("system", about=_SYSTEM.about),
        *texts("stage", about="both: from the text of a query to ranked documents"),
        *numbers(
            cost("search_p50_ms").format,
            *("p50", "p95", "p99", "mean"),
            direction="lower",
            about="over queries, ms",
        ),
        Column(title="queries × trials", about="one query at a time; the fastest trial is shown"),
        load,
    ]
    rows = [
        [
            name_cell(system),
            stage,
            *_percentiles(times, system),
            Cell(timed.queries, text=f"{timed.queries} × {timed.trials}"),
            load.cell(system),
        ]
        for system in results.systems
        if (timed := system.latency_ms)
        for stage, times in (
            ("both", timed.end_to_end),
            ("encode", timed.encode),
            ("search", timed.search),
        )
    ]
    note = (
        "Milliseconds. both: of the sums, query by query; percentiles of the parts do not add up "
        "to them. other load: the share of the cores that other processes used meanwhile."
    )
    return Table("Latency, ms", columns, rows, [note]).compact()


def _percentiles(times: Distribution | None, system: SystemResult) -> list[float | None]:
    if times is None:
        return [cost("query_p50_ms").of(system), None, None, None]
    return [times.p50, times.p95, times.p99, times.mean]


def building(results: Results) -> Table:
    """Return what encoding the documents and building the index took."""
    shown_here = costs("building")
    rows = [
        [name_cell(s), *(_cost(shown, s, results) for shown in shown_here)]
        for s in measured(results)
    ]
    columns = [*names("system", about=_SYSTEM.about), *shown_here]
    notes = [" ".join([explained(shown_here), *_caveats(results, shown_here)])]
    return Table("Encoding and building", columns, rows, notes).compact()


def index_files(results: Results) -> Table:
    """Return every file of every index."""
    columns = [
        *names("system", about=_SYSTEM.about),
        *names("file", about="what a search reads; of a composed system, below the part's name"),
        *numbers(size, "size", direction="lower", about="on disk"),
    ]
    rows = [
        [name_cell(system), file, bytes_]
        for system in results.systems
        if system.index
        for file, bytes_ in system.index.files.items()
    ]
    return Table("Index files", columns, rows)


def encoders(results: Results) -> Table:
    """Return how documents were encoded, a row for each encoder in each form and arithmetic."""
    found: dict[tuple[str | int, ...], EncodingInfo] = {}
    fresh: set[tuple[str | int, ...]] = set()
    for system in results.systems:
        for info in system.encodings or []:
            key = (info.encoder, info.form, info.backend, info.precision, info.device, info.tokens)
            found.setdefault(key, info)
            if "encode_docs_per_second" not in earlier(system, results):
                fresh.add(key)
    columns = [
        *names("encoder"),
        *texts("form", about="tokens: a vector per token; dense: one per text"),
        *texts("backend", about="what ran the forward pass"),
        *texts("precision", about="arithmetic of the forward pass"),
        *numbers(number, "docs/s", direction="higher", about=cost("encode_docs_per_second").about),
        *numbers(number, "GFLOP/s", direction="higher", about="of the forward passes"),
        *numbers(
            percent, "of GEMM peak", direction="higher", about="share of a large matrix product"
        ),
        *numbers(count, "documents cut off", direction="lower", about="longer than is read"),
        *numbers(count, "tokens cut off", direction="lower", about="of documents; not read"),
        *numbers(
            count, "queries cut off", direction="lower", optional=True, about="longer than is read"
        ),
        *numbers(
            *(count, "query tokens cut off"),
            direction="lower",
            optional=True,
            about="of queries; not read",
        ),
        *numbers(count, "chunks", optional=True, about="pieces that documents were split into"),
        *numbers(
            *(fraction, "cosine to fp32"),
            direction="higher",
            optional=True,
            about="of token vectors, on fixed texts",
        ),
    ]
    rows = [
        [
            Cell(info.encoder, caveat="untrained tokens" if info.untrained else ""),
            *(info.form, info.backend, info.precision),
            Cell(
                info.docs_per_second,
                caveat="" if key in fresh or info.docs_per_second is None else _EARLIER,
            ),
            info.gflops,
            gemm_share(info.gflops, info.gemm_gflops and info.gemm_gflops * info.devices),
            _part(info.truncated_docs, results.collection.docs),
            _part(info.truncated_tokens, info.tokens + info.truncated_tokens),
            *_queries_cut(info),
            *(info.chunks, info.cosine),
        ]
        for key, info in found.items()
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


def _queries_cut(info: EncodingInfo) -> list[Cell]:
    if info.truncated_queries is None or info.truncated_query_tokens is None:
        return [Cell(), Cell()]
    cut, read = info.truncated_query_tokens, info.query_tokens or 0
    return [_part(info.truncated_queries, info.queries or 0), _part(cut, cut + read)]


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
    primary = primary_measure(results)
    if primary is not None:
        limits = (system.intervals or {}).get(primary, (None, None))
        values |= {f"{primary}_low": limits[0], f"{primary}_high": limits[1]}
    for measure in results.measures:
        test = tests.get(measure)
        values[f"{measure}_difference"] = test.difference if test else None
        values[f"{measure}_p_holm"] = test.p_holm if test else None
    if system.fidelity is not None:
        values |= {"reference": system.fidelity.reference, "rbo": system.fidelity.rbo}
        values |= {f"intersection@{k}": v for k, v in system.fidelity.intersection.items()}
    values |= {"depth": system.depth, "untrained": system.untrained}
    values |= {cost.source: cost.of(system) for cost in costs("csv")}
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
