"""What to choose, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from colbench.results.schema import SystemResult


def advise(
    points: Sequence[SystemResult], baseline: SystemResult, measure: str, tolerance: float
) -> list[str]:
    """Name the fastest and the smallest point that lose no more than is tolerated, and the best.

    Args:
        points: of the sweep, measured.
        baseline: what their loss, speed and size are held against.
        measure: that counts.
        tolerance: loss that is taken for none.
    """
    wanted = value(baseline, measure) - tolerance
    good = [point for point in points if value(point, measure) >= wanted]
    best = max(points, key=lambda point: (value(point, measure), -p50(point)))
    within = f"within {100 * tolerance:g} points of {baseline.name}"
    if not good:
        return [_sentence(f"no point is {within}; the best", best, baseline, measure)]
    smallest = min(good, key=lambda point: (index_bytes(point), p50(point)))
    fastest = min(good, key=lambda point: (p50(point), index_bytes(point)))
    chosen = {f"smallest {within}": smallest, f"fastest {within}": fastest}
    if smallest.name == fastest.name:
        chosen = {f"smallest and fastest {within}": smallest}
    chosen[f"highest {measure}"] = best
    return [_sentence(told, point, baseline, measure) for told, point in chosen.items()]


def _sentence(told: str, point: SystemResult, baseline: SystemResult, measure: str) -> str:
    difference = 100 * (value(point, measure) - value(baseline, measure))
    test = (point.significance or {}).get(measure)
    sure = "" if test is None else " (significant)" if test.significant else " (not significant)"
    return (
        f"{told}: {point.name}: {difference:+.1f} points of {measure}{sure}, "
        f"{_ratio(point, baseline, index_bytes, 'smaller', 'larger')}, "
        f"{_ratio(point, baseline, p50, 'faster', 'slower')} than {baseline.name}"
    )


def _ratio(
    point: SystemResult,
    baseline: SystemResult,
    cost: Callable[[SystemResult], float],
    less: str,
    more: str,
) -> str:
    ours, theirs = cost(point), cost(baseline)
    if not ours or not theirs:
        return f"no {less}"
    return f"{theirs / ours:.1f}× {less}" if ours <= theirs else f"{ours / theirs:.1f}× {more}"


def value(system: SystemResult, measure: str) -> float:
    """Return the effectiveness of a system that was measured."""
    return (system.effectiveness or {})[measure]


def p50(system: SystemResult) -> float:
    """Return the median milliseconds of a search."""
    return system.latency_ms.search.p50 if system.latency_ms else float("inf")


def index_bytes(system: SystemResult) -> float:
    """Return the size of the index."""
    return system.index.bytes if system.index else float("inf")
