"""Costs of two systems, and whether their times can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from colbench.compare.record import CostChange
from colbench.measures.latency import BUSY
from colbench.report.rows import number, size, three_digits
from colbench.results.schema import Environment, Latency, Results, SystemResult

_MACHINE = ("cpu", "cores", "threads", "accelerator")
"""What times depend on; memory differs by a few pages between equal machines."""


class Cost(NamedTuple):
    """One cost.

    Attributes:
        key: name in `comparison.json`, with its unit.
        title: name in a table.
        is_time: whether another machine or a busy one would change it.
        of: reads it from a system; None where it was not measured.
        shown: writes a value of it.
    """

    key: str
    title: str
    is_time: bool
    of: Callable[[SystemResult], float | None]
    shown: Callable[[float], str]


def _latency(read: Callable[[Latency], float]) -> Callable[[SystemResult], float | None]:
    return lambda system: read(system.latency_ms) if system.latency_ms else None


def _size(value: float) -> str:
    return size(int(value))


_ALL = (
    Cost("encode_p50_ms", "encode ms", True, _latency(lambda t: t.encode.p50), three_digits),
    Cost("encode_p95_ms", "encode p95", True, _latency(lambda t: t.encode.p95), three_digits),
    Cost("search_p50_ms", "search ms", True, _latency(lambda t: t.search.p50), three_digits),
    Cost(
        "query_p50_ms",
        "query ms",
        True,
        _latency(lambda t: t.encode.p50 + t.search.p50),
        three_digits,
    ),
    Cost("search_p95_ms", "search p95", True, _latency(lambda t: t.search.p95), three_digits),
    Cost("throughput_qps", "QPS", True, lambda system: system.throughput_qps, number),
    Cost("build_seconds", "build s", True, lambda system: system.build_seconds, three_digits),
    Cost("index_bytes", "index", False, lambda s: s.index.bytes if s.index else None, _size),
    Cost("peak_rss_bytes", "peak RAM", False, lambda system: system.peak_rss_bytes, _size),
)

COSTS = {cost.key: cost for cost in _ALL}
"""What is compared, in the order of the table."""


def cost_changes(a: SystemResult, b: SystemResult) -> list[CostChange]:
    """Return every cost that at least one of the systems has."""
    found = []
    for cost in COSTS.values():
        first, second = cost.of(a), cost.of(b)
        if first is None and second is None:
            continue
        ratio = second / first if first and second is not None else None
        found.append(
            CostChange(cost=cost.key, is_time=cost.is_time, a=first, b=second, ratio=ratio)
        )
    return found


def machine_note(a: Results, b: Results) -> str | None:
    """Say what about the machines makes times incomparable; None where nothing does."""
    differing = [
        f"{name} {_of(a.environment, name)} and {_of(b.environment, name)}"
        for name in _MACHINE
        if getattr(a.environment, name) != getattr(b.environment, name)
    ]
    if not differing:
        return None
    return f"times are not comparable, A and B were not measured alike: {'; '.join(differing)}"


def busy_notes(a: SystemResult, b: SystemResult) -> list[str]:
    """Say which of the systems was timed beside a busy process."""
    return [
        f"times are not comparable, in {side} other processes used {system.other_cpu_share:.0%} of "
        "the cores meanwhile"
        for side, system in (("A", a), ("B", b))
        if system.other_cpu_share is not None and system.other_cpu_share > BUSY
    ]


def sampling_note(a: SystemResult, b: SystemResult) -> str | None:
    """Say that latencies are of unequal numbers of queries or trials; None where they are not."""
    if a.latency_ms is None or b.latency_ms is None:
        return None
    first, second = (
        f"{found.queries} queries × {found.trials} trials" for found in (a.latency_ms, b.latency_ms)
    )
    return None if first == second else f"latencies are of {first} in A, {second} in B"


def _of(environment: Environment, name: str) -> str:
    value = getattr(environment, name)
    return "none" if value is None else str(value)
