"""The costs of a system, each described once for all reports, comparison and gate.

To add one is to add it to `COSTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from colbench.report.formats import count, number, percent, size, three_digits
from colbench.report.table import Cell, Column
from colbench.results.schema import Calibration, IndexInfo, Latency, SystemResult

Place = Literal["comparison", "building", "compare", "csv", "gate"]
"""Comparison of a run's systems, its table of building, `colbench compare`, CSV, gate."""

_EVERYWHERE: frozenset[Place] = frozenset({"comparison", "compare", "csv"})

Read = Callable[[SystemResult], float | None]


@dataclass(frozen=True, kw_only=True)
class Cost(Column):
    """One cost.

    Attributes:
        of: reads it from a system; None where it was not measured.
        is_time: whether another machine or a busy one would change it.
        places: the tables that have it.
        about: how to read it, where the title does not say; empty for nothing.
        zero: what stands for 0; None for the number.
        none: what stands where there is no value.
    """

    of: Read
    is_time: bool = False
    places: frozenset[Place] = _EVERYWHERE
    about: str = ""
    zero: str | None = None
    none: str = ""
    optional: bool = True

    def cell(self, system: SystemResult) -> Cell:
        """Return its cell in the row of a system."""
        value = self.of(system)
        if value is None:
            return Cell(text=self.none) if self.none else Cell()
        return Cell(value, text=self.zero if value == 0 else None)

    def told(self, value: float | None, *, exact: bool = False) -> str:
        """Return a value with its unit, for a sentence; nothing for None.

        Args:
            value: of this cost.
            exact: write all digits, not only those worth reading.
        """
        if value is None:
            return ""
        unit = "B" if self.format is size else self.unit
        if exact:
            written = f"{value:,.0f}" if self.format is size else f"{value:.10g}"
            return f"{written} {unit}".rstrip()
        return self.format(value) if self.format is size else f"{self.format(value)} {unit}"


def _timed(read: Callable[[Latency], float]) -> Read:
    return lambda system: read(system.latency_ms) if system.latency_ms else None


def _index(read: Callable[[IndexInfo], float | None]) -> Read:
    return lambda system: read(system.index) if system.index else None


def _relative(read: Callable[[Latency, Calibration], float]) -> Read:
    return lambda system: (
        read(system.latency_ms, system.calibration)
        if system.latency_ms and system.calibration
        else None
    )


def _milliseconds(key: str, title: str, read: Callable[[Latency], float], **how: object) -> Cost:
    return Cost(
        title=title,
        unit="ms",
        format=three_digits,
        direction="lower",
        source=key,
        of=_timed(read),
        is_time=True,
        **how,  # type: ignore[arg-type]
    )


_CSV: frozenset[Place] = frozenset({"csv"})
_UNCOMPARED = _EVERYWHERE - {"compare"}

COSTS: tuple[Cost, ...] = (
    _milliseconds(
        "encode_p50_ms", "encode ms", lambda t: t.encode.p50, about="median, encoding one query"
    ),
    _milliseconds(
        "encode_p95_ms", "encode p95", lambda t: t.encode.p95, places=_EVERYWHERE - {"comparison"}
    ),
    _milliseconds("encode_p99_ms", "encode p99", lambda t: t.encode.p99, places=_CSV),
    _milliseconds("encode_mean_ms", "encode mean", lambda t: t.encode.mean, places=_CSV),
    _milliseconds(
        "search_p50_ms",
        "search ms",
        lambda t: t.search.p50,
        priority=1,
        about="median, searching with one encoded query",
    ),
    _milliseconds(
        "query_p50_ms",
        "query ms",
        lambda t: t.encode.p50 + t.search.p50,
        about="the sum of both",
    ),
    _milliseconds(
        "search_p95_ms",
        "search p95",
        lambda t: t.search.p95,
        priority=2,
        about="95th percentile of a search, ms",
    ),
    _milliseconds("search_p99_ms", "search p99", lambda t: t.search.p99, places=_CSV),
    _milliseconds("search_mean_ms", "search mean", lambda t: t.search.mean, places=_CSV),
    Cost(
        title="QPS",
        unit="queries/s",
        format=number,
        direction="higher",
        source="throughput_qps",
        priority=2,
        of=lambda system: system.throughput_qps,
        is_time=True,
        about="queries a second, all as one batch",
    ),
    Cost(
        title="other load",
        format=percent,
        direction="lower",
        source="other_cpu_share",
        of=lambda system: system.other_cpu_share,
        places=_CSV,
    ),
    Cost(
        title="docs encoded",
        format=count,
        source="docs_encoded",
        of=lambda system: system.docs_encoded,
        places=frozenset({"building", "csv"}),
        about="in this run, equal texts once, over every encoding that a system needs; the others "
        "came from the cache",
        zero="0 (all cached)",
        none="none needed",
        optional=False,
    ),
    Cost(
        title="docs/s",
        unit="documents/s",
        format=number,
        direction="higher",
        source="encode_docs_per_second",
        of=lambda system: system.encode_docs_per_second,
        is_time=True,
        places=_UNCOMPARED | {"building"},
        about="the speed at which the documents were encoded, when they were",
    ),
    Cost(
        title="build s",
        unit="s",
        format=three_digits,
        direction="lower",
        source="build_seconds",
        of=lambda system: system.build_seconds,
        is_time=True,
        places=_EVERYWHERE | {"building"},
        about="from cached vectors or texts to a searchable index",
    ),
    Cost(
        title="vectors",
        format=count,
        source="vectors",
        of=_index(lambda index: index.vectors),
        places=frozenset({"building", "csv"}),
        zero="",
    ),
    Cost(
        title="dims",
        format=str,
        source="dims",
        of=_index(lambda index: index.dims),
        places=frozenset({"building", "csv"}),
        zero="",
    ),
    Cost(
        title="index",
        format=size,
        direction="lower",
        source="index_bytes",
        priority=1,
        of=_index(lambda index: index.bytes),
        places=_EVERYWHERE | {"gate"},
        about="its files",
    ),
    Cost(
        title="B/doc",
        unit="B",
        format=number,
        direction="lower",
        source="bytes_per_doc",
        of=_index(lambda index: index.bytes_per_doc),
        places=_UNCOMPARED,
    ),
    Cost(
        title="B/vector",
        unit="B",
        format=number,
        direction="lower",
        source="bytes_per_vector",
        of=_index(lambda index: index.bytes_per_vector),
        places=_UNCOMPARED | {"building", "gate"},
    ),
    Cost(
        title="peak RAM",
        format=size,
        direction="lower",
        source="peak_rss_bytes",
        of=lambda system: system.peak_rss_bytes,
        places=_EVERYWHERE | {"gate"},
        about="of the system's own process",
    ),
    Cost(
        title="encode latency",
        unit="× GEMM",
        format=three_digits,
        direction="lower",
        source="encode_latency",
        of=_relative(lambda latency, fixed: latency.encode.p50 / fixed.gemm_ms),
        is_time=True,
        places=frozenset({"gate"}),
    ),
    Cost(
        title="search latency",
        unit="× scan",
        format=three_digits,
        direction="lower",
        source="search_latency",
        of=_relative(lambda latency, fixed: latency.search.p50 / fixed.scan_ms),
        is_time=True,
        places=frozenset({"gate"}),
    ),
)
"""Every cost, in the order of the tables."""


def costs(place: Place) -> list[Cost]:
    """Return the costs that a table has, in order."""
    return [cost for cost in COSTS if place in cost.places]


def cost(key: str) -> Cost:
    """Return the cost that a record names so."""
    return next(found for found in COSTS if found.source == key)


def explained(shown: Iterable[Cost]) -> str:
    """Return how to read the columns of costs, in a sentence; nothing where all say it."""
    told = "; ".join(f"{found.title}: {found.about}" for found in shown if found.about)
    return f"{told}." if told else ""
