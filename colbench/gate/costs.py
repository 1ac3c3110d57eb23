"""Verdicts on costs: bytes, memory, and latency in units of fixed work timed beside it.

Milliseconds are never compared: a slower machine is no regression. A size is compared exactly where
settings, versions and machine are the same, and up to a rounding where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from colbench.gate.identity import why_not_exact
from colbench.gate.rules import CostRules
from colbench.gate.sides import GatedPair
from colbench.results.gate import CostVerdict, Verdict
from colbench.results.schema import Results, SystemResult

_BUSY = 0.1
"""Share of the cores used by other processes from which times are not to be trusted."""


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


def cost_verdicts(
    pair: GatedPair, rules: CostRules, baseline: Results, candidate: Results
) -> list[CostVerdict]:
    """Judge every cost that the rules gate and that either side has."""
    elsewhere = bool(why_not_exact(pair.before, pair.after, baseline, candidate))
    alike = baseline.environment.threads == candidate.environment.threads
    found = []
    for cost in _ALL:
        growth = getattr(rules, cost.key)
        if growth is None:
            continue
        allowed = 1 + growth
        if cost.kind == "size" and elsewhere:
            allowed = max(allowed, 1 + rules.rounding)
        verdict = _judge(pair, cost, allowed, rules, alike)
        if verdict is not None:
            found.append(verdict)
    return found


def _judge(
    pair: GatedPair, cost: _Cost, allowed: float, rules: CostRules, alike: bool
) -> CostVerdict | None:
    first, second = cost.of(pair.before), cost.of(pair.after)
    doubt = _doubt(pair, cost, rules, alike)
    if first is None and second is None and not (doubt and cost.kind == "time"):
        return None
    ratio = second / first if first and second is not None else None
    if not doubt and ratio is None:
        doubt = f"not measured in the {'baseline' if first is None else 'candidate'}"
    return CostVerdict(
        system=pair.name,
        cost=cost.key,
        verdict="inconclusive" if doubt or ratio is None else _compare(ratio, allowed),
        baseline=first,
        candidate=second,
        ratio=ratio,
        allowed=allowed,
        reason=doubt,
    )


def _compare(ratio: float, allowed: float) -> Verdict:
    if ratio > allowed:
        return "regressed"
    return "improved" if ratio < 1 / allowed else "unchanged"


def _doubt(pair: GatedPair, cost: _Cost, rules: CostRules, alike: bool) -> str:
    """Say why a time cannot be held against the baseline's; empty where it can."""
    if cost.kind != "time":
        return ""
    if not alike:
        return "timed with another number of threads"
    for side, system in (("baseline", pair.before), ("candidate", pair.after)):
        if system.calibration is None:
            return f"no calibration in the {side}: it was made by an older colbench"
        if (system.other_cpu_share or 0) > _BUSY:
            share = f"{system.other_cpu_share:.0%}"
            return f"other processes used {share} of the cores in the {side}"
    before, after = pair.before.latency_ms, pair.after.latency_ms
    name = "encode" if cost.key == "encode_latency" else "search"
    times = [getattr(latency, name).p50 for latency in (before, after) if latency]
    if times and max(times) < rules.least_ms:
        return f"below {rules.least_ms:g} ms, where times are noise"
    return ""
