"""The cells of the comparison table, shared by the terminal and the Markdown report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from colbench.compare.record import Comparison
from colbench.gate.record import GateReport
from colbench.results.schema import Results, SystemResult

T = TypeVar("T", bound=float)

COSTS = (
    "encode ms",
    "search ms",
    "query ms",
    "p95",
    "QPS",
    "docs/s",
    "build s",
    "index",
    "B/doc",
    "peak RAM",
)
"""Titles of the cost columns."""


@dataclass(frozen=True)
class Cell:
    """One value of the table.

    Attributes:
        text: what is shown.
        best: whether it is the best effectiveness of its column.
        value: what the text was made of, to sort by; None where there is nothing.
    """

    text: str
    best: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Row:
    """One measured system.

    Attributes:
        name: the system.
        is_baseline: whether the others are tested against it.
        measures: its effectiveness, in the order of the results' measures.
        costs: its costs, in the order of `COSTS`.
    """

    name: str
    is_baseline: bool
    measures: list[Cell]
    costs: list[Cell]


def rows(results: Results) -> list[Row]:
    """One row a measured system. A dagger marks a significant difference from the baseline."""
    measured = [system for system in results.systems if system.status == "ok"]
    best = {
        measure: max((system.effectiveness or {}).get(measure, 0.0) for system in measured)
        for measure in (results.measures if measured else [])
    }
    return [
        Row(
            name=system.name,
            is_baseline=system.name == results.baseline,
            measures=_measures(system, best),
            costs=_costs(system),
        )
        for system in measured
    ]


def _measures(system: SystemResult, best: dict[str, float]) -> list[Cell]:
    cells = []
    for measure, highest in best.items():
        value = (system.effectiveness or {}).get(measure)
        if value is None:  # deeper than the documents retrieved at this point of a sweep
            cells.append(Cell(""))
            continue
        test = (system.significance or {}).get(measure)
        mark = "†" if test and test.significant else ""
        best_of_all = round(value, 4) == round(highest, 4)
        cells.append(Cell(f"{value:.4f}{mark}", best=best_of_all, value=value))
    return cells


def _costs(system: SystemResult) -> list[Cell]:
    latency, index = system.latency_ms, system.index
    return [
        _cost(latency.encode.p50 if latency else None, three_digits),
        _cost(latency.search.p50 if latency else None, three_digits),
        _cost(latency.encode.p50 + latency.search.p50 if latency else None, three_digits),
        _cost(latency.search.p95 if latency else None, three_digits),
        _cost(system.throughput_qps, number),
        _cost(system.encode_docs_per_second, number),
        _cost(system.build_seconds, three_digits),
        _cost(index.bytes if index else None, size),
        _cost(index.bytes_per_doc if index else None, number),
        _cost(system.peak_rss_bytes or None, size),
    ]


def _cost(value: T | None, shown: Callable[[T], str]) -> Cell:
    return Cell("") if value is None else Cell(shown(value), value=value)


def skipped(results: Results) -> list[tuple[str, str]]:
    """(name, reason) of the systems that could not run."""
    return [(s.name, s.reason or "") for s in results.systems if s.status == "skipped"]


def caption(results: Results | Comparison | GateReport) -> str:
    """What was searched, in one line."""
    c = results.collection
    subset = " (a subset: not comparable with published numbers)" if c.sampled else ""
    return f"{c.name}: {c.docs:,} documents, {c.queries:,} queries{subset}"


def legend(results: Results) -> str:
    """How to read the table, in a few sentences."""
    text = (
        "Times are medians over single queries: encoding the query, searching, and the sum of both "
        "(query ms); p95 is of the search. QPS: all queries as one batch. docs/s: encoding the "
        "documents. build s: from cached vectors or texts to a searchable index."
    )
    if results.baseline is None:
        return text
    return (
        f"{text} † differs from {results.baseline}: paired {results.test} test, Holm-corrected, "
        f"p ≤ {results.alpha:g}."
    )


def three_digits(value: float | None) -> str:
    """Three significant digits, at most three decimals; nothing for None.

    >>> three_digits(0.01234), three_digits(3.456), three_digits(123.4)
    ('0.012', '3.46', '123')
    """
    if value is None:
        return ""
    if value < 1:
        return f"{value:.3f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def size(count: int) -> str:
    """Bytes in the largest decimal unit that keeps the number above one.

    >>> size(999), size(35_600_000)
    ('999 B', '35.6 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: float | None) -> str:
    """One decimal below a hundred, else none; nothing for None.

    >>> number(8.25), number(1234.5)
    ('8.2', '1,234')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
