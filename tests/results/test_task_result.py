"""Files of MTEB as rows beside systems that were measured."""

from __future__ import annotations

import json

import pytest

import colbench
from colbench.cli.main import main
from colbench.errors import DataError, StorageError
from colbench.results.mteb_tasks import TASKS
from colbench.results.store import write_results
from colbench.results.task_result import read_task_result, with_rows


def task_result(folder, *, name="SciFact.json", **update):
    scores = {"ndcg_at_10": 0.9, "mrr_at_10": 0.8, "nauc_ndcg_at_10_std": -0.3, "main_score": 0.9}
    entry = {"hf_subset": "default", "languages": ["eng-Latn"], **scores}
    content = {
        "dataset_revision": TASKS["beir/scifact/test"].revision,
        "task_name": "SciFact",
        "mteb_version": "2.26.24",
        "scores": {"test": [entry]},
        "date": 1767225600.0,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps({**content, **update}))
    return folder / name


@pytest.fixture
def scifact(full_results):
    collection = full_results.collection.model_copy(update={"docs": 5183, "queries": 300})
    config = {"dataset": {"kind": "irds", "id": "beir/scifact/test"}}
    return full_results.model_copy(update={"collection": collection, "config": config})


def test_a_file_becomes_a_row(scifact, tmp_path):
    place = tmp_path / "someone__model" / "revision"
    file = task_result(place)
    twice = [read_task_result(file), read_task_result(file)]
    results = with_rows(scifact, twice)
    first, second = results.systems[-2:]
    assert (first.name, second.name) == ("someone/model", "someone/model (MTEB)")
    assert first.effectiveness == {"ndcg@10": 0.9, "mrr@10": 0.8} and first.per_query is None
    assert any("someone/model: means of MTEB 2.26.24 (SciFact)" in n for n in results.notes)
    (place / "model_meta.json").write_text('{"name": "bm25"}')
    assert with_rows(scifact, [read_task_result(file)]).systems[-1].name == "bm25 (MTEB)"


def test_what_differs_is_told(scifact, tmp_path):
    note = "2 of 300 queries have the id of a document; dropped"
    collection = scifact.collection.model_copy(update={"notes": [note]})
    other = scifact.model_copy(update={"collection": collection})
    file = read_task_result(task_result(tmp_path, dataset_revision="x" * 40))
    told = " | ".join(with_rows(other, [file]).notes)
    assert "of another revision of SciFact's data" in told
    assert "colbench drops the document with the query's own id here, MTEB keeps it" in told


BAD = {
    "task_name": ([1], "no TaskResult of MTEB"),
    "scores": ([], "no TaskResult of MTEB"),
    "mteb_dataset_name": ("SciFact", "of MTEB before 1.11"),
}


@pytest.mark.parametrize("key", BAD)
def test_other_files_are_refused(tmp_path, key):
    value, told = BAD[key]
    with pytest.raises(StorageError, match=told):
        read_task_result(task_result(tmp_path, **{key: value}))


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "\x00", '{"a": NaN'])
def test_damaged_files_are_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StorageError):
        read_task_result(tmp_path / "x.json")
    with pytest.raises(StorageError, match="cannot read"):
        read_task_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"task_name": "NFCorpus"}, "is of MTEB's NFCorpus, and made/up is SciFact"),
        ({"task_name": "Mine"}, "'Mine' is no task of MTEB"),
        ({"scores": {"dev": []}}, "no ndcg@10 of the split 'test'"),
        ({"scores": {"test": [{"hf_subset": "default", "ndcg_at_10": 71.2}]}}, "from 0 to 1"),
        ({"scores": {"test": [{"hf_subset": "default", "ndcg_at_10": "0.7"}]}}, "no ndcg@10"),
        ({"scores": {"test": [{"hf_subset": "fr", "ndcg_at_10": 0.7}]}}, "no ndcg@10"),
    ],
)
def test_a_file_that_does_not_belong_is_refused(scifact, tmp_path, update, told):
    with pytest.raises(DataError, match=told):
        with_rows(scifact, [read_task_result(task_result(tmp_path, **update))])


def test_results_of_a_sample_are_not_joined(scifact, tmp_path):
    collection = scifact.collection.model_copy(update={"sampled": True})
    sample = scifact.model_copy(update={"collection": collection})
    with pytest.raises(DataError, match="is a sample"):
        with_rows(sample, [read_task_result(task_result(tmp_path))])


@pytest.mark.parametrize("form", ["terminal", "markdown", "html", "latex", "csv"])
def test_a_report_has_the_row(scifact, tmp_path, form):
    write_results(scifact, tmp_path / "out")
    file = task_result(tmp_path / "someone__model" / "r")
    words = ["report", str(tmp_path / "out"), "--task-result", str(file), "--format", form]
    assert main([*words, "--output", str(tmp_path / "report")]) == 0
    assert "someone/model" in (tmp_path / "report").read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.json"]


def test_a_comparison_takes_a_file_on_either_side(scifact, tmp_path, capsys):
    write_results(scifact, tmp_path / "out")
    file = task_result(tmp_path / "someone__model" / "r")
    out = str(tmp_path / "out")
    for sides in ([out, str(file)], [str(file), out]):
        assert main(["compare", *sides, "--format", "json"]) == 0
        pairs = json.loads(capsys.readouterr().out)["pairs"]
        assert {pair["a"] for pair in pairs} | {pair["b"] for pair in pairs} == {
            *("bm25", "colbert_exact", "someone/model"),
        }
        change = pairs[0]["effectiveness"][0]
        assert abs(change["difference"]) == pytest.approx(0.25) and change["p_value"] is None
        assert "a file of MTEB, which holds means alone" in pairs[0]["notes"][0]
    assert main(["compare", str(file), str(file)]) == 2
    assert "both files of MTEB" in capsys.readouterr().err


def test_a_comparison_in_python_takes_a_file(scifact, tmp_path):
    write_results(scifact, tmp_path / "out")
    file = task_result(tmp_path / "someone__model" / "r")
    for sides in ((tmp_path / "out", file), (str(file), scifact)):
        pairs = colbench.compare(*sides).record.pairs
        assert "someone/model" in {pairs[0].a, pairs[0].b}
    with pytest.raises(StorageError):
        colbench.compare(file, file)


def test_tasks_are_those_of_mteb():
    mteb = pytest.importorskip("mteb", reason="needs mteb: pip install 'colbench[mteb]'")
    for task in TASKS.values():
        found = mteb.get_task(task.name)
        assert found.metadata.revision == task.revision, task.name
        assert found.metadata.main_score == "ndcg_at_10" and task.split in found.eval_splits
        assert found.ignore_identical_ids == task.drops_identical_ids, task.name
