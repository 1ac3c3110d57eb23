"""`report.md` of `experiment=index_speed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.index_speed.record import EngineResult, IndexSpeed, SearchResult
from colbench.files import atomic_write
from colbench.measures.latency import BUSY
from colbench.report.charts.draw import compact
from colbench.report.formats import count, fraction, percent, size, three_digits
from colbench.report.markdown import write_markdown
from colbench.report.table import (
    Block,
    Bullets,
    Code,
    Column,
    Document,
    Paragraph,
    Picture,
    Prose,
    Section,
    Table,
    names,
    numbers,
    origin,
    texts,
)

_WIDTH, _HEIGHT = 420, 320


def write_picture(results: IndexSpeed, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    import vl_convert

    specification = tradeoff(results).to_dict()
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(compact(vl_convert.vegalite_to_svg(specification)))
    with atomic_write(stem.with_suffix(".png"), "wb") as stream:
        stream.write(vl_convert.vegalite_to_png(specification, scale=2))


def tradeoff(results: IndexSpeed) -> Any:
    """Return the Altair chart: overlap on the left, nDCG@10 over all queries on the right."""
    import altair

    points = [
        {
            "engine": engine.engine,
            "search": search.name,
            "ms": search.p50_ms,
            "overlap": search.overlap,
            "ndcg": search.ndcg_all,
        }
        for engine in results.engines
        for search in engine.searches
        if search.error is None
    ]
    data: Any = altair.InlineData(values=points)
    latency = altair.X("ms:Q", title="p50 of one query, ms").scale(type="log")
    charts = []
    for field, title in (("overlap", f"overlap@{results.k}"), ("ndcg", "nDCG@10, all queries")):
        base = altair.Chart(data).encode(
            x=latency,
            y=altair.Y(f"{field}:Q", title=title).scale(zero=False),
            color=altair.Color("engine:N", title=None),
        )
        marks = base.mark_line(point=True, strokeOpacity=0.4)
        charts.append(marks.properties(width=_WIDTH, height=_HEIGHT))
    title = f"{results.collection.name}, {results.tokens:,} tokens of {results.dims} dimensions"
    return altair.hconcat(*charts).properties(title=title)


_PICTURE = "tradeoff"


def write_index_speed_report(results: IndexSpeed, folder: Path) -> None:
    """Write `report.md` and the picture as SVG and PNG."""
    write_picture(results, folder / _PICTURE)
    write_markdown(index_speed_document(results, f"{_PICTURE}.svg"), folder / "report.md")


def index_speed_document(results: IndexSpeed, picture: str | None = None) -> Document:
    """Return the report, with the picture where its file is named."""
    lead: list[Block] = [Paragraph(_caption(results)), _searches(results)]
    if picture:
        title = "overlap and nDCG against latency"
        lead.append(Picture("tradeoff", title, path=picture))
    made = origin(results.command, results.created, results.environment.git_commit)
    return Document(
        "Index speed",
        lead,
        [
            Section("Building and memory", [_engines(results), Bullets(_told(results))]),
            Section("Where the time of a search goes", [_stages(results)]),
            Section("Growth", [_growth(results)]),
            Section("Origin", [made]),
        ],
    )


def _caption(results: IndexSpeed) -> str:
    environment = results.environment
    return (
        f"{results.collection.name}: {results.collection.docs:,} documents, "
        f"{results.tokens:,} token vectors of {results.dims} dimensions, "
        f"{environment.cpu}, {environment.threads} threads. Queries are "
        f"searched one at a time, k = {results.k}, encoding not included; p50 is over the first "
        f"{results.timed} queries, the fastest of {results.trials} passes each. Overlap is the "
        f"share of exact MaxSim's {results.k} best documents; exact MaxSim has nDCG@10 "
        f"{results.exact_ndcg:.4f} on those queries and {results.exact_ndcg_all:.4f} on all "
        f"{results.collection.queries}."
    )


def _searches(results: IndexSpeed) -> Table:
    machine = results.machine
    overlap = f"overlap@{results.k}"
    columns = [
        *texts("engine"),
        *names("search"),
        *texts("error", priority=4, optional=True),
        *numbers(three_digits, "p50 ms", direction="lower", priority=0),
        *numbers(three_digits, "p95 ms", direction="lower"),
        *numbers(fraction, overlap, "nDCG@10", direction="higher", priority=1),
        *numbers(fraction, f"{overlap}, all queries", "nDCG@10, all queries", direction="higher"),
    ]
    rows: list[list[Any]] = [
        ["bare product of all tokens, fp32", "", None, machine.product_fp32_ms, *[None] * 5],
        ["bare product of all tokens, bf16", "", None, machine.product_bf16_ms, *[None] * 5],
    ]
    for engine in results.engines:
        rows += [_search(engine, search) for search in engine.searches]
    return Table("Searches", columns, rows).compact()


def _search(engine: EngineResult, search: SearchResult) -> list[Any]:
    return [
        *(Code(engine.engine), search.name, search.error, search.p50_ms, search.p95_ms),
        *(search.overlap, search.ndcg, search.overlap_all, search.ndcg_all),
    ]


def _engines(results: IndexSpeed) -> Table:
    columns = [
        *names("engine"),
        *texts("version"),
        *numbers(three_digits, "build s", direction="lower", priority=0),
        *numbers(size, "build peak", direction="lower"),
        *numbers(size, "index", direction="lower", priority=0),
        Column(title="B/vector", format=lambda value: f"{value:.1f}", direction="lower"),
        *numbers(three_digits, "open s", direction="lower"),
        *numbers(size, "search peak", direction="lower"),
        *numbers(percent, "others, build", "others, search", direction="lower"),
    ]
    rows = [
        [
            *(engine.engine, engine.version or results.colbench_version),
            *(engine.build_seconds, engine.build_peak_bytes, engine.index_bytes),
            *(engine.bytes_per_vector, engine.open_seconds, engine.search_peak_bytes),
            *(engine.build_others, engine.search_others),
        ]
        for engine in results.engines
        if engine.error is None
    ]
    note = (
        "others: share of the cores that other processes used meanwhile. A build of an engine of "
        "which others took a tenth or more is not to be trusted."
    )
    return Table("Engines", columns, rows, [note])


def _told(results: IndexSpeed) -> list[Prose]:
    engines: list[Prose] = [(Code(e.engine), f": {e.error or e.about}") for e in results.engines]
    return [*engines, *_comparisons(results)]


def _comparisons(results: IndexSpeed) -> list[str]:
    """Say how much faster we are than each search of an engine at equal or better overlap."""
    ours = results.engines[0]
    sentences = []
    for engine in results.engines[1:]:
        if engine.build_seconds and ours.build_seconds and (engine.build_others or 0) < BUSY:
            ratio = engine.build_seconds / ours.build_seconds
            sentences.append(f"build: {ratio:.1f} times as fast as {engine.engine}")
        for theirs in engine.searches:
            better = [
                one
                for one in ours.searches
                if one.overlap is not None and one.overlap >= (theirs.overlap or 2)
            ]
            if not better:
                continue
            best = min(better, key=lambda one: one.p50_ms or 0)
            ratio = (theirs.p50_ms or 0) / (best.p50_ms or 1)
            sentences.append(
                f"search: {best.name} has overlap {best.overlap:.4f} in {best.p50_ms:.1f} ms, "
                f"{ratio:.1f} times as fast as {engine.engine} {theirs.name} with "
                f"{theirs.overlap:.4f} in {theirs.p50_ms:.1f} ms"
            )
    return sentences


def _stages(results: IndexSpeed) -> Table:
    columns = [
        *names("search"),
        *texts("stage"),
        *numbers(three_digits, "ms", priority=0),
        *numbers(count, "items"),
        *numbers(three_digits, "MB", "M operations"),
        *numbers(three_digits, "floor ms", priority=0),
        Column(title="ms / floor", format=lambda value: f"{value:.1f}", priority=0),
    ]
    rows = [
        [
            *(search.name, stage.stage, stage.ms, stage.items),
            *(stage.megabytes, stage.megaoperations, stage.floor_ms),
            stage.ms / stage.floor_ms if stage.floor_ms > 1e-6 else None,
        ]
        for search in results.engines[0].searches
        for stage in search.stages
    ]
    machine = results.machine
    note = (
        f"Medians over the timed queries. The floor is what the bytes and operations that a stage "
        f"cannot do without would take at this machine's measured rates: "
        f"{machine.gigabytes_per_second:.1f} GB/s, {machine.fp32_gigaops:.0f} · 10⁹ fp32 and "
        + (f"{machine.int8_gigaops:.0f}" if machine.int8_gigaops else "unknown")
        + " · 10⁹ int8 operations a second."
    )
    return Table("Stages", columns, rows, [note])


def _growth(results: IndexSpeed) -> Table:
    columns = [
        *numbers(count, "tokens", "documents", "centroids"),
        *numbers(three_digits, "build s", "p50 ms", direction="lower"),
    ]
    rows = [
        [point.tokens, point.documents, point.centroids, point.build_seconds, point.p50_ms]
        for point in results.growth
    ]
    notes: list[Prose] = []
    if results.build_exponent is not None and results.search_exponent is not None:
        notes.append(
            (
                f"Build time grows as tokens^{results.build_exponent:.2f}, search p50 (",
                Code(results.growth_search),
                f") as tokens^{results.search_exponent:.2f} (least squares of the logarithms).",
            )
        )
    return Table("Growth", columns, rows, notes)
