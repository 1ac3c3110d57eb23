"""The tables below the comparison: tests, latency, building, index files, encoders."""

from __future__ import annotations

from typing import Any

from colbench.report.costs import cost, costs, explained
from colbench.report.formats import count, fraction, number, p_value, percent, points, size
from colbench.report.rows import (
    EARLIER,
    SYSTEM,
    UNTRAINED,
    caveats,
    cost_cell,
    dagger,
    earlier,
    has_primary,
    measured,
    name_cell,
)
from colbench.report.table import Cell, Column, Table, names, numbers, texts
from colbench.results.schema import (
    Distribution,
    EncodingInfo,
    LoadLevel,
    Results,
    Significance,
    SystemResult,
)
from colbench.results.verdicts import told


def significance(results: Results) -> Table:
    """Return the tests against the reference, a row for each system and measure."""
    columns = [
        *names("system", about=SYSTEM.about),
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
            Cell(test.p_holm, mark="" if test.p_holm is None else dagger(test)),
            *(test.wins, test.ties, test.losses),
            None if test.verdict is None else told(test, results),
        ]
        for system in results.systems
        for measure, test in (system.significance or {}).items()
    ]
    family = (
        "p (Holm) is corrected over the systems for the primary measure, over all others for the "
        "secondary ones."
        if has_primary(results)
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
        *names("system", about=SYSTEM.about),
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


def under_load(results: Results) -> Table:
    """Return queries per second and latency of several clients, beside those of single queries."""
    other = cost("other_cpu_share")
    columns = [
        *names("system", about=SYSTEM.about),
        Column(title="clients", about="that ask at once"),
        *numbers(number, "q/s", direction="higher", about="queries answered per second"),
        *numbers(
            cost("query_p50_ms").format,
            *("p50", "p95", "p99"),
            direction="lower",
            about="from the text of a query to ranked documents, waiting included, ms",
        ),
        Column(title="queries", format=count, about="answered"),
        other,
        *texts("remark", optional=True, priority=4),
    ]
    rows: list[list[Any]] = []
    for system in results.systems:
        if not system.load:
            continue
        if (timed := system.latency_ms) is not None:
            alone = _percentiles(timed.end_to_end, system)[:3]
            rows.append(
                [
                    *(name_cell(system), Cell(0, text="one by one"), None, *alone),
                    *(timed.queries, other.cell(system), None),
                ]
            )
        rows += [[name_cell(system), *_level(level)] for level in system.load]
    note = (
        "Each client sends its next query when its last answer came; clients are threads of one "
        "process. one by one: single queries as in the other tables, for comparison; 1 over that "
        "latency is not the queries per second of several clients."
    )
    return Table("Under load", columns, rows, [note]).compact()


def _level(level: LoadLevel) -> list[Any]:
    times = level.latency_ms
    remarks = [
        *([level.error] if level.error else []),
        *(["answered one at a time"] if level.one_at_a_time else []),
        *([f"{level.differing} of {level.checked} rank otherwise"] if level.differing else []),
    ]
    return [
        level.clients,
        level.qps,
        *((times.p50, times.p95, times.p99) if times else (None, None, None)),
        level.queries,
        level.other_cpu_share,
        "; ".join(remarks) or None,
    ]


def _percentiles(times: Distribution | None, system: SystemResult) -> list[float | None]:
    if times is None:
        return [cost("query_p50_ms").of(system), None, None, None]
    return [times.p50, times.p95, times.p99, times.mean]


def building(results: Results) -> Table:
    """Return what encoding the documents and building the index took."""
    shown_here = costs("building")
    rows = [
        [name_cell(s), *(cost_cell(shown, s, results) for shown in shown_here)]
        for s in measured(results)
    ]
    columns = [*names("system", about=SYSTEM.about), *shown_here]
    notes = [" ".join([explained(shown_here), *caveats(results, shown_here)])]
    return Table("Encoding and building", columns, rows, notes).compact()


def index_files(results: Results) -> Table:
    """Return every file of every index."""
    columns = [
        *names("system", about=SYSTEM.about),
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
            Cell(info.encoder, caveat=UNTRAINED if info.untrained else ""),
            *(info.form, info.backend, info.precision),
            Cell(
                info.docs_per_second,
                caveat="" if key in fresh or info.docs_per_second is None else EARLIER,
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
