"""The gate: everything that is compared, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import colbench
from colbench.compare.changes import (
    config_changes,
    environment_changes,
    setting_changes,
)
from colbench.compare.effectiveness import Pair, moved_queries
from colbench.gate.costs import cost_verdicts, judged_by_parts, missing_costs
from colbench.gate.effectiveness import measure_verdicts
from colbench.gate.guards import check_lost, check_must_find, check_runs
from colbench.gate.identity import check_identity
from colbench.gate.pairing import other_collection, pair_systems
from colbench.gate.record import GateReport, Guard, SystemChanges, WorstQueries
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedPair, GatedSide
from colbench.measures.significance import least_queries

_WORST = 5
"""Queries shown of each system that lost."""


def judge(candidate: GatedSide, baseline: GatedSide, rules: GateRules) -> GateReport:
    """Hold a candidate against a baseline.

    Nothing that the rules ask for is passed over: what cannot be judged is in `unjudged`, and the
    status is then never a pass.

    Raises:
        StorageError: values of single queries are damaged.
    """
    without = not (candidate.results.measures or baseline.results.measures)
    if without:  # a collection of given vectors without judgments
        rules = rules.model_copy(update={"measures": {}, "lost_queries": None})
    unjudged = other_collection(candidate, baseline)
    pairs: list[GatedPair] = []
    if not unjudged:
        pairs, unjudged = pair_systems(candidate, baseline, rules)
    verdicts = measure_verdicts(pairs, rules)
    guards, unfound = _guards(pairs, candidate, rules)
    guards = [*check_runs(candidate, rules), *guards]
    costs = [
        verdict
        for pair in pairs
        for verdict in cost_verdicts(pair, rules.costs, baseline.results, candidate.results)
    ]
    unjudged += [*unfound, *_beyond_reach(pairs, rules)]
    notes = _notes(candidate, baseline, pairs, rules)
    if without:
        notes.append(
            "neither run has judgments: costs are judged, and rankings of systems that must be "
            "identical, and no effectiveness"
        )
    report = GateReport(
        colbench_version=colbench.__version__,
        status="pass",
        candidate=candidate.record(),
        baseline=baseline.record(),
        collection=candidate.results.collection,
        rules=rules.model_dump(mode="json"),
        unjudged=unjudged,
        verdicts=verdicts,
        guards=guards,
        costs=costs,
        untrained=[pair.name for pair in pairs if pair.after.untrained],
        notes=notes,
        worst=[],
        config=config_changes(baseline.results, candidate.results),
        environment=environment_changes(baseline.results, candidate.results),
        systems=[
            SystemChanges(system=pair.name, changes=changes)
            for pair in pairs
            if (changes := setting_changes(pair.before, pair.after))
        ],
    )
    return report.model_copy(
        update={
            "status": _status(report, rules),
            "worst": _worst(report, pairs, candidate, baseline),
        }
    )


def _status(report: GateReport, rules: GateRules) -> str:
    failing = {"regressed"} | ({"inconclusive"} if rules.inconclusive == "fail" else set())
    if (
        any(verdict.verdict in failing for verdict in report.verdicts)
        or any(not guard.passed for guard in report.guards)
        or any(cost.verdict == "regressed" for cost in report.costs)
    ):
        return "regression"
    return "unjudged" if report.unjudged else "pass"


def _beyond_reach(pairs: Sequence[GatedPair], rules: GateRules) -> list[str]:
    """Say what the data are too few or too incomplete for."""
    reasons = [
        f"{pair.name}: {cost} was measured in the baseline and not in the candidate"
        for pair in pairs
        for cost in missing_costs(pair, rules.costs)
    ]
    tests = len(rules.measures) * sum(not pair.exact for pair in pairs)
    least = least_queries(tests, rules.alpha, sides=1)
    if tests and len(pairs[0].queries) < least:
        reasons.append(
            f"too few queries to tell: {len(pairs[0].queries)} cannot show any drop, {tests} tests "
            f"at level {rules.alpha:g} need at least {least}"
        )
    return reasons


def _guards(
    pairs: Sequence[GatedPair], candidate: GatedSide, rules: GateRules
) -> tuple[list[Guard], list[str]]:
    guards = [check_identity(p, candidate.results.queries) for p in pairs if p.exact]
    if rules.lost_queries is not None:
        guards += [
            check_lost(pair, rules.lost_queries)
            for pair in pairs
            if pair.before.first_relevant is not None and pair.after.first_relevant is not None
        ]
    critical, unjudged = check_must_find(pairs, rules.must_find, candidate)
    return [*guards, *critical], unjudged


def _notes(
    candidate: GatedSide, baseline: GatedSide, pairs: Sequence[GatedPair], rules: GateRules
) -> list[str]:
    notes = [
        f"{pair.name} is a deterministic system, judged by tests all the same, for want of equal "
        f"{pair.why_not_exact}"
        for pair in pairs
        if pair.why_not_exact
    ]
    apart = [pair.name for pair in pairs if judged_by_parts(pair, rules.costs)]
    if apart:
        notes.append(
            f"{', '.join(apart)}: the baseline holds no latency end to end, so encoding and search "
            "are judged apart: accept a new baseline"
        )
    if rules.systems is None:
        new = [name for name in candidate.measured if name not in baseline.measured]
        notes += [f"{name} is new and not gated: accept a new baseline" for name in new]
        notes += [
            f"{name} was skipped here and when the baseline was accepted: it is not gated"
            if name in baseline.skipped
            else f"{name} is new and was skipped: {why}"
            for name, why in candidate.skipped.items()
            if name not in baseline.measured and (baseline.accepted or name not in baseline.skipped)
        ]
    if (candidate.results.created, candidate.results.command) == (
        baseline.results.created,
        baseline.results.command,
    ):
        notes.append("candidate and baseline are the same run")
    if candidate.results.environment.git_dirty:
        notes.append("the candidate ran with uncommitted changes")
    if baseline.results.environment.git_dirty:
        notes.append("the baseline was made with uncommitted changes")
    return notes


def _worst(
    report: GateReport, pairs: Sequence[GatedPair], candidate: GatedSide, baseline: GatedSide
) -> list[WorstQueries]:
    """Return the queries that lost most, of every system that lost or failed a guard."""
    failed = {guard.system for guard in report.guards if not guard.passed}
    lost = {v.system for v in report.verdicts if v.verdict in ("regressed", "inconclusive")}
    worst = []
    for pair in pairs:
        measure = _worst_measure(report, pair.name)
        if pair.name not in failed | lost or measure is None:
            continue
        values = [
            {measure: dict(zip(pair.queries, side[measure], strict=True))}
            for side in (pair.values_before, pair.values_after)
        ]
        compared = Pair(pair.before, pair.after, values[0], values[1])
        drops, _ = moved_queries(compared, measure, baseline.results, candidate.results, _WORST)
        if drops:
            worst.append(WorstQueries(system=pair.name, measure=measure, queries=drops))
    return worst


def _worst_measure(report: GateReport, system: str) -> str | None:
    """Return the regressed measure of a system, else the first that the rules name."""
    of_system = [verdict for verdict in report.verdicts if verdict.system == system]
    of_system.sort(key=lambda verdict: verdict.verdict != "regressed")
    return of_system[0].measure if of_system else None
