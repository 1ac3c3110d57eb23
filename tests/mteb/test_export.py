"""Results of a full test set as files of MTEB."""

from __future__ import annotations

import json

import pytest

from colbench.cli.main import main
from colbench.errors import ConfigError, DataError, StorageError
from colbench.mteb.export import export_results
from colbench.results.store import write_results


@pytest.fixture
def scifact(full_results):
    """Results that say they are of SciFact."""
    systems = [
        system.model_copy(update={"depth": 1000} if system.status == "ok" else {})
        for system in full_results.systems
    ]
    collection = full_results.collection.model_copy(
        update={"name": "beir/scifact/test", "docs": 5183, "queries": 300}
    )
    dataset = {"kind": "irds", "id": "beir/scifact/test", "ignore_identical_ids": True}
    return full_results.model_copy(
        update={"systems": systems, "collection": collection, "config": {"dataset": dataset}}
    )


def changed(results, **update):
    collection = results.collection.model_copy(update=update)
    return results.model_copy(update={"collection": collection})


def ruled(results, rule, source="beir/scifact/test"):
    dataset = {"kind": "irds", "id": source, "ignore_identical_ids": rule}
    return results.model_copy(update={"config": {"dataset": dataset}})


def test_a_file_holds_what_mteb_writes(scifact, tmp_path):
    paths = export_results(scifact, tmp_path, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out" / "results").parts[0] for path in paths] == [
        *("colbench__bm25", "colbench__colbert_exact"),
    ]
    assert {path.name for path in paths} == {"SciFact.json"}
    content = json.loads(paths[1].read_text())
    assert content["task_name"] == "SciFact" and content["mteb_version"] == "2.26.24"
    assert content["dataset_revision"] == "d56462d0e63a25450459c4f213e49ffdb866f7f9"
    assert content["scores"]["test"] == [
        {
            "ndcg_at_10": 0.7072,
            "mrr_at_10": 0.67,
            "main_score": 0.7072,
            "hf_subset": "default",
            "languages": ["eng-Latn"],
            "mteb_version": "2.26.24",
        }
    ]
    (settings,) = map(json.loads, (paths[1].parent / "run_settings.jsonl").open())
    assert settings["task"] == "SciFact" and settings["splits"] == ["test"]
    assert settings["colbench"]["depth"] == 1000
    meta = json.loads((paths[1].parent / "model_meta.json").read_text())
    assert meta["revision"] == paths[1].parent.name


def test_run_settings_of_other_tasks_stay(scifact, tmp_path):
    (path,) = export_results(scifact, tmp_path, tmp_path / "out", systems=["bm25"])
    settings = path.parent / "run_settings.jsonl"
    with settings.open("a") as stream:
        stream.write('not JSON\n[1]\n{"task": "NFCorpus", "splits": ["test"]}\n')
    assert export_results(scifact, tmp_path, tmp_path / "out", systems=["bm25"]) == [path]
    assert [json.loads(line)["task"] for line in settings.open()] == ["NFCorpus", "SciFact"]


def test_mteb_reads_the_files(scifact, tmp_path):
    mteb = pytest.importorskip("mteb", reason="needs mteb: pip install 'colbench[mteb]'")
    from mteb.cache import ResultCache
    from mteb.models.model_meta import ModelMeta

    paths = export_results(scifact, tmp_path, tmp_path / "out")
    result = mteb.TaskResult.from_disk(paths[0])
    assert result.main_score == result.get_score() == 0.65 and result.is_public
    meta = json.loads((paths[0].parent / "model_meta.json").read_text())
    ModelMeta(**{key: value for key, value in meta.items() if key != "is_cross_encoder"})
    found = ResultCache(tmp_path / "out").load_results(tasks=["SciFact"], include_remote=False)
    assert {one.model_name: one.task_results[0].main_score for one in found.model_results} == {
        "colbench/bm25": 0.65,
        "colbench/colbert_exact": 0.7072,
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sampled": True}, "is a sample"),
        ({"docs": 5182}, "5,182 documents and 300 queries, MTEB's SciFact 5,183 and 300"),
        ({"queries": 299}, "not the same test set"),
    ],
)
def test_a_part_of_a_test_set_is_refused(scifact, tmp_path, change, told):
    with pytest.raises(DataError, match=told):
        export_results(changed(scifact, **change), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_documents_is_named_by_its_task(scifact, tmp_path):
    folder = scifact.model_copy(update={"config": {"dataset": {"kind": "beir_dir"}}})
    with pytest.raises(DataError, match="name it with --task"):
        export_results(folder, tmp_path, tmp_path / "out")
    assert export_results(folder, tmp_path, tmp_path / "out", task="SciFact")
    with pytest.raises(DataError, match="did you mean 'SciFact'"):
        export_results(folder, tmp_path, tmp_path / "out", task="Scifact")
    with pytest.raises(DataError, match="beir/scifact/test is SciFact, not NFCorpus"):
        export_results(scifact, tmp_path, tmp_path / "out", task="NFCorpus")


def test_what_was_not_measured_is_refused(scifact, tmp_path):
    for name, told in {"bm52": "did you mean 'bm25'", "bm25_cross_encoder": "skipped"}.items():
        with pytest.raises(ConfigError, match=told):
            export_results(scifact, tmp_path, tmp_path / "out", systems=[name])
    other = scifact.model_copy(update={"measures": ["mrr@10"]})
    with pytest.raises(DataError, match="scored by ndcg@10"):
        export_results(other, tmp_path, tmp_path / "out")


def test_the_rule_of_identical_ids_is_that_of_the_task(scifact, tmp_path):
    """Rankings that MTEB would have evaluated otherwise are no result of the task."""
    note = "3 of 300 queries have the id of a document; that document is dropped"
    with pytest.raises(DataError, match=r"SciFact keeps .* dataset.ignore_identical_ids=false"):
        export_results(changed(scifact, notes=[note]), tmp_path, tmp_path / "out")
    other = changed(ruled(scifact, False, "beir/fiqa/test"), docs=57638, queries=648)
    with pytest.raises(StorageError, match="name no run file"):  # what was found is not there
        export_results(other, tmp_path, tmp_path / "out")


def test_the_command_writes_and_tells(scifact, tmp_path, capsys):
    write_results(scifact, tmp_path)
    words = ["mteb", "export", str(tmp_path), "--output", str(tmp_path / "out")]
    assert main([*words, "--systems", "bm25"]) == 0
    (path,) = (tmp_path / "out").rglob("SciFact.json")
    assert f"written: {path}" in capsys.readouterr().out
    assert main([*words, "--systems", "bm52"]) == 2
    assert "did you mean 'bm25'" in capsys.readouterr().err
