"""Verdicts on costs: bytes, memory, and latency in units of fixed work timed beside it.

Milliseconds are never compared: a slower machine is no regression. A size is compared exactly where
settings, versions and machine are the same, and up to a rounding where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from colbench.gate.identity import why_not_exact
from colbench.gate.record import CostVerdict, Verdict
from colbench.gate.rules import CostRules
from colbench.gate.sides import GatedPair
from colbench.measures.latency import BUSY
from colbench.results.schema import Results, SystemResult


class _Cost(NamedTuple):
    """One cost: its key in the rules, whether it is a time or a size, and how to read it."""

    key: str
    kind: str
    of: Callable[[SystemResult], float | None]


def _index_bytes(system: SystemResult) -> float | None:
    return system.index.bytes if system.index else None


def _bytes_per_vector(system: SystemResult) -> float | None:
    return system.index.bytes_per_vector if system.index else None


def _encode(system: SystemResult) -> float | None:
    if system.latency_ms is None or system.calibration is None:
        return None
    return system.latency_ms.encode.p50 / system.calibration.gemm_ms


def _search(system: SystemResult) -> float | None:
    if system.latency_ms is None or system.calibration is None:
        return None
    return system.latency_ms.search.p50 / system.calibration.scan_ms


_ALL = (
    _Cost("index_bytes", "size", _index_bytes),
    _Cost("bytes_per_vector", "size", _bytes_per_vector),
    _Cost("peak_rss_bytes", "memory", lambda system: system.peak_rss_bytes),
    _Cost("encode_latency", "time", _encode),
    _Cost("search_latency", "time", _search),
)


def missing_costs(pair: GatedPair, rules: CostRules) -> list[str]:
    """Return the costs that the rules gate, the baseline has and the candidate lacks."""
    return [
        cost.key
        for cost in _ALL
        if getattr(rules, cost.key) is not None
        and cost.of(pair.before) is not None
        and cost.of(pair.after) is None
    ]


def cost_verdicts(
    pair: GatedPair, rules: CostRules, baseline: Results, candidate: Results
) -> list[CostVerdict]:
    """Judge every cost that the rules gate and both sides have."""
    elsewhere = bool(why_not_exact(pair.before, pair.after, baseline, candidate))
    found = []
    for cost in _ALL:
        growth = getattr(rules, cost.key)
        first, second = cost.of(pair.before), cost.of(pair.after)
        if growth is None or first is None or second is None:
            continue
        allowed = 1 + growth
        if cost.kind == "size" and elsewhere:
            allowed = max(allowed, 1 + rules.rounding)
        doubt = ""
        if cost.kind == "time":
            doubt = _doubt(pair, cost, rules) or _other_machine(baseline, candidate)
        found.append(
            CostVerdict(
                system=pair.name,
                cost=cost.key,
                verdict="inconclusive" if doubt else _compare(first, second, allowed),
                baseline=first,
                candidate=second,
                ratio=second / first if first else None,
                allowed=allowed,
                reason=doubt,
            )
        )
    return found


def _compare(first: float, second: float, allowed: float) -> Verdict:
    if second > first * allowed:
        return "regressed"
    return "improved" if second * allowed < first else "unchanged"


def _other_machine(baseline: Results, candidate: Results) -> str:
    before, after = baseline.environment, candidate.environment
    if before.accelerator != after.accelerator:
        return "timed with another accelerator, which the fixed work does not run on"
    return "" if before.threads == after.threads else "timed with another number of threads"


def _doubt(pair: GatedPair, cost: _Cost, rules: CostRules) -> str:
    """Say why a time cannot be held against the baseline's; empty where it can."""
    for side, system in (("baseline", pair.before), ("candidate", pair.after)):
        if (system.other_cpu_share or 0) > BUSY:
            share = f"{system.other_cpu_share:.0%}"
            return f"other processes used {share} of the cores in the {side}"
    name = "encode" if cost.key == "encode_latency" else "search"
    latencies = (pair.before.latency_ms, pair.after.latency_ms)
    times = [getattr(latency, name).p50 for latency in latencies if latency]
    if max(times) < rules.least_ms:
        return f"below {rules.least_ms:g} ms, where times are noise"
    return ""
