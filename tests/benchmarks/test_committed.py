"""What is committed of a measurement holds every value, and documents of few queries."""

import json

import pytest

from benchmarks import committed
from benchmarks.committed import commit_ready, main, shortened
from colbench.report.html.page import render_html
from colbench.results.schema import DocumentInfo, QueryInfo
from colbench.results.store import read_results, write_results

VALUES = {"bm25": [0.2, 1.0, 0.75], "colbert_exact": [0.9, 1.0, 0.25]}
TOP = {"bm25": [[1, 0], [2], [4]], "colbert_exact": [[0, 1], [2], [4]]}


@pytest.fixture
def results(example_results, monkeypatch):
    """Three queries, the first of which sets the systems furthest apart; d3 is judged for it."""
    monkeypatch.setattr(committed, "SHOWN", 1)
    systems = [
        system.model_copy(
            update={
                "per_query": dict.fromkeys(example_results.measures, VALUES[system.name]),
                "top": TOP[system.name],
            }
        )
        if system.status == "ok"
        else system
        for system in example_results.systems
    ]
    judged = ({"d1": 1, "d3": 1}, {"d2": 0}, {"d4": 1})
    clean = {"git_commit": "a" * 40, "git_dirty": False}
    return example_results.model_copy(
        update={
            "environment": example_results.environment.model_copy(update=clean),
            "systems": systems,
            "queries": [
                QueryInfo(id=f"q{n}", text=f"query {n}", relevant=1, judged=judged[n])
                for n in range(3)
            ],
            "documents": [
                DocumentInfo(id=f"d{n}", title=f"title {n}", text=f"text {n}") for n in range(5)
            ],
        }
    )


def test_documents_stay_for_the_query_that_sets_systems_apart_and_all_values_do(results, tmp_path):
    write_results(results, tmp_path)
    commit_ready(tmp_path)
    found = read_results(tmp_path)
    assert [(one.id, one.text) for one in found.documents] == [
        ("d0", "text 0"),
        ("d1", "text 1"),
        ("d3", "text 3"),
    ]
    assert [query.judged for query in found.queries] == [{"d1": 1, "d3": 1}, None, None]
    tops = {system.name: system.top for system in found.systems if system.status == "ok"}
    assert tops == {"bm25": [[1, 0], [], []], "colbert_exact": [[0, 1], [], []]}
    assert found.notes == [*results.notes, committed.NOTE]

    same = {"documents": results.documents, "notes": results.notes, "queries": results.queries}
    systems = [
        one.model_copy(update={"top": other.top})
        for one, other in zip(found.systems, results.systems, strict=True)
    ]
    assert found.model_copy(update={**same, "systems": systems}) == results
    assert "text 3" in render_html([found])


def test_a_second_time_changes_nothing(results, tmp_path):
    file = write_results(results, tmp_path)
    commit_ready(tmp_path)
    once = file.read_bytes()
    commit_ready(tmp_path)
    assert file.read_bytes() == once


def test_a_sweep_keeps_no_document_and_needs_no_note(results):
    content = {**results.model_dump(mode="json"), "sweep": {"system": "colbert"}}
    found = shortened(content)
    assert found["documents"] == [] and found["notes"] == results.notes
    assert [query["judged"] for query in found["queries"]] == [None] * 3
    assert [system["top"] for system in found["systems"]] == [None] * len(found["systems"])


def test_results_without_documents_stay_as_they_are(example_results):
    content = example_results.model_dump(mode="json")
    assert shortened(content) == content


def test_values_of_queries_are_laid_out_anew(tmp_path):
    file = tmp_path / "per_query" / "bm25.json"
    file.parent.mkdir()
    values = {"ndcg@10": {"1": 0.1 + 0.2, "é": 1e-320}}
    file.write_text(json.dumps(values, indent=8), encoding="utf-8")
    commit_ready(tmp_path)
    text = file.read_text(encoding="utf-8")
    assert json.loads(text) == values and text.count("\n") == 3 and "é" in text


def test_a_damaged_file_is_refused_and_left_alone(results, tmp_path, capsys):
    file = write_results(results, tmp_path)
    damaged = file.read_text(encoding="utf-8").replace("made/up", "made/down")
    file.write_text(damaged, encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert "changed or damaged" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == damaged
    assert main([str(tmp_path / "nowhere")]) == 2


def measured(results, share=0.0, **environment):
    first, *others = results.systems
    return results.model_copy(
        update={
            "environment": results.environment.model_copy(update=environment),
            "systems": [first.model_copy(update={"other_cpu_share": share}), *others],
        }
    )


@pytest.mark.parametrize(
    ("share", "environment", "why"),
    [
        (0.0, {"git_dirty": True}, "it ran with uncommitted changes; commit them and measure"),
        (0.0, {"git_commit": None, "git_dirty": None}, "its commit is not known; measure it in a"),
        (0.051, {}, "other processes used 5.1% of the cores while bm25 was timed, more than 5%"),
    ],
)
def test_what_cannot_be_measured_again_is_no_reference(
    results, tmp_path, capsys, share, environment, why
):
    file = write_results(measured(results, share, **environment), tmp_path)
    before = file.read_bytes()
    assert main([str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert f"results.json is no reference result: {why}" in errors and errors.count("\n") == 1
    assert file.read_bytes() == before


def test_a_twentieth_of_the_cores_may_be_used_by_others(results, tmp_path):
    write_results(measured(results, 0.05), tmp_path)
    assert main([str(tmp_path)]) == 0


def test_other_loads_are_found_wherever_they_stand(tmp_path, capsys):
    content = {"collections": [{"forms": {"x": {"speed": {"other_cpu_share": 0.2}}}}]}
    (tmp_path / "speed.json").write_text(json.dumps(content), encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert "other processes used 20.0% of the cores while it was timed" in capsys.readouterr().err


def test_a_sweep_keeps_quantiles_for_the_times_of_its_queries(results):
    content = results.model_dump(mode="json")
    timed = content["systems"][0]
    timed["latency_ms"] |= {"encode_ms": [1.0, 2.0], "search_ms": [3.0, 6.0], "total": None}
    timed["per_query"]["ndcg@10"] = [0.123456789123, 1.0, 0.0]
    assert shortened(content)["systems"][0]["latency_ms"] == timed["latency_ms"]

    short = shortened(content | {"sweep": {"variants": {}}})["systems"][0]
    assert short["latency_ms"]["total"]["mean"] == 6.0
    assert short["latency_ms"]["encode_ms"] is None and short["latency_ms"]["search_ms"] is None
    assert short["per_query"]["ndcg@10"] == [0.12345679, 1.0, 0.0]


def test_a_sweep_keeps_the_values_of_single_queries_of_its_references_alone(results):
    content = results.model_dump(mode="json")
    first, second, *_ = (system["name"] for system in content["systems"])
    short = shortened(content | {"sweep": {"variants": {first: {}}}})["systems"]
    assert short[0]["per_query"] is None and short[1]["name"] == second
    assert short[1]["per_query"].keys() == content["systems"][1]["per_query"].keys()
    kept = {"effectiveness", "intervals", "significance", "fidelity"}
    assert all(short[0][key] == content["systems"][0][key] for key in kept)
