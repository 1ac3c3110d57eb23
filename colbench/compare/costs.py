"""Costs of two systems, and whether their times can be compared."""

from __future__ import annotations

from colbench.compare.record import CostChange
from colbench.measures.latency import BUSY
from colbench.report.costs import costs
from colbench.results.schema import Environment, Results, SystemResult

_MACHINE = ("cpu", "cores", "threads", "accelerator")
"""What times depend on; memory differs by a few pages between equal machines."""


def cost_changes(a: SystemResult, b: SystemResult) -> list[CostChange]:
    """Return every cost that at least one of the systems has."""
    changes = []
    for cost in costs("compare"):
        first, second = cost.of(a), cost.of(b)
        if first is None and second is None:
            continue
        ratio = second / first if first and second is not None else None
        changes.append(
            CostChange(cost=cost.source, is_time=cost.is_time, a=first, b=second, ratio=ratio)
        )
    return changes


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
        f"{latency.queries} queries × {latency.trials} trials"
        for latency in (a.latency_ms, b.latency_ms)
    )
    return None if first == second else f"latencies are of {first} in A, {second} in B"


def _of(environment: Environment, name: str) -> str:
    value = getattr(environment, name)
    return "none" if value is None else str(value)
