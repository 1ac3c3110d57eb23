"""`colbench compare` and the formats of `colbench report`: outputs, files, exit codes."""

from __future__ import annotations

import csv
import io
import json

import pytest

from colbench.cli.main import main
from colbench.compare.record import Comparison
from colbench.results.schema import QueryInfo
from colbench.results.store import write_results

VALUES = {"bm25": [0.1, 0.2, 0.3], "colbert_exact": [0.4, 0.1, 0.7]}


@pytest.fixture
def results(example_results):
    systems = [
        system.model_copy(
            update={
                "per_query": dict.fromkeys(example_results.measures, VALUES[system.name]),
                "run_sha256": system.name,
            }
        )
        if system.status == "ok"
        else system
        for system in example_results.systems
    ]
    queries = [QueryInfo(id=f"q{n}", text=f"text {n}", relevant=1) for n in range(3)]
    return example_results.model_copy(update={"systems": systems, "queries": queries})


@pytest.fixture
def folder(results, tmp_path):
    write_results(results, tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture
def other(results, tmp_path):
    changed = results.model_copy(update={"config": {"seed": 1}, "experiment": "changed"})
    write_results(changed, tmp_path / "two")
    return tmp_path / "two"


def test_two_folders_or_files_are_compared(capsys, folder, other):
    assert main(["compare", str(folder), str(other / "results.json")]) == 0
    out = capsys.readouterr().out
    assert "byte-identical run" in out and "bm25, colbert_exact" in out
    assert "seed" in out and "changed" in out


def test_two_systems_of_one_run_are_compared(capsys, folder):
    assert main(["compare", str(folder), "--systems", "bm25=colbert_exact"]) == 0
    out = capsys.readouterr().out
    assert "bm25 → colbert_exact" in out and "text 2" in out and "+40.00" in out


def test_json_is_the_documented_schema(capsys, folder):
    words = ["compare", str(folder), "--systems", "bm25=colbert_exact", "--format", "json"]
    assert main([*words, "--queries", "1", "--test", "fisher", "--alpha", "0.1"]) == 0
    comparison = Comparison.model_validate_json(capsys.readouterr().out)
    assert (comparison.test, comparison.alpha) == ("fisher", 0.1)
    (pair,) = comparison.pairs
    assert [query.id for query in pair.rises] == ["q2"]
    assert [query.id for query in pair.drops] == ["q1"]


@pytest.mark.parametrize(
    ("form", "expected"), [("terminal", "Costs"), ("markdown", "## Costs"), ("json", '"costs"')]
)
def test_any_format_can_be_written_to_a_file(capsys, folder, other, tmp_path, form, expected):
    file = tmp_path / "new" / "comparison.txt"
    words = ["compare", str(folder), str(other), "--format", form, "--output", str(file)]
    assert main(words) == 0
    text = file.read_text(encoding="utf-8")
    assert expected in text and "\x1b" not in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{folder}"], "name a second results folder"),
        (["{folder}", "{missing}"], "cannot read"),
        (["{folder}", "{foreign}"], "cannot compare"),
        (["{folder}", "--systems", "bm25=colbert"], "no system 'colbert' in B"),
        (["{folder}", "--systems", "bm25_cross_encoder"], "was skipped in A"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(
    capsys, folder, results, tmp_path, words, message
):
    collection = results.collection.model_copy(update={"fingerprint": "0" * 64})
    foreign = results.model_copy(update={"collection": collection})
    write_results(foreign, tmp_path / "foreign")
    places = {
        "folder": folder,
        "missing": tmp_path / "missing",
        "foreign": tmp_path / "foreign",
    }
    assert main(["compare", *(word.format(**places) for word in words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and message in captured.err


@pytest.mark.parametrize(
    "words", [["--alpha", "5"], ["--alpha", "x"], ["--queries", "-1"], ["--test", "t"]]
)
def test_options_out_of_range_are_refused(capsys, folder, words):
    with pytest.raises(SystemExit) as error:
        main(["compare", str(folder), str(folder), *words])
    assert error.value.code == 2


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("terminal", "colbert_exact"),
        ("markdown", "# example"),
        ("latex", "\\toprule"),
        ("csv", "ndcg@10"),
    ],
)
def test_a_report_in_one_format_goes_to_the_output_and_leaves_the_folder_alone(
    capsys, folder, tmp_path, form, expected
):
    before = sorted(folder.rglob("*"))
    assert main(["report", str(folder), "--format", form]) == 0
    printed = capsys.readouterr().out
    assert expected in printed
    file = tmp_path / "report"
    assert main(["report", str(folder), "--format", form, "--output", str(file)]) == 0
    assert capsys.readouterr().out == ""
    assert file.read_text(encoding="utf-8").split() == printed.split()
    assert sorted(folder.rglob("*")) == before


def test_a_page_of_several_runs_names_each(folder, other, tmp_path):
    file = tmp_path / "report.html"
    words = ["report", str(folder), str(other), "--format", "html", "--output", str(file)]
    assert main(words) == 0
    text = file.read_text(encoding="utf-8")
    assert "example" in text and "changed" in text


def test_the_csv_of_one_run_has_no_column_run_and_that_of_several_has(capsys, folder, other):
    def read(*folders):
        assert main(["report", *map(str, folders), "--format", "csv"]) == 0
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert "run" not in read(folder)[0]
    rows = read(folder, other)
    assert [row["run"] for row in rows] == [str(folder)] * 3 + [str(other)] * 3


@pytest.mark.parametrize(("form", "mark"), [("markdown", "# "), ("latex", "\\label{")])
def test_tables_of_several_runs_follow_one_another(capsys, folder, other, form, mark):
    assert main(["report", str(folder), str(other), "--format", form]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.strip().startswith(mark) for line in lines) == 2


def test_without_a_format_every_report_is_written_beside_its_results(capsys, folder, other):
    assert main(["report", str(folder), str(other)]) == 0
    assert all((place / "report.md").is_file() for place in (folder, other))
    assert capsys.readouterr().out.count("report:") == 2


def test_an_output_without_a_format_is_refused(capsys, folder, tmp_path):
    assert main(["report", str(folder), "--output", str(tmp_path / "x")]) == 2
    assert "--format" in capsys.readouterr().err


def test_a_report_of_a_damaged_file_is_one_line(capsys, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps([]), encoding="utf-8")
    assert main(["report", str(tmp_path), "--format", "csv"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", [["report"], ["compare", "--systems", "bm25=colbert_exact"]])
def test_wide_prints_each_table_whole(monkeypatch, capsys, folder, words):
    monkeypatch.setattr("colbench.console.WIDTH", 60)
    command = [words[0], str(folder), *words[1:], "--format", "terminal"]

    def heads():
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if line.startswith(" system ")]

    assert main(command) == 0
    narrow = heads()
    assert main([*command, "--wide"]) == 0
    wide = heads()
    assert len(narrow) > len(wide) >= 1
    assert max(map(len, narrow)) <= 60 < max(map(len, wide))
