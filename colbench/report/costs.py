"""The costs of a system, each described once for all reports, comparison and gate.

To add one is to add it to `COSTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from colbench.report.formats import count, counted, number, percent, size, three_digits
from colbench.report.table import Cell, Column, Direction
from colbench.results.schema import SystemResult

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
        legend: what is told below a table in place of `about`, where the columns before it have
            told the rest; empty for nothing, None for `about`.
        zero: what stands for 0; None for the number.
        none: what stands where there is no value.
    """

    of: Read
    is_time: bool = False
    places: frozenset[Place] = _EVERYWHERE
    legend: str | None = None
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


def _path(path: str) -> Read:
    """Return a reader of an attribute of an attribute; None where one of them is missing."""

    return lambda system: _at(system, path)


def _at(value: Any, path: str) -> float | None:
    for name in path.split("."):
        value = None if value is None else getattr(value, name)
    return value  # type: ignore[no-any-return]


def _query(percentile: str) -> Read:
    """Return a reader of the time of a query, encoding and search together."""

    def read(system: SystemResult) -> float | None:
        times = system.latency_ms
        whole = times.end_to_end if times else None
        if whole is not None:
            return float(getattr(whole, percentile))
        # Of results without the times of each query: a sum of medians is near the median of sums, a
        # sum of other percentiles is not.
        return times.encode.p50 + times.search.p50 if times and percentile == "p50" else None

    return read


def is_sum_of_medians(system: SystemResult) -> bool:
    """Return whether the time of a query is put together from the medians of its two parts."""
    times = system.latency_ms
    return times is not None and times.end_to_end is None


def _relative(stage: str, work: str) -> Read:
    """Return a reader of a median latency in units of fixed work timed beside it."""
    above, below = _path(f"latency_ms.{stage}.p50"), _path(f"calibration.{work}_ms")

    def read(system: SystemResult) -> float | None:
        time, unit = above(system), below(system)
        return None if time is None or unit is None else time / unit

    return read


def _whole(percentile: str) -> Read:
    """Return a reader of the milliseconds from a query to its documents, where they can be held
    against those of another day: with fixed work timed beside them."""
    time = _path(f"latency_ms.end_to_end.{percentile}")

    def read(system: SystemResult) -> float | None:
        return None if system.calibration is None else time(system)

    return read


def _cost(
    source: str,
    title: str,
    of: str | Read,
    format: Callable[[Any], str],
    unit: str = "",
    *,
    direction: Direction | None = "lower",
    **how: Any,
) -> Cost:
    read = _path(of) if isinstance(of, str) else of
    return Cost(
        source=source, title=title, of=read, format=format, unit=unit, direction=direction, **how
    )


def _ms(source: str, title: str, of: str | Read, about: str = "", **how: Any) -> Cost:
    return _cost(source, title, of, three_digits, "ms", is_time=True, about=about, **how)


_CSV: frozenset[Place] = frozenset({"csv"})
_BUILT: frozenset[Place] = frozenset({"building", "csv"})
_GATE: frozenset[Place] = frozenset({"gate"})
_RUN = _EVERYWHERE - {"compare"}
"""What says nothing of two runs: it depends on the cache, or follows from another cost."""

COSTS: tuple[Cost, ...] = (
    _ms(
        *("query_p50_ms", "query ms", _query("p50")),
        "from the text of a query to ranked documents, encoding and search together (median)",
        priority=1,
    ),
    _ms(
        *("query_p95_ms", "query p95", _query("p95")),
        "from the text of a query to ranked documents, encoding and search together (95th "
        "percentile, ms)",
        priority=2,
        legend="95th percentile, ms",
    ),
    _ms("query_p99_ms", "query p99", _query("p99"), places=_CSV),
    _ms("query_mean_ms", "query mean", _query("mean"), places=_CSV),
    _ms("encode_p50_ms", "encode ms", "latency_ms.encode.p50", "encoding a query (median)"),
    _ms("encode_p95_ms", "encode p95", "latency_ms.encode.p95", places=_CSV | {"compare"}),
    _ms("encode_p99_ms", "encode p99", "latency_ms.encode.p99", places=_CSV),
    _ms("encode_mean_ms", "encode mean", "latency_ms.encode.mean", places=_CSV),
    _ms(
        "search_p50_ms",
        "search ms",
        "latency_ms.search.p50",
        "searching with an encoded query (median)",
    ),
    _ms("search_p95_ms", "search p95", "latency_ms.search.p95", places=_CSV | {"compare"}),
    _ms("search_p99_ms", "search p99", "latency_ms.search.p99", places=_CSV),
    _ms("search_mean_ms", "search mean", "latency_ms.search.mean", places=_CSV),
    _cost(
        *("throughput_qps", "QPS", "throughput_qps", number, "queries/s"),
        about="queries per second, all as one batch",
        direction="higher",
        is_time=True,
        priority=2,
    ),
    _cost("other_cpu_share", "other load", "other_cpu_share", percent, places=_CSV),
    _cost(
        *("docs_encoded", "docs encoded", "docs_encoded", count),
        about="in this run, equal texts once, over every encoding that a system needs; the others "
        "came from the cache",
        direction=None,
        places=_BUILT,
        optional=False,
        zero="0 (all cached)",
        none="none needed",
    ),
    _cost(
        *("encode_docs_per_second", "docs/s", "encode_docs_per_second", number, "documents/s"),
        about="the speed at which the documents were encoded, when they were",
        direction="higher",
        is_time=True,
        places=_RUN | _BUILT,
    ),
    _cost(
        *("build_seconds", "build s", "build_seconds", three_digits, "s"),
        about="from cached vectors or texts to a searchable index",
        is_time=True,
        places=_EVERYWHERE | _BUILT,
    ),
    _cost(
        *("vectors", "vectors", "index.vectors", count),
        about="vectors stored",
        legend="",
        direction=None,
        places=_BUILT,
        zero="",
    ),
    _cost(
        *("dims", "dims", "index.dims", str),
        about="dimensions of a vector",
        legend="",
        direction=None,
        places=_BUILT,
        zero="",
    ),
    _cost(
        *("index_bytes", "index", "index.bytes", size),
        about="all that a search reads from disk, the models apart",
        priority=1,
        places=_EVERYWHERE | _GATE,
    ),
    _cost(
        *("model_bytes", "model", "model_bytes", size),
        about="weight files of the models that a query goes through",
        zero="none",
    ),
    _cost(
        *("bytes_per_doc", "B/doc", "index.bytes_per_doc", number, "B"),
        about="bytes of the index over documents",
        legend="",
        places=_RUN,
    ),
    _cost(
        *("bytes_per_vector", "B/vector", "index.bytes_per_vector", number, "B"),
        about="bytes of the indexes that hold vectors, over vectors",
        legend="",
        places=_RUN | _BUILT | _GATE,
    ),
    _cost(
        *("peak_rss_bytes", "peak RAM", "peak_rss_bytes", size),
        about="largest resident memory of the system's own process, its models included",
        legend="",
        places=_EVERYWHERE | _GATE,
    ),
    _cost(
        *("latency_p50", "latency p50", _whole("p50"), three_digits, "× work"),
        is_time=True,
        places=_GATE,
    ),
    _cost(
        *("latency_p95", "latency p95", _whole("p95"), three_digits, "× work"),
        is_time=True,
        places=_GATE,
    ),
    _cost(
        *("encode_latency", "encode latency", _relative("encode", "gemm"), three_digits, "× GEMM"),
        is_time=True,
        places=_GATE,
    ),
    _cost(
        *("search_latency", "search latency", _relative("search", "scan"), three_digits, "× scan"),
        is_time=True,
        places=_GATE,
    ),
)
"""Every cost, in the order of the tables."""


def load_costs(systems: Iterable[SystemResult]) -> list[Cost]:
    """Return the costs under load, for every number of clients that one of the systems had."""
    numbers = {level.clients for system in systems for level in system.load or []}
    return [found for clients in sorted(numbers) for found in _under_load(clients)]


def _under_load(clients: int) -> list[Cost]:
    key, told = f"load_{clients}", counted(clients, "client")
    percentiles = [
        _ms(f"{key}_{name}_ms", f"{told}, {name}", _of_level(clients, f"latency_ms.{name}"))
        for name in ("p50", "p95", "p99")
    ]
    qps = _of_level(clients, "qps")
    return [
        _cost(
            *(f"{key}_qps", f"{told}, q/s", qps, number, "queries/s"),
            direction="higher",
            is_time=True,
        ),
        *percentiles,
    ]


def _of_level(clients: int, path: str) -> Read:
    def read(system: SystemResult) -> float | None:
        level = next((one for one in system.load or [] if one.clients == clients), None)
        return None if level is None else _at(level, path)

    return read


def costs(place: Place) -> list[Cost]:
    """Return the costs that a table has, in order."""
    return [cost for cost in COSTS if place in cost.places]


def cost(key: str) -> Cost:
    """Return the cost that a record names so."""
    under_load = re.fullmatch(r"load_(\d+)_\w+", key)
    known = _under_load(int(under_load[1])) if under_load else COSTS
    return next(found for found in known if found.source == key)


def explained(shown: Iterable[Cost]) -> str:
    """Return how to read the columns of costs, in a sentence; nothing where all say it."""
    told = "; ".join(
        f"{found.title}: {about}"
        for found in shown
        if (about := found.about if found.legend is None else found.legend)
    )
    return f"{told}." if told else ""
