"""The baseline file: small, whole, and refused where it is not what it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from pairs import QUERIES, results_with

from colbench.cli.main import main
from colbench.errors import ConfigError, StorageError
from colbench.gate import rules as rules_module
from colbench.gate.baseline import accept, is_baseline, read_baseline, write_baseline
from colbench.gate.judge import judge
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedSide
from colbench.results.checksummed import write_checksummed
from colbench.results.store import write_results


@pytest.fixture
def plain(example_results):
    return results_with(example_results)


@pytest.fixture
def file(plain, tmp_path):
    path = tmp_path / "baseline.json"
    write_baseline(accept(plain, reason="a first one"), path)
    return path


def test_what_is_read_back_judges_as_the_results_do(plain, file):
    found = read_baseline(file)
    assert found.reason == "a first one" and is_baseline(file)
    before, after = plain.systems[0], found.results.systems[0]
    for measure, values in before.per_query.items():
        assert after.per_query[measure] == pytest.approx(values)
    assert (after.rankings, after.first_relevant) == (before.rankings, before.first_relevant)
    rules = GateRules(measures={"ndcg@10": 0.005})
    report = judge(GatedSide.of_results(file, plain), GatedSide.open(file), rules)
    assert report.status == "pass" and report.baseline.reason == "a first one"


def test_it_holds_no_documents_and_a_line_a_query(plain, example_results, tmp_path):
    shown = plain.model_copy(update={"documents": example_results.documents})
    write_baseline(accept(shown), tmp_path / "first.json")
    values = [0.5 + 0.002 * n for n in range(QUERIES)]
    values[5] = 0.125
    system = plain.systems[0].model_copy(
        update={"per_query": dict.fromkeys(plain.measures, values)}
    )
    changed = plain.model_copy(update={"systems": [system]})
    write_baseline(accept(changed), tmp_path / "second.json")
    first, second = (
        (tmp_path / name).read_text().splitlines() for name in ("first.json", "second.json")
    )
    assert json.loads("\n".join(first))["results"]["documents"] == []
    differing = [
        one
        for one, other in zip(first, second, strict=True)
        if one != other and "sha256" not in one and "accepted" not in one
    ]
    assert len(differing) == 1 and differing[0].strip().startswith('"colbert": [')


def test_another_version_is_refused_with_the_way_to_renew_it(file):
    content = json.loads(file.read_text())
    del content["sha256"]
    for changed in (
        {**content, "baseline_version": 3},
        {**content, "results": {**content["results"], "schema_version": 0}},
    ):
        write_checksummed(file, changed)
        with pytest.raises(StorageError, match="colbench baseline accept") as refused:
            read_baseline(file)
        assert str(file) in str(refused.value) and "\n" not in str(refused.value)


def test_a_changed_number_is_refused(file):
    text = file.read_text()
    assert "0.578" in text
    file.write_text(text.replace("0.578", "0.579", 1))
    with pytest.raises(StorageError, match="changed or damaged"):
        GatedSide.open(file)


def test_values_that_do_not_fit_together_are_refused(file):
    content = json.loads(file.read_text())
    del content["sha256"]
    first = next(iter(content["queries"]))
    short = {**content["queries"], first: {"colbert": [0.5]}}
    fewer = {query: line for query, line in content["queries"].items() if query != first}
    other = {**content["queries"], first: {"colbert": ["a", "b", "c", "d"]}}
    for queries in (short, fewer, other):
        write_checksummed(file, {**content, "queries": queries})
        with pytest.raises(StorageError, match="accept it"):
            read_baseline(file)


def test_what_was_not_measured_cannot_be_accepted(plain, example_results):
    skipped = plain.systems[0].model_copy(update={"status": "skipped", "reason": "no weights"})
    with pytest.raises(ConfigError, match="no system was measured"):
        accept(plain.model_copy(update={"systems": [skipped]}))
    with pytest.raises(ConfigError, match="did you mean 'colbert'"):
        accept(plain, ["colbret"])
    older = plain.systems[0].model_copy(update={"rankings": None})
    with pytest.raises(ConfigError, match="older colbench"):
        accept(plain.model_copy(update={"systems": [older]}))


def test_skipped_systems_are_named(plain):
    skipped = plain.systems[0].model_copy(
        update={"name": "rerank", "status": "skipped", "reason": "no weights"}
    )
    both = plain.model_copy(update={"systems": [*plain.systems, skipped]})
    found = accept(both)
    assert found.skipped == {"rerank": "no weights"}
    assert [system.name for system in found.results.systems] == ["colbert"]


def test_the_command_writes_it_beside_the_results_and_the_gate_reads_it(
    plain, example_results, tmp_path, capsys
):
    write_results(plain, tmp_path / "before")
    write_results(results_with(example_results, -0.1), tmp_path / "after")
    before, after = str(tmp_path / "before"), str(tmp_path / "after")
    assert main(["baseline", "accept", before, "--reason", "why not"]) == 0
    assert "colbert" in capsys.readouterr().out
    base = str(tmp_path / "before" / "baseline.json")
    assert main(["gate", before, "--baseline", base]) == 0
    assert main(["gate", after, "--baseline", base]) == 1
    assert "regressed" in capsys.readouterr().out
    written = [str(tmp_path / f"gate.{kind}") for kind in ("md", "json", "xml")]
    options = zip(("--markdown", "--json", "--junit"), written, strict=True)
    assert main(["gate", after, "--baseline", before, *(w for o in options for w in o)]) == 1
    assert json.loads((tmp_path / "gate.json").read_text())["status"] == "regression"
    assert main(["gate", after, "--baseline", str(tmp_path / "nothing.json")]) == 2
    assert capsys.readouterr().err.count("\n") >= 1


def test_baseline_without_an_action_says_how(capsys):
    assert main(["baseline"]) == 2
    assert "accept" in capsys.readouterr().out


def test_a_baseline_is_no_candidate_and_no_result(file, capsys):
    assert main(["gate", str(file), "--baseline", str(file)]) == 2
    assert "is a baseline" in capsys.readouterr().err
    assert main(["baseline", "accept", str(file)]) == 2
    assert "a baseline already" in capsys.readouterr().err


def test_a_path_too_long_is_told_in_one_line(file, capsys):
    assert main(["gate", "x" * 300, "--baseline", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_a_reader_who_stops_changes_no_status_and_loses_no_file(
    plain, example_results, file, tmp_path, form
):
    write_results(results_with(example_results, -0.1), tmp_path / "worse")
    command = [
        *(sys.executable, "-m", "colbench.cli.main", "gate", str(tmp_path / "worse")),
        *("--baseline", str(file), "--format", form, "--junit", str(tmp_path / "gate.xml")),
    ]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (tmp_path / "gate.xml").is_file()


def test_a_defect_does_not_pass_for_a_regression(file, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("made for this test")

    monkeypatch.setattr(rules_module, "load_rules", broken)
    assert main(["gate", str(file), "--baseline", str(file)]) == 3
    assert "made for this test" in capsys.readouterr().err
