"""Results of two systems on four queries, with values of each query, for tests of comparisons."""

from __future__ import annotations

import json
from pathlib import Path

from colbench.compare.pairing import Opened
from colbench.results.schema import DocumentInfo, QueryInfo, Results
from colbench.results.store import write_results

QUERIES = ["q1", "q2", "q3", "q4"]
VALUES = {
    "bm25": {"ndcg@10": [0.1, 0.5, 0.9, 0.0], "mrr@10": [0.1, 0.2, 1.0, 0.0]},
    "colbert_exact": {"ndcg@10": [0.4, 0.5, 0.7, 0.3], "mrr@10": [0.5, 0.5, 1.0, 0.2]},
}


def results_of(template: Results, values=VALUES, **update) -> Results:
    """Return results whose systems have these values: system → measure → value of each query."""
    systems = [
        template.systems[number % 2].model_copy(
            update={
                "name": name,
                "per_query": measures,
                "effectiveness": {m: sum(v) / len(v) for m, v in measures.items()},
                "significance": None,
                "top": [[0, 1], [1], [], [0]],
                "run_sha256": f"{name} {sorted(measures.items())}",
            }
        )
        for number, (name, measures) in enumerate(values.items())
    ]
    queries = [
        QueryInfo(id=query, text=f"text of {query}", relevant=1, judged={"d0": 2})
        for query in QUERIES
    ]
    documents = [DocumentInfo(id=f"d{n}", title=f"title {n}", text=f"body {n}") for n in range(2)]
    fields = {"systems": systems, "queries": queries, "documents": documents, **update}
    return template.model_copy(update=fields)


def opened(results: Results, path: str = "somewhere") -> Opened:
    """Return results as if they had been read."""
    return Opened(Path(path), results)


def write_as_before(results: Results, folder: Path) -> Opened:
    """Write results as an earlier version did: values in files of their own, no queries."""
    systems = []
    for system in results.systems:
        file = f"per_query/{system.name}.json"
        by_query = {
            measure: dict(zip(QUERIES, values, strict=True))
            for measure, values in system.per_query.items()
        }
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(by_query), encoding="utf-8")
        systems.append(
            system.model_copy(update={"per_query": None, "per_query_file": file, "top": None})
        )
    update = {"systems": systems, "queries": [], "documents": []}
    write_results(results.model_copy(update=update), folder)
    return Opened.read(folder)
