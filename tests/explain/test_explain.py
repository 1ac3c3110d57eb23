"""`colbench explain` on a small folder: the score it takes apart is that of exact search."""

import json

import beir_folder
import numpy as np
import pytest

from colbench.cli.main import main
from colbench.collection.load import load_collection
from colbench.config.compose import compose_run
from colbench.encoder.cache.store import EmbeddingCache, cached_documents
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ConfigError
from colbench.explain.compute import Question, explain
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system

DOCUMENTS = {
    "paris": "Paris is the capital of France.",
    "berlin": "Berlin is the capital of Germany.",
    "cheese": "Cheese is made from milk all over France.",
    "q1": "What is the capital of France?",
    "tides": "The moon pulls the sea and makes the tides.",
}
QUERIES = {"q1": "What is the capital of France?", "q2": "why does the sea rise and fall"}
QRELS = [("q1", "paris", 1), ("q1", "berlin", 0), ("q2", "tides", 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return beir_folder.write_folder(
        tmp_path_factory.mktemp("data") / "mine", DOCUMENTS, QUERIES, QRELS
    )


@pytest.fixture(scope="module", autouse=True)
def one_model():
    """The embedded model, loaded once: what is tested here is what is done with it."""
    loaded = {}

    def load(settings, form, query_length=None, cache_root=None):
        key = (settings.model_dump_json(), form, query_length)
        if key not in loaded:
            loaded[key] = load_encoder(settings, form, query_length)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colbench.explain.compute.load_encoder", load)
        patch.setattr("colbench.retriever.base.load_encoder", load)
        yield


@pytest.fixture
def words(folder, tmp_path):
    return [
        "dataset=beir_dir",
        f"dataset.path={folder}",
        f"cache_dir={tmp_path / 'cache'}",
        "encoder.precision=fp32",
    ]


def exact(settings, folder):
    """Search every document for every query; leaves the document vectors in the cache."""
    collection = load_collection(settings.dataset)
    systems = {"exact": settings.system["colbert_exact"]}
    bench = Workbench(
        collection, folder, EmbeddingCache(settings.cache_dir), systems, memory_bytes=1 << 30
    )
    system = make_system("exact", bench)
    system.prepare()
    system.build()
    hits = system.search(system.encode([query.text for query in collection.queries]), 10)
    return {
        query.id: dict(zip([collection.doc_ids[d] for d in hit.docs], hit.scores, strict=True))
        for query, hit in zip(collection.queries, hits, strict=True)
    }


@pytest.mark.parametrize("cached", [True, False])
def test_the_score_is_exact_searchs_with_and_without_cached_vectors(words, tmp_path, cached):
    settings = compose_run(words)
    scores = exact(settings, tmp_path / "indexes")
    if not cached:
        settings = compose_run(
            [*words[:2], f"cache_dir={tmp_path / 'empty'}", "encoder.precision=fp32"]
        )
    for query, ranking in scores.items():
        for doc, score in ranking.items():
            (shown,) = explain(settings, Question(None, query, (doc,))).documents
            assert shown.alignment.score == pytest.approx(score, abs=1e-5 if cached else 2e-3)


def test_nothing_is_added_to_the_cache(words):
    settings = compose_run(words)
    explain(settings, Question(None, "q1", ("paris", "berlin")))
    encoder = load_encoder(settings.encoder, Form.TOKENS)
    cache = EmbeddingCache(settings.cache_dir)
    assert cached_documents(encoder, [DOCUMENTS["paris"]], cache) is None
    assert not cache.entries()


def test_the_document_with_the_higher_score_is_a_whichever_is_named_first(words):
    settings = compose_run(words)
    for docs in (("paris", "tides"), ("tides", "paris")):
        shown = explain(settings, Question(None, "q1", docs))
        assert [document.id for document in shown.documents] == ["paris", "tides"]
        assert shown.difference > 0


def test_judgments_are_those_of_the_query(words):
    settings = compose_run(words)
    shown = explain(settings, Question(None, "q1", ("paris", "berlin")))
    assert {d.id: d.judgment for d in shown.documents} == {
        "paris": "judged relevant (grade 1)",
        "berlin": "judged not relevant (grade 0)",
    }
    (shown,) = explain(settings, Question(None, "q1", ("tides",))).documents
    assert shown.judgment == "not judged"
    (shown,) = explain(settings, Question("free text", None, ("tides",))).documents
    assert shown.judgment == ""


def test_without_a_document_the_best_two_are_taken_from_cached_vectors(words, tmp_path):
    settings = compose_run([*words, "dataset.ignore_identical_ids=true"])
    with pytest.raises(ConfigError, match="--doc ID"):
        explain(settings, Question(None, "q1"))
    scores = exact(settings, tmp_path / "indexes")["q1"]
    assert next(iter(scores)) == "q1"  # the query itself, which the collection's rule drops
    shown = explain(settings, Question(None, "q1"))
    assert [d.id for d in shown.documents] == list(scores)[1:3]
    keep = compose_run([*words, "dataset.ignore_identical_ids=false"])
    assert [d.id for d in explain(keep, Question(None, "q1")).documents] == list(scores)[:2]


def test_a_text_needs_no_collection(tmp_path):
    missing = tmp_path / "no collection here"
    settings = compose_run(["dataset=beir_dir", f"dataset.path='{missing}'"])
    shown = explain(settings, Question("capital", None, (), ("The capital.", "A cat sleeps.")))
    assert shown.collection is None
    first, second = shown.documents
    assert (first.id, first.title) == (None, "The capital.")
    assert first.alignment.score > second.alignment.score
    assert first.alignment.document_tokens == ("[CLS]", "the", "capital", ".", "[SEP]")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--query-id", "q1", "--doc", "pariss"], "no document 'pariss': did you mean 'paris'?"),
        (["--query-id", "q1", "--doc", "xyz"], "no document 'xyz': it has 5 documents: paris, "),
        (["--query-id", "q11", "--doc", "paris"], "no query 'q11': did you mean 'q1'?"),
        (["--query", " ", "--doc", "paris"], "the query has no text"),
        (["--query", "a", "--text", ""], "the text to explain is empty"),
        (["--query", "a", "--doc", "paris", "--doc", "paris"], "is named twice"),
        (["--query", "a", *["--doc", "paris"] * 2, "--text", "b"], "at most two documents"),
        (["--query", "a", "--doc", "paris", "--picture", "a.pdf"], "end the name in .svg or .png"),
    ],
)
def test_a_mistake_is_one_line(words, capsys, arguments, expected):
    assert main(["explain", *words, "--quiet", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert expected in captured.err


def test_the_command_prints_draws_and_writes(words, capsys, tmp_path):
    out, picture = tmp_path / "out.json", tmp_path / "out.svg"
    files = ["--json", str(out), "--picture", str(picture)]
    ids = ["--query-id", "q1", "--doc", "paris", "--doc", "cheese"]
    assert main(["explain", *words, "--quiet", *ids, *files]) == 0
    printed = capsys.readouterr().out
    written = json.loads(out.read_text(encoding="utf-8"))
    assert [document["id"] for document in written["documents"]] == ["paris", "cheese"]
    for document in written["documents"]:
        assert f"{document['score']:.4f}" in printed
        best = np.max(document["similarities"], axis=1)
        assert best.sum() == pytest.approx(document["score"], abs=1e-5)
    assert written["comparison"]["summary"] in printed
    assert "<svg" in picture.read_text(encoding="utf-8")
