"""Verdicts on costs: bytes, memory, and latency in units of fixed work timed beside it.

Milliseconds are never compared: a slower machine is no regression. The unit is the baseline's mean
query made of fixed work: as many matrix products as its encoding took, and as many scans as its
search. What those take is timed beside either side, so that the unit is as much slower as the
machine is. A size is compared exactly where settings, versions and machine are the same, and up to
a rounding where they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from colbench.gate.identity import why_not_exact
from colbench.gate.record import CostVerdict, Verdict
from colbench.gate.rules import CostRules
from colbench.gate.sides import GatedPair
from colbench.measures.latency import BUSY
from colbench.report.costs import Cost, costs
from colbench.results.schema import Results, SystemResult

_SIZES = ("index_bytes", "bytes_per_vector")
"""Costs that are the same to the byte where settings, versions and machine are."""

_WHOLE = ("latency_p50", "latency_p95")
_PARTS = ("encode_latency", "search_latency")


class _Held(NamedTuple):
    """One cost of both sides, and the growth that is allowed."""

    cost: Cost
    before: float
    after: float
    growth: float


def missing_costs(pair: GatedPair, rules: CostRules) -> list[str]:
    """Return the costs that the rules gate, the baseline has and the candidate lacks."""
    return [
        cost.source
        for cost in costs("gate")
        if _growth(cost, pair, rules) is not None
        and cost.of(pair.before) is not None
        and cost.of(pair.after) is None
    ]


def judged_by_parts(pair: GatedPair, rules: CostRules) -> bool:
    """Return whether encoding and search are judged apart, for want of their sum."""
    has_sum = any(cost.of(pair.before) is not None for cost in costs("gate") if _is_whole(cost))
    has_parts = pair.before.latency_ms is not None and pair.before.calibration is not None
    return rules.latency_p50 is not None and has_parts and not has_sum


def cost_verdicts(
    pair: GatedPair, rules: CostRules, baseline: Results, candidate: Results
) -> list[CostVerdict]:
    """Judge every cost that the rules gate and both sides have."""
    elsewhere = bool(why_not_exact(pair.before, pair.after, baseline, candidate))
    verdicts = []
    for cost, first, second, growth in _held(pair, rules):
        allowed = 1 + growth
        if cost.source in _SIZES and elsewhere:
            allowed = max(allowed, 1 + rules.rounding)
        doubt = ""
        if cost.is_time:
            doubt = _doubt(pair, cost, rules) or _other_machine(baseline, candidate)
        verdicts.append(
            CostVerdict(
                system=pair.name,
                cost=cost.source,
                verdict="inconclusive" if doubt else _compare(first, second, allowed),
                baseline=first,
                candidate=second,
                ratio=second / first if first else None,
                allowed=allowed,
                reason=doubt,
            )
        )
    return verdicts


def _held(pair: GatedPair, rules: CostRules) -> Iterator[_Held]:
    for cost in costs("gate"):
        growth = _growth(cost, pair, rules)
        first, second = cost.of(pair.before), cost.of(pair.after)
        if growth is None or first is None or second is None:
            continue
        if cost.source == "bytes_per_vector":
            first, second = _bytes_per_vector(pair, first, second)
        elif _is_whole(cost):
            before, after = _work(pair, pair.before), _work(pair, pair.after)
            if not before or not after:
                continue
            first, second = first / before, second / after
        yield _Held(cost, first, second, growth)


def _growth(cost: Cost, pair: GatedPair, rules: CostRules) -> float | None:
    """Return the growth that the rules allow a cost; None where it is not gated."""
    growth: float | None = getattr(rules, cost.source)
    if growth is None and cost.source in _PARTS and judged_by_parts(pair, rules):
        return rules.latency_p50
    return growth


def _is_whole(cost: Cost) -> bool:
    return cost.source in _WHOLE


def _bytes_per_vector(pair: GatedPair, first: float, second: float) -> tuple[float, float]:
    """Return both sides net of what is not the vectors' own, where both know what that is."""
    before, after = pair.before.index, pair.after.index
    if not before or not after or before.fixed_bytes is None or after.fixed_bytes is None:
        return first, second
    return first - before.fixed_bytes / before.vectors, second - after.fixed_bytes / after.vectors


def _work(pair: GatedPair, side: SystemResult) -> float:
    """Return the milliseconds that the fixed work of the baseline's mean query takes on a side."""
    times, then, now = pair.before.latency_ms, pair.before.calibration, side.calibration
    if times is None or then is None or now is None:
        return 0.0
    products, scans = times.encode.mean / then.gemm_ms, times.search.mean / then.scan_ms
    return products * now.gemm_ms + scans * now.scan_ms


def _compare(first: float, second: float, allowed: float) -> Verdict:
    if second > first * allowed:
        return "regressed"
    return "improved" if second * allowed < first else "unchanged"


def _other_machine(baseline: Results, candidate: Results) -> str:
    before, after = baseline.environment, candidate.environment
    if before.accelerator != after.accelerator:
        return "timed with another accelerator, which the fixed work does not run on"
    return "" if before.threads == after.threads else "timed with another number of threads"


def _doubt(pair: GatedPair, cost: Cost, rules: CostRules) -> str:
    """Say why a time cannot be held against the baseline's; empty where it can."""
    for side, system in (("baseline", pair.before), ("candidate", pair.after)):
        if (system.other_cpu_share or 0) > BUSY:
            share = f"{system.other_cpu_share:.0%}"
            return f"other processes used {share} of the cores in the {side}"
    if max(_ms(pair.before, cost), _ms(pair.after, cost)) < rules.least_ms:
        return f"below {rules.least_ms:g} ms, where times are noise"
    return ""


def _ms(system: SystemResult, cost: Cost) -> float:
    """Return the median milliseconds of what a cost is about."""
    times = system.latency_ms
    if times is None:
        return 0.0
    if cost.source == "encode_latency":
        return times.encode.p50
    if cost.source == "search_latency":
        return times.search.p50
    return times.end_to_end.p50 if times.end_to_end else 0.0
