"""The page about Python and the notebook do what they show."""

import ast
import re
import shutil
from pathlib import Path

import notebooks
import pytest

import colbench

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_speaks_of_every_function():
    code = "\n".join(BLOCKS)
    for name in ("load_collection", "run", "evaluate", "compare", "gate", "ColbertIndex"):
        assert f"colbench.{name}" in code
    for name in re.findall(r"\bcolbench\.(\w+)", code):
        assert name in colbench.__all__
    ast.parse(code)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_code_of_the_page_runs(examples, tmp_path, monkeypatch):
    shutil.copytree(examples / "my_folder", tmp_path / "my_folder")
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in BLOCKS:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert {system.status for system in names["results"].systems} == {"ok"}
    assert [(s.name, s.status) for s in names["res"].systems] == [
        *(("bm25", "ok"), ("mine", "ok"), ("Longest", "ok")),
    ]
    assert names["index"].ids == ["a", "b", "d"] and names["verdict"].status == "unjudged"
    assert names["scores"].measures["ndcg@10"] == names["frame"].loc["bm25", "ndcg@10"]


def test_the_notebook_is_small_stripped_and_valid():
    notebooks.check_stripped(NOTEBOOK)


@pytest.mark.timeout(600)
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch, capfd):
    """As a kernel does: each cell in one namespace, its last value shown."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    pages = notebooks.run(NOTEBOOK, names)
    assert capfd.readouterr() == ("", "")
    assert [system.status for system in names["results"].systems] == ["ok", "ok"]
    assert sum("<table" in page for page in pages) == 5
    assert sum("<svg" in page for page in pages) == 1
    assert not any("<script" in page for page in pages)
    assert names["scores"].per_query["ndcg@10"]["q1"] == 1.0
