"""What `colbench` offers in Python: light to import, whole, documented, typed."""

import doctest
import inspect
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import colbench

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = [name for name in colbench.__all__ if not name.startswith("_")]
FUNCTIONS = ("compare", "evaluate", "gate", "load_collection", "load_results", "run")
HEAVY = ("torch", "transformers", "sentence_transformers", "numpy", "numba", "faiss", "pandas")
HEAVY += ("hydra", "pydantic", "ranx", "altair", "ir_datasets", "scipy", "rich")


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        **{"capture_output": True, "text": True, "check": False, **options},
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_importing_colbench_imports_nothing_heavy():
    done = python(f"import colbench, sys; print(sorted(set({HEAVY}) & set(sys.modules)))")
    assert done.stdout == "[]\n", done.stderr


def test_the_index_is_had_without_torch():
    code = "import colbench, sys; colbench.ColbertIndex; print('torch' in sys.modules)"
    assert python(code).stdout == "False\n"


def test_every_public_name_is_there_and_listed():
    assert set(PUBLIC) >= set(FUNCTIONS) and set(PUBLIC) <= set(dir(colbench))
    for name in PUBLIC:
        assert getattr(colbench, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = colbench.evalute


def test_a_function_stays_one_once_the_folder_of_its_name_is_imported():
    done = python(
        """
        import colbench.run.model, colbench.gate.judge
        import colbench, inspect
        from colbench.compare.compute import compare
        from colbench import run
        print(all(map(inspect.isfunction, (colbench.run, colbench.gate, colbench.compare, run))))
        """
    )
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented_with_an_example(name):
    public = getattr(colbench, name)
    assert inspect.getdoc(public)
    if name in (*FUNCTIONS, "Results", "Scores", "Comparison", "Verdict", "ColbertIndex"):
        examples = doctest.DocTestParser().get_examples(public.__doc__)
        assert any("colbench." in example.source for example in examples)
    if inspect.isclass(public):
        methods = inspect.getmembers(public, inspect.isfunction)
        undocumented = [n for n, m in methods if not n.startswith("_") and not inspect.getdoc(m)]
        assert not undocumented


USER = """
from __future__ import annotations
import numpy as np
import colbench
from colbench import Collection, Results, Scores

collection: Collection = colbench.load_collection("beir/scifact", sample={"queries": 10})
titles: list[str] = [document.title for document in collection.documents]

def mine(query: str, k: int) -> list[tuple[str, float]]:
    return [(query, 1.0)][:k]

class Own:
    def index(self, collection: Collection) -> None:
        self.ids = collection.doc_ids
    def search(self, query: str, k: int) -> dict[str, float]:
        return dict.fromkeys(self.ids[:k], 0.0)

results: Results = colbench.run(
    dataset=collection, systems=["bm25", mine, Own(), Own], index={"nbits": 2}
)
statuses: list[str] = [str(system.status) for system in results.systems]
scores: Scores = colbench.evaluate("my_run.trec", dataset="beir/scifact", measures=["ndcg@10"])
mean: float = scores.measures["ndcg@10"]
passed: bool = colbench.gate(results, baseline="baseline.json").passed
colbench.compare(results, "results/other")
index = colbench.ColbertIndex.build("my_index", {"a": np.eye(8, dtype=np.float32)}, nbits=4)
found: list[tuple[str, float]] = index.search(np.eye(8, dtype=np.float32), k=10)
try:
    pass
except colbench.ColbenchError as error:
    print(error)
"""


@pytest.mark.nightly
def test_a_program_that_uses_it_passes_strict_type_checks(tmp_path):
    (tmp_path / "user.py").write_text(USER, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(
        "import colbench\ncolbench.run(dataset=3)\ncolbench.evaluate('a', dataset='b', k=1)\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    words += ["--config-file", str(ROOT / "pyproject.toml")]
    done = {
        name: subprocess.run(
            [*words, str(tmp_path / name)],
            **{"capture_output": True, "text": True, "check": False, "cwd": ROOT},
        )
        for name in ("user.py", "wrong.py")
    }
    assert done["user.py"].returncode == 0, done["user.py"].stdout
    assert done["wrong.py"].stdout.count("wrong.py:") >= 2
