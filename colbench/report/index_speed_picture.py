"""Overlap and nDCG@10 against latency, one point a search setting: SVG and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.results.index_speed import IndexSpeed

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
