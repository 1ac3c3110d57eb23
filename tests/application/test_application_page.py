"""The page about applications and its notebook do what they show."""

import re
from pathlib import Path

import notebooks
import pytest
from beir_folder import write_folder
from collected import QRELS, QUERIES, TEXTS

import colbench
from colbench.application.filters import COMBINATIONS, OPERATORS

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "application.ipynb"
PAGE = (ROOT / "docs" / "application.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_names_every_operator():
    named = set(re.findall(r"`(\$\w+)`", PAGE))
    assert named == {*OPERATORS, *COMBINATIONS}


def run_blocks(blocks, names):
    for block in blocks:
        exec(compile(block, "docs/application.md", "exec"), names)
    return names


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    texts = ["Paris is the capital of France.", "Cats sleep a lot.", "The moon makes the tides."]
    names = run_blocks([one for one in BLOCKS if "colbench.run" not in one], {"texts": texts})
    assert names["best"].text == "Cats sleep a lot."
    assert "Penguins" in names["passage"].text and names["passage"].count > 1
    assert names["index"].ids == ["paris", "cats", "bees"]
    assert len(names["earlier"]) == 3 and names["found"].index
    printed = capfd.readouterr()
    assert printed.err == "" and "True" in printed.out and "(1, 3, None)" in printed.out


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_the_index_of_the_page_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "my_folder", TEXTS, QUERIES, QRELS)
    names = {"Colbert": colbench.Colbert}
    run_blocks([one for one in BLOCKS if "colbench.run" in one], names)
    assert [system.status for system in names["results"].systems] == ["ok"]


def test_the_notebook_is_small_stripped_and_valid():
    notebooks.check_stripped(NOTEBOOK)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    pages = notebooks.run(NOTEBOOK, names)
    assert capfd.readouterr() == ("", "")
    for results in names["measured"].values():
        assert [system.status for system in results.systems] == ["ok", "ok"]
    assert pages[-1] == "True" and "'pool'" in pages
    assert sum("<table" in page for page in pages) == 1
    assert {result.metadata["year"] >= 2020 for result in names["found"]} == {True}
