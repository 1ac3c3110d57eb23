"""`report.md` of `experiment=index_speed`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from colbench.report.rows import size, three_digits

from benchmarks.index_speed.record import EngineResult, IndexSpeed, SearchResult
from colbench.files import atomic_write
from colbench.measures.latency import BUSY
from colbench.report.gfm import code, table, text

_WIDTH, _HEIGHT = 420, 320


def write_picture(results: IndexSpeed, stem: Path) -> None:
    """Write `<stem>.svg` and `<stem>.png`."""
    import vl_convert

    specification = tradeoff(results).to_dict()
    with atomic_write(stem.with_suffix(".svg")) as stream:
        stream.write(vl_convert.vegalite_to_svg(specification))
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
    with atomic_write(folder / "report.md") as stream:
        stream.write(render_index_speed(results, picture=f"{_PICTURE}.svg"))


def render_index_speed(results: IndexSpeed, picture: str | None) -> str:
    """Return the report as GitHub-flavoured Markdown, with the picture where it is named."""
    sections = [
        "# Index speed",
        _caption(results),
        _searches(results),
        f"![overlap and nDCG against latency]({picture})" if picture else "",
        "## Building and memory",
        _engines(results),
        _told(results),
        "## Where the time of a search goes",
        _stages(results),
        "## Growth",
        _growth(results),
        f"Made by {code(results.command)}, {results.created}, commit "
        f"{code(results.environment.git_commit or 'unknown')}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _caption(results: IndexSpeed) -> str:
    environment = results.environment
    return (
        f"{text(results.collection.name)}: {results.collection.docs:,} documents, "
        f"{results.tokens:,} token vectors of {results.dims} dimensions, "
        f"{text(environment.cpu)}, {environment.threads} threads. Queries are "
        f"searched one at a time, k = {results.k}, encoding not included; p50 is over the first "
        f"{results.timed} queries, the fastest of {results.trials} passes each. Overlap is the "
        f"share of the exact MaxSim oracle's {results.k} best documents; the oracle has nDCG@10 "
        f"{results.oracle_ndcg:.4f} on those queries and {results.oracle_ndcg_all:.4f} on all "
        f"{results.collection.queries}."
    )


def _searches(results: IndexSpeed) -> str:
    machine = results.machine
    lines = [
        ["bare product of all tokens, fp32", "", three_digits(machine.product_fp32_ms), *[""] * 5],
        ["bare product of all tokens, bf16", "", three_digits(machine.product_bf16_ms), *[""] * 5],
    ]
    for engine in results.engines:
        lines += [_search_line(engine, search, results) for search in engine.searches]
    overlap = f"overlap@{results.k}"
    titles = ["engine", "search", "p50 ms", "p95 ms", overlap, "nDCG@10"]
    return table([*titles, f"{overlap}, all queries", "nDCG@10, all queries"], lines)


def _search_line(engine: EngineResult, search: SearchResult, results: IndexSpeed) -> list[str]:
    if search.error is not None:
        return [code(engine.engine), code(search.name), text(search.error), *[""] * 5]
    times = [_shown(search.p50_ms, three_digits), _shown(search.p95_ms, three_digits)]
    scores = [search.overlap, search.ndcg, search.overlap_all, search.ndcg_all]
    return [
        code(engine.engine),
        code(search.name),
        *times,
        *(_shown(value, lambda score: f"{score:.4f}") for value in scores),
    ]


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "" if value is None else form(value)


def _engines(results: IndexSpeed) -> str:
    lines = [
        [
            code(engine.engine),
            text(engine.version or results.colbench_version),
            _shown(engine.build_seconds, three_digits),
            _shown(engine.build_peak_bytes, lambda value: size(int(value))),
            _shown(engine.index_bytes, lambda value: size(int(value))),
            _shown(engine.bytes_per_vector, lambda value: f"{value:.1f}"),
            _shown(engine.open_seconds, three_digits),
            _shown(engine.search_peak_bytes, lambda value: size(int(value))),
            _shown(engine.build_others, lambda value: f"{value:.0%}"),
            _shown(engine.search_others, lambda value: f"{value:.0%}"),
        ]
        for engine in results.engines
        if engine.error is None
    ]
    titles = ["engine", "version", "build s", "build peak", "index", "B/vector", "open s"]
    others = ["others, build", "others, search"]
    told = (
        "Others: share of the cores that other processes used meanwhile. A build of an engine of "
        "which others took a tenth or more is not to be trusted."
    )
    return f"{table([*titles, 'search peak', *others], lines)}\n\n{told}"


def _told(results: IndexSpeed) -> str:
    lines = [f"- {code(e.engine)}: {text(e.error or e.about)}" for e in results.engines]
    lines += [f"- {text(sentence)}" for sentence in _comparisons(results)]
    return "\n".join(lines)


def _comparisons(results: IndexSpeed) -> list[str]:
    """Say how much faster we are than each search of a peer at equal or better overlap."""
    ours = results.engines[0]
    told = []
    for peer in results.engines[1:]:
        if peer.build_seconds and ours.build_seconds and (peer.build_others or 0) < BUSY:
            ratio = peer.build_seconds / ours.build_seconds
            told.append(f"build: {ratio:.1f} times as fast as {peer.engine}")
        for theirs in peer.searches:
            better = [
                one
                for one in ours.searches
                if one.overlap is not None and one.overlap >= (theirs.overlap or 2)
            ]
            if not better:
                continue
            best = min(better, key=lambda one: one.p50_ms or 0)
            ratio = (theirs.p50_ms or 0) / (best.p50_ms or 1)
            told.append(
                f"search: {best.name} has overlap {best.overlap:.4f} in {best.p50_ms:.1f} ms, "
                f"{ratio:.1f} times as fast as {peer.engine} {theirs.name} with "
                f"{theirs.overlap:.4f} in {theirs.p50_ms:.1f} ms"
            )
    return told


def _stages(results: IndexSpeed) -> str:
    lines = [
        [
            code(search.name),
            stage.stage,
            three_digits(stage.ms),
            "" if stage.items is None else f"{stage.items:,.0f}",
            three_digits(stage.megabytes),
            three_digits(stage.megaoperations),
            three_digits(stage.floor_ms),
            f"{stage.ms / stage.floor_ms:.1f}" if stage.floor_ms > 1e-6 else "",
        ]
        for search in results.engines[0].searches
        for stage in search.stages
    ]
    titles = ["search", "stage", "ms", "items", "MB", "M operations", "floor ms", "ms / floor"]
    machine = results.machine
    rates = (
        f"Medians over the timed queries. The floor is what the bytes and operations that a stage "
        f"cannot do without would take at this machine's measured rates: "
        f"{machine.gigabytes_per_second:.1f} GB/s, {machine.fp32_gigaops:.0f} · 10⁹ fp32 and "
        + (f"{machine.int8_gigaops:.0f}" if machine.int8_gigaops else "unknown")
        + " · 10⁹ int8 operations a second."
    )
    return f"{table(titles, lines)}\n\n{rates}"


def _growth(results: IndexSpeed) -> str:
    lines = [
        [
            f"{point.tokens:,}",
            f"{point.documents:,}",
            f"{point.centroids:,}",
            three_digits(point.build_seconds),
            three_digits(point.p50_ms),
        ]
        for point in results.growth
    ]
    told = ""
    if results.build_exponent is not None and results.search_exponent is not None:
        told = (
            f"\n\nBuild time grows as tokens^{results.build_exponent:.2f}, search p50 "
            f"({code(results.growth_search)}) as tokens^{results.search_exponent:.2f} "
            "(least squares of the logarithms)."
        )
    return table(["tokens", "documents", "centroids", "build s", "p50 ms"], lines) + told
