"""Verdicts on costs: bytes, memory, and latency in units of fixed work timed beside it.

Milliseconds are never compared: a slower machine is no regression. A size is compared exactly where
settings, versions and machine are the same, and up to a rounding where they are not.
"""

from __future__ import annotations

from colbench.gate.identity import why_not_exact
from colbench.gate.record import CostVerdict, Verdict
from colbench.gate.rules import CostRules
from colbench.gate.sides import GatedPair
from colbench.measures.latency import BUSY
from colbench.report.costs import Cost, costs
from colbench.results.schema import Results

_SIZES = ("index_bytes", "bytes_per_vector")
"""Costs that are the same to the byte where settings, versions and machine are."""


def missing_costs(pair: GatedPair, rules: CostRules) -> list[str]:
    """Return the costs that the rules gate, the baseline has and the candidate lacks."""
    return [
        cost.source
        for cost in costs("gate")
        if getattr(rules, cost.source) is not None
        and cost.of(pair.before) is not None
        and cost.of(pair.after) is None
    ]


def cost_verdicts(
    pair: GatedPair, rules: CostRules, baseline: Results, candidate: Results
) -> list[CostVerdict]:
    """Judge every cost that the rules gate and both sides have."""
    elsewhere = bool(why_not_exact(pair.before, pair.after, baseline, candidate))
    verdicts = []
    for cost in costs("gate"):
        growth = getattr(rules, cost.source)
        first, second = cost.of(pair.before), cost.of(pair.after)
        if growth is None or first is None or second is None:
            continue
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
    name = "encode" if cost.source == "encode_latency" else "search"
    latencies = (pair.before.latency_ms, pair.after.latency_ms)
    times = [getattr(latency, name).p50 for latency in latencies if latency]
    if max(times) < rules.least_ms:
        return f"below {rules.least_ms:g} ms, where times are noise"
    return ""
