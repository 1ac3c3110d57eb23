"""The table of a sweep: one row a point, a column a parameter, the Pareto fronts marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colbench.report.rows import number, size, three_digits
from colbench.results.axes import short_names, shown
from colbench.results.schema import Results, SweepInfo, SystemResult

MARKS = "front: no other system is both better and faster (t), or both better and smaller (b)."
"""What the first column of the table says."""


def explanation(results: Results) -> str:
    """Return how to read the other columns."""
    return (
        "Times of points: a search with a query that was encoded beforehand, one at a time. "
        "build s: from cached vectors to a searchable index. RBO and intersection are with the "
        f"exact search, as deep as a point's k. † differs from {results.baseline}: paired "
        f"{results.test} test, Holm-corrected, p ≤ {results.alpha:g}."
    )


@dataclass(frozen=True)
class SweepTable:
    """Cells as plain text.

    Attributes:
        titles: of the columns.
        lines: a row each; references have their name in the first column of parameters.
    """

    titles: list[str]
    lines: list[list[str]]


def sweep_table(results: Results, sweep: SweepInfo, *, front_only: bool = False) -> SweepTable:
    """Return references first, then the points, or those on a front."""
    front = {*sweep.front_latency, *sweep.front_bytes}
    shown = [
        system
        for system in results.systems
        if system.status == "ok"
        and (system.name in sweep.references or system.name in front or not front_only)
    ]
    overlap = overlap_titles(shown)
    titles = [
        "front",
        *short_names(sweep.axes).values(),
        *results.measures,
        *overlap,
        "search ms",
        "p95",
        "build s",
        "index",
        "B/vector",
    ]
    return SweepTable(titles, [_line(system, results, sweep, overlap) for system in shown])


def _line(
    system: SystemResult, results: Results, sweep: SweepInfo, overlap: Sequence[str]
) -> list[str]:
    marks = ("t" if system.name in sweep.front_latency else "") + (
        "b" if system.name in sweep.front_bytes else ""
    )
    search = system.latency_ms.search if system.latency_ms else None
    return [
        marks,
        *_parameters(system, sweep),
        *(_measure(system, measure) for measure in results.measures),
        *(shown_overlap(value) for value in overlap_values(system, overlap)),
        three_digits(search.p50 if search else None),
        three_digits(search.p95 if search else None),
        three_digits(system.build_seconds),
        size(system.index.bytes) if system.index else "",
        number(system.index.bytes_per_vector) if system.index else "",
    ]


def _parameters(system: SystemResult, sweep: SweepInfo) -> list[str]:
    values = sweep.points.get(system.name)
    if values is None:
        return [system.name, *[""] * (len(sweep.axes) - 1)]
    return [shown(values.get(axis)) for axis in sweep.axes]


def _measure(system: SystemResult, measure: str) -> str:
    found = (system.effectiveness or {}).get(measure)
    test = (system.significance or {}).get(measure)
    return "" if found is None else f"{found:.4f}{'†' if test and test.significant else ''}"


def overlap_titles(systems: Sequence[SystemResult]) -> list[str]:
    """Return RBO and the cutoffs that every point compared with exact search has, or nothing."""
    compared = [set(system.fidelity.intersection) for system in systems if system.fidelity]
    if not compared:
        return []
    shared = set.intersection(*compared)
    return ["RBO", *(f"intersection@{k}" for k in sorted(shared, key=int))]


def overlap_values(system: SystemResult, titles: Sequence[str]) -> list[float | None]:
    """Return the overlap with exact search under each of `overlap_titles`."""
    fidelity = system.fidelity
    if fidelity is None:
        return [None] * len(titles)
    return [
        fidelity.rbo if title == "RBO" else fidelity.intersection[title.partition("@")[2]]
        for title in titles
    ]


def shown_overlap(value: float | None) -> str:
    """Return four decimals; nothing for None."""
    return "" if value is None else f"{value:.4f}"
