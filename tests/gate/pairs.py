"""Results in files, before and after a change, for gates that are run from outside."""

from __future__ import annotations

from pathlib import Path

from colbench.gate.baseline import accept, write_baseline
from colbench.results.schema import QueryInfo, Results
from colbench.results.store import write_results

QUERIES = 40
MEASURES = ["ndcg@10", "recall@100"]


def results_with(template: Results, change: float = 0.0, only: int = QUERIES) -> Results:
    """Return results of one system.

    Args:
        template: where all else comes from.
        change: what is added to every value.
        only: queries whose values change.
    """
    values = [0.5 + 0.002 * n + (change if n < only else 0.0) for n in range(QUERIES)]
    system = template.systems[0].model_copy(
        update={
            "name": "colbert",
            "config": {"kind": "colbert"},
            "per_query": dict.fromkeys(MEASURES, values),
            "effectiveness": dict.fromkeys(MEASURES, sum(values) / QUERIES),
            "first_relevant": [1] * QUERIES,
            "rankings": [f"{round(value * 1e9):012x}" for value in values],
            "top": None,
        }
    )
    queries = [QueryInfo(id=f"q{n}", text=f"text {n}", relevant=1) for n in range(QUERIES)]
    return template.model_copy(
        update={
            "systems": [system],
            "queries": queries,
            "documents": [],
            "measures": MEASURES,
            "baseline": None,
        }
    )


def write_pairs(template: Results, folder: Path) -> None:
    """Write `baseline.json` and the folders same, worse, better, doubtful and other."""
    write_baseline(accept(results_with(template)), folder / "baseline.json")
    changes = {"same": (0.0, 1), "worse": (-0.2, QUERIES), "better": (0.2, QUERIES)}
    for name, (change, only) in {**changes, "doubtful": (-0.4, 2)}.items():
        write_results(results_with(template, change, only), folder / name)
    other = template.collection.model_copy(update={"fingerprint": "0" * 64})
    write_results(results_with(template).model_copy(update={"collection": other}), folder / "other")
