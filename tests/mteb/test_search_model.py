"""A system as a model of MTEB, in the shape of its protocol and with the package itself."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import pytest

import colbench
from colbench.errors import ConfigError, DataError, PackagesUnavailable
from colbench.mteb import SearchModel
from colbench.mteb.meta import model_meta
from colbench.mteb.search_model import _published_query_length
from colbench.mteb.texts import documents_of, queries_of

TASK = SimpleNamespace(name="Made")
OF = {"task_metadata": TASK, "hf_split": "test", "hf_subset": "default", "encode_kwargs": {}}
CORPUS = [
    {"id": "d1", "title": "Cats", "text": "a cat sleeps all day"},
    {"id": "d2", "title": "", "text": "a dog barks"},
    {"id": "d10", "text": "a dog barks"},
    {"id": "d 4", "title": None, "text": "the moon pulls the sea"},
]


class Table(list):
    """Rows with the two members of a `datasets.Dataset` that are used."""

    @property
    def column_names(self):
        return list(self[0])

    def select_columns(self, names):
        return Table({name: row[name] for name in names} for row in self)


@pytest.fixture
def model():
    model = SearchModel(system={"bm25": {"k1": 1.2}})
    model.index(CORPUS, num_proc=None, **OF)
    yield model
    model.close()


def search(model, *texts, top_k=10, **more):
    queries = [{"id": f"q{n}", "text": text} for n, text in enumerate(texts)]
    return model.search(queries, top_k=top_k, num_proc=None, **{**OF, **more})


def test_a_search_returns_scores_by_query_and_document(model):
    found = search(model, "dog", "the moon", "nothing alike", top_k=1)
    assert [list(found[query]) for query in ("q0", "q1", "q2")] == [["d2"], ["d 4"], []]
    both = search(model, "dog")["q0"]
    assert list(both) == ["d2", "d10"] and len(set(both.values())) == 1  # ties: ids, descending
    assert all(type(score) is float and math.isfinite(score) for score in both.values())


def test_an_index_takes_the_place_of_the_one_before(model):
    folder = model._retriever.bench.folder
    assert folder.is_dir()
    model.index([{"id": "x", "text": "a dog"}], **OF)
    assert not folder.exists() and list(search(model, "dog")["q0"]) == ["x"]


def test_a_reranking_task_ranks_its_candidates_alone(model, capsys):
    ranked = search(model, "dog", "moon", top_ranked={"q0": ["d10", "d1"], "q1": []})
    assert ranked["q1"] == {} and list(ranked["q0"]) == ["d10"]
    assert ranked["q0"]["d10"] == search(model, "dog")["q0"]["d10"]
    with pytest.raises(DataError, match=r"candidates of query 'q0' are no documents.*'zz'"):
        search(model, "dog", top_ranked={"q0": ["zz"]})


def test_candidates_that_a_search_does_not_reach_are_told(capsys):
    model = SearchModel(system="bm25", verbose=True)
    model.index(CORPUS, **OF)
    search(model, "dog", top_ranked={"q0": ["d10", "d1"]})
    assert "Made: the search of bm25 did not reach 1 candidates" in capsys.readouterr().err


def test_texts_are_those_that_mteb_reads():
    rows = Table({"id": "d", "title": "T", "text": "x ", "image": object()} for _ in range(1))
    assert [document.text for document in documents_of(rows, "Made")] == ["T x"]
    rows = [
        {"id": "a", "text": "find", "instruction": "well"},
        {"id": "b", "text": "find", "instruction": None},
        {"id": "c", "text": ["one", "two"]},
        {"id": "d", "text": [{"role": "user", "content": "hi"}], "instruction": "Answer"},
    ]
    assert [query.text for query in queries_of(rows, "Made")] == [
        *("find well", "find", "one; two", "Answer user: hi"),
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "Made has no documents"),
        ([{"id": "a", "image": 1}], "Made is not of texts"),
        ([{"id": "a", "text": None}], "document 'a' has no text"),
        ([{"id": "a", "text": "x"}] * 2, "ids of documents must be unique"),
        ([{"id": "", "text": "x"}], "ids of documents must be unique and not empty"),
    ],
)
def test_documents_that_cannot_be_searched_are_refused(rows, told):
    with pytest.raises(DataError, match=told):
        SearchModel(system="bm25").index(rows, **OF)


@pytest.mark.parametrize("text", [None, [], [{"role": "user"}], 3])
def test_queries_without_text_are_refused(text):
    with pytest.raises(DataError, match="query 'q'"):
        queries_of([{"id": "q", "text": text}], "Made")


def test_wrong_use_is_told_in_one_line(model):
    with pytest.raises(DataError, match="search before index"):
        search(SearchModel(system="bm25"), "dog")
    with pytest.raises(DataError, match="top_k=0"):
        search(model, "dog", top_k=0)
    with pytest.raises(ConfigError, match="takes no 'indx': did you mean 'index'"):
        SearchModel(indx={"nbits": 2})
    with pytest.raises(ConfigError, match="takes no 'dataset'"):
        SearchModel(dataset="beir/scifact")
    with pytest.raises(ConfigError, match="did you mean 'colbert'"):
        SearchModel(system="colbrt")
    with pytest.raises(ConfigError, match="name one system"):
        SearchModel(system={"bm25": {}, "colbert": {}})


def test_the_query_length_is_the_published_one():
    assert _published_query_length("SciFact", []) == 48
    assert _published_query_length("ArguAna", []) == 64
    assert _published_query_length("Made", []) is None


def test_the_revision_changes_with_the_settings():
    first, same, other = (
        model_meta("bm25", {"bm25": {"kind": "bm25", "k1": k1}}) for k1 in (1.2, 1.2, 0.9)
    )
    assert first == same and first["revision"] != other["revision"]
    assert first["name"] == "colbench/bm25" and first["model_type"] == ["sparse"]
    late = model_meta("x", {"x": {"kind": "colbert", "encoder": {"model": "a/b"}}})
    assert (late["similarity_fn_name"], late["adapted_from"]) == ("MaxSim", "a/b")


def test_without_mteb_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    monkeypatch.setitem(sys.modules, "mteb.models.model_meta", None)
    with pytest.raises(PackagesUnavailable, match=r"pip install 'colbench\[mteb\]'"):
        _ = SearchModel(system="bm25").mteb_model_meta


def mteb_task(collection):
    """SciFact's task of MTEB over a collection, keeping nDCG@10 of each query unrounded."""
    pytest.importorskip("mteb", reason="needs mteb: pip install 'colbench[mteb]'")
    from datasets import Dataset
    from mteb.tasks.retrieval.eng.sci_fact_retrieval import SciFact

    documents = [{"id": d.id, "title": d.title, "text": d.body} for d in collection.documents]
    part = {
        "corpus": Dataset.from_list(documents),
        "queries": Dataset.from_list([{"id": q.id, "text": q.text} for q in collection.queries]),
        "relevant_docs": {query: dict(judged) for query, judged in collection.qrels.items()},
        "top_ranked": None,
    }

    class Local(SciFact):
        def load_data(self, *args, **kwargs):
            self.dataset = {"default": {"test": part}}
            self.data_loaded = True

        def task_specific_scores(self, scores, *args, **kwargs):
            self.values = {query: found["ndcg_cut_10"] for query, found in scores.items()}
            return {}

    return Local()


def same_as_ours(collection, folder, **settings):
    """Evaluate with MTEB and with colbench; nDCG@10 must agree, by query and in the mean."""
    task = mteb_task(collection)
    import mteb
    from mteb.models import SearchProtocol

    model = SearchModel(system="bm25", **settings)
    assert isinstance(model, SearchProtocol)
    (result,) = mteb.evaluate(model, tasks=[task], cache=None, show_progress_bar=False).task_results
    ours = colbench.run(
        dataset=collection, systems=["bm25"], output_dir=folder, latency={"queries": 1}, **settings
    )
    row = ours["bm25"]
    values = dict(
        zip([query.id for query in ours.record.queries], row.per_query["ndcg@10"], strict=True)
    )
    assert task.values == pytest.approx(values, abs=1e-6)
    mean = math.fsum(task.values.values()) / len(task.values)
    assert mean == pytest.approx(row.effectiveness["ndcg@10"], abs=1e-6)
    assert result.main_score == round(mean, 5)  # MTEB rounds
    return result.main_score


def test_mteb_finds_what_colbench_finds(tiny_collection, tmp_path):
    judged = {q: d for q, d in tiny_collection.qrels.items() if max(d.values()) > 0}
    collection = colbench.Collection(
        name="tiny",
        documents=tiny_collection.documents,
        queries=[query for query in tiny_collection.queries if query.id in judged],
        qrels=judged,
        ignore_identical_ids=False,
    )
    assert same_as_ours(collection, tmp_path / "out") > 0.5


@pytest.mark.nightly
def test_mteb_finds_on_scifact_what_colbench_finds(irds_home, tmp_path):
    pytest.importorskip("mteb", reason="needs mteb: pip install 'colbench[mteb]'")
    assert same_as_ours(colbench.load_collection("beir/scifact"), tmp_path / "out") == 0.68045
