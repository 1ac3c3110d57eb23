"""`report.md` of `experiment=application`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.application.record import Application, Size
from colbench.report.formats import count, fraction, percent, size, three_digits
from colbench.report.markdown import write_markdown
from colbench.report.table import (
    Document,
    Paragraph,
    Section,
    Table,
    numbers,
    origin,
    texts,
)


def write_application_report(results: Application, folder: Path) -> None:
    """Write `report.md`."""
    write_markdown(application_document(results), folder / "report.md")


def application_document(results: Application) -> Document:
    """Return the report."""
    made = origin(results.command, results.created, results.environment.git_commit)
    return Document(
        "The index of an application",
        [Paragraph(_caption(results)), _searches(results)],
        [
            Section("With a filter", [_filters(results)]),
            Section("Making and opening", [_building(results)]),
            Section("Adding and deleting", [_changes(results)]),
            Section("Where the time of a search goes", [_stages(results)]),
            Section("Origin", [made]),
        ],
    )


def _caption(results: Application) -> str:
    wanted, environment = results.config["application"], results.environment
    return (
        f"Texts and metadata are made up of {results.collection.name}, and so are "
        f"{wanted['tokens']} token vectors of {results.dims} dimensions a document: noise around "
        f"stretches of real ones. {environment.cpu}, {environment.threads} threads. A search is "
        f"one call with one query of {wanted['query_tokens']} vectors and the default settings, "
        f"k = {wanted['k']}, texts and metadata of the results included; making the query's "
        f"vectors takes no time worth naming. p50 and p99 are over {wanted['queries']} queries, "
        f"with a filter over {wanted['filtered']}, the fastest of {wanted['trials']} passes each. "
        f"Overlap is the share of the {wanted['k']} best of an exhaustive search of the same "
        f"documents, over {wanted['judged']} queries. Memory includes "
        f"{size(results.source_bytes)} of which vectors are made."
    )


def _searches(results: Application) -> Table:
    overlap = f"overlap@{results.config['application']['k']}"
    columns = [
        *numbers(count, "documents", priority=0),
        *numbers(three_digits, "p50 ms", "p99 ms", direction="lower", priority=0),
        *numbers(fraction, overlap, direction="higher", priority=0),
        *numbers(three_digits, "hybrid p50 ms", "hybrid p99 ms", direction="lower"),
        *numbers(three_digits, "first hybrid s", direction="lower"),
        *numbers(size, "memory", "memory, hybrid", direction="lower"),
        *numbers(percent, "others", direction="lower"),
    ]
    rows = [
        [
            *(one.documents, one.searching.everything.p50_ms, one.searching.everything.p99_ms),
            *(one.searching.overlap, one.searching.hybrid.p50_ms, one.searching.hybrid.p99_ms),
            one.searching.hybrid_first_seconds,
            *(one.searching.peak_bytes, one.searching.hybrid_peak_bytes),
            one.searching.other_cpu_share,
        ]
        for one in results.sizes
    ]
    note = "others: share of the cores that other processes used meanwhile."
    return Table("Searches of all documents", columns, rows, [note])


def _filters(results: Application) -> Table:
    overlap = f"overlap@{results.config['application']['k']}"
    columns = [
        *numbers(count, "documents", priority=0),
        *texts("filter", priority=0),
        *numbers(count, "match"),
        *numbers(three_digits, "first time p50 ms", direction="lower", priority=0),
        *numbers(three_digits, "again p50 ms", "again p99 ms", direction="lower", priority=0),
        *numbers(fraction, overlap, direction="higher", priority=0),
    ]
    rows = [
        [
            *(one.documents, found.name, found.documents, found.first_p50_ms),
            *(found.repeated.p50_ms, found.repeated.p99_ms, found.overlap),
        ]
        for one in results.sizes
        for found in one.searching.filters
    ]
    return Table("Searches with a filter", columns, rows)


def _building(results: Application) -> Table:
    columns = [
        *numbers(count, "documents", "token vectors", "centroids", priority=0),
        *numbers(three_digits, "build s", "of them making vectors", direction="lower", priority=0),
        *numbers(size, "peak memory", "vectors", "texts and metadata", "BM25", direction="lower"),
        *numbers(three_digits, "open s", direction="lower", priority=0),
        *numbers(percent, "others", direction="lower"),
    ]
    return Table("Making and opening", columns, [_built(one) for one in results.sizes])


def _built(one: Size) -> list[Any]:
    building = one.building
    return [
        *(one.documents, one.tokens, building.centroids),
        *(building.seconds, building.encoding_seconds, building.peak_bytes),
        *(building.vector_bytes, building.database_bytes, one.searching.bm25_bytes),
        *(one.searching.open_seconds, building.other_cpu_share),
    ]


def _changes(results: Application) -> Table:
    changed = results.config["application"]["changed"]
    columns = [
        *numbers(count, "documents", priority=0),
        *numbers(
            three_digits,
            *(f"add {changed:,}, first s", f"add {changed:,}, later s", f"delete {changed:,} s"),
            "open after it s",
            direction="lower",
            priority=0,
        ),
        *numbers(size, "peak memory", direction="lower"),
        *numbers(percent, "others", direction="lower"),
    ]
    rows = [
        [
            *(one.documents, one.changing.add_first_seconds, one.changing.add_later_seconds),
            *(one.changing.delete_seconds, one.changing.open_seconds),
            *(one.changing.peak_bytes, one.changing.other_cpu_share),
        ]
        for one in results.sizes
    ]
    return Table("Adding and deleting", columns, rows)


def _stages(results: Application) -> Table:
    columns = [
        *numbers(count, "documents", priority=0),
        *texts("search", priority=0),
        *numbers(three_digits, *_STAGES, direction="lower", priority=0),
    ]
    rows = []
    for one in results.sizes:
        ways = {
            "all": one.searching.everything,
            **{found.name: found.repeated for found in one.searching.filters},
            "hybrid": one.searching.hybrid,
        }
        rows += [
            [one.documents, name, *(timed.stages.get(stage) for stage in _STAGES)]
            for name, timed in ways.items()
        ]
    return Table("Median milliseconds", columns, rows)


_STAGES = ("filter", "encode", "search", "bm25", "texts")
