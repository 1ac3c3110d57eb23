"""The lines that were promised work as they stand, on the whole of SciFact."""

import ast
import shutil

import numpy as np
import pytest

import colbench
from colbench.cli.main import main

PROMISED = """
import colbench

collection = colbench.load_collection("beir/scifact")           # or a folder; .queries .documents .qrels
results = colbench.run(dataset="beir/scifact", systems=["bm25", "colbert"], index={"nbits": 2})
results                                                          # a notebook shows the table and plots; .to_frame() is pandas
scores = colbench.evaluate("my_run.trec", dataset="beir/scifact", measures=["ndcg@10", "recall@100"])
scores.measures["ndcg@10"]; scores.per_query                     # means, and values by query
colbench.compare(results, "results/other"); colbench.gate(results, baseline="baseline.json")

def mine(query: str, k: int) -> list[tuple[str, float]]: ...
res = colbench.run(dataset="my_folder", systems=["bm25", mine])  # a function (also one from a notebook), or an object
[s.status for s in res.systems]                                  # with index(collection) and search(query, k): "ok", "skipped", "failed"

index = colbench.ColbertIndex.build("my_index", documents, nbits=4)   # documents: ids and token matrices, or a MultiVectorEncoder and texts
index.search(query_vectors, k=10)
"""  # noqa: E501


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_promised_lines_work_as_they_stand(examples, irds_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(examples / "my_folder", tmp_path / "my_folder")
    matrices = np.random.default_rng(0).standard_normal((6, 4, 64)).astype(np.float32)
    matrices /= np.linalg.norm(matrices, axis=2, keepdims=True)
    names = {"documents": {f"d{n}": m for n, m in enumerate(matrices)}}
    names["query_vectors"] = matrices[3, :2]
    shown = []
    for statement in ast.parse(PROMISED).body:
        if "evaluate" in (source := ast.unparse(statement)):
            results = names["results"]
            shutil.copy(results.folder / "runs" / "bm25.trec", "my_run.trec")
            results.save("results/other")
            accept = ["baseline", "accept", "results/other", "--output", "baseline.json"]
            assert main(accept) == 0
        if isinstance(statement, ast.Expr):
            shown.append(eval(source, names))
        else:
            exec(source, names)
    assert (len(names["collection"].documents), len(names["collection"].queries)) == (5183, 300)
    assert [system.status for system in results.systems] == ["ok", "ok"]
    assert results["colbert"].config["index"]["nbits"] == 2
    assert names["scores"].measures["ndcg@10"] == results["bm25"].effectiveness["ndcg@10"]
    assert shown[-2] == ["ok", "failed"], "a function that returns nothing fails"
    assert names["index"].search(names["query_vectors"], k=10)[0][0] == "d3"
    comparison, verdict = shown[-4], shown[-3]
    assert isinstance(comparison, colbench.Comparison) and verdict.passed, verdict
    assert "<svg" in results._repr_html_() and len(results.to_frame()) == 2
