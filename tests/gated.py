"""Reports of gates, made by hand, and results whose gate has every kind of finding."""

from __future__ import annotations

from pathlib import Path

from comparable import results_of

from colbench.compare.record import Change, FirstDocument, MovedQuery
from colbench.gate.judge import judge
from colbench.gate.record import (
    CostVerdict,
    GateReport,
    GateSide,
    Guard,
    MeasureVerdict,
    SystemChanges,
    WorstQueries,
)
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedSide
from colbench.results.schema import CollectionInfo, Results

RULES = GateRules(
    measures={"ndcg@10": 0.005, "mrr@10": 0.01}, lost_queries={"at_most": 3, "share": 0.02}
)
HOSTILE = [
    "a|b",
    "<b>&amp;",
    "*a* _b_",
    "[x](y)",
    "`tick`",
    "back\\slash|",
    "# h",
    "</details>",
    "new\nline",
    "nul\x00 escape\x1b[31m bell\x07 half\ud800 odd\uffff",
    "]]> <!-- -->",
    "100% sure",
]


def verdict(system="colbert", measure="ndcg@10", said="regressed", **changes) -> MeasureVerdict:
    """Return a verdict whose numbers fit it."""
    difference = {"regressed": -0.0231, "improved": 0.0231, "unchanged": 0.0}.get(said, -0.0031)
    values = {
        "system": system,
        "measure": measure,
        "verdict": said,
        "judged_by": "test",
        "baseline": 0.7,
        "candidate": 0.7 + difference,
        "difference": difference,
        "low": difference - 0.01,
        "high": difference + 0.01,
        "p_drop": 0.004,
        "p_holm": 0.012,
        "smallest_drop": 0.005,
        "queries": 300,
        "lower": 40,
        "higher": 12,
        "reason": f"the reason it is {said}",
    }
    return MeasureVerdict(**{**values, **changes})


def guard(kind="lost_queries", system="colbert", passed=True, finding="0 of 10 lost") -> Guard:
    """Return a guard."""
    return Guard(guard=kind, system=system, passed=passed, finding=finding)


def cost(key="index_bytes", said="unchanged", system="colbert", **changes) -> CostVerdict:
    """Return a verdict on a cost."""
    values = {"baseline": 1e7, "candidate": 1e7, "ratio": 1.0, "allowed": 1.0}
    return CostVerdict(system=system, cost=key, verdict=said, **{**values, **changes})


def worst(query="q1", text="a text", system="colbert") -> WorstQueries:
    """Return one query that lost."""
    moved = MovedQuery(
        id=query,
        text=text,
        a=1.0,
        b=0.25,
        difference=-0.75,
        first_a=None,
        first_b=FirstDocument(id="d7", title="a title", grade=0),
    )
    return WorstQueries(system=system, measure="ndcg@10", queries=[moved])


def change(key="dataset.size", a="small", b="full") -> Change:
    """Return a change of a value."""
    return Change(key=key, kind="changed", a=a, b=b)


def settings(system="colbert", **values) -> SystemChanges:
    """Return changes of a system: key → value before and after."""
    return SystemChanges(system=system, changes=[change(k, a, b) for k, (a, b) in values.items()])


def report(status="pass", *, rules=RULES, path="out/new", baseline="base.json", **content):
    """Return a report; what is not given is empty."""
    accepted = {"accepted": "2026-01-02T00:00:00+00:00", "reason": "first baseline"}
    sides = {
        name: GateSide(
            path=where,
            experiment="an experiment",
            command=f"colbench run for the {name}",
            created="2026-01-01T00:00:00+00:00",
            git_commit="0123456789abcdef" * 2,
            **(accepted if name == "baseline" else {}),
        )
        for name, where in (("candidate", path), ("baseline", baseline))
    }
    lists = ("unjudged", "verdicts", "guards", "costs", "notes", "worst", "config", "environment")
    return GateReport(
        colbench_version="0.1.0",
        status=status,
        **sides,
        collection=CollectionInfo(
            name="made/up", docs=10, queries=300, judgments=4, fingerprint="f" * 64, sampled=False
        ),
        rules=rules.model_dump(mode="json"),
        **{**{name: [] for name in (*lists, "systems")}, **content},
    )


def gated_results(template: Results, values, **update) -> Results:
    """Return results of four queries that a gate can judge."""
    results = results_of(template, values, **update)
    systems = [
        system.model_copy(
            update={
                "config": {"kind": "colbert"},
                "first_relevant": [1 if value else None for value in system.per_query["ndcg@10"]],
                "rankings": [f"{value:012.9f}" for value in system.per_query["ndcg@10"]],
            }
        )
        for system in results.systems
    ]
    return results.model_copy(update={"systems": systems})


def judged(before: Results, after: Results, rules: GateRules = RULES) -> GateReport:
    """Return what the gate finds."""
    sides = [GatedSide.of_results(Path(name), r) for name, r in (("new", after), ("old", before))]
    return judge(*sides, rules)


REGRESSED = report(
    "regression",
    verdicts=[
        verdict(),
        verdict(measure="mrr@10", said="inconclusive"),
        verdict("bm25", said="improved"),
        verdict("bm25", "mrr@10", "unchanged", low=None, high=None, p_holm=None),
    ],
    guards=[guard(), guard("must_find", passed=False, finding="the manual: d1 not retrieved")],
    costs=[
        cost("index_bytes", "regressed", candidate=1.5e7, ratio=1.5),
        cost("encode_latency", baseline=10.0, candidate=12.34, ratio=1.234, allowed=1.5),
        cost("search_latency", "inconclusive", candidate=0.8, ratio=None, reason="too busy"),
    ],
    worst=[worst()],
    config=[change()],
    environment=[change("packages.torch", "2.6", "2.7")],
    systems=[settings(**{"index.nbits": (4, 2)})],
    notes=["the candidate ran with uncommitted changes"],
)
