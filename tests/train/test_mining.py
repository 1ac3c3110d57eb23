"""Hard negatives: which documents are drawn, and which never are."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query
from colbench.config.compose import compose_run
from colbench.encoder.cache.store import EmbeddingCache
from colbench.errors import ConfigError
from colbench.hits import top_k
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.train.examples import Example, text_key
from colbench.train.mining import mine, workbenches
from colbench.train.protect import Protected
from colbench.train.settings import Negatives


class Scripted(Retriever):
    """Finds the documents of a query by scores that a test wrote down: query text → id → score."""

    Settings = SystemSettings
    scores: dict[str, dict[str, float]] = {}  # noqa: RUF012
    asked: list[int] = []  # noqa: RUF012

    def build(self):
        return

    def encode(self, queries):
        return list(queries)

    def search(self, queries, k):
        self.asked.append(k)
        ids, found = self.bench.collection.doc_ids, []
        for query in queries:
            scored = self.scores.get(query, {})
            docs = np.array([ids.index(doc_id) for doc_id in scored], dtype=np.int64)
            found.append(top_k(docs, np.array([*scored.values()]), k, self.bench.ranks))
        return found

    def size(self):
        return IndexSize()


@pytest.fixture(autouse=True, scope="module")
def _module():
    module = ModuleType("scripted.system")
    module.SYSTEM = Scripted
    sys.modules[module.__name__] = module
    yield
    del sys.modules[module.__name__]


SCRIPTED = SystemSettings(kind="scripted.system")


def benches(collection):
    return Workbench(
        collection=collection,
        folder=Path("nowhere"),
        cache=EmbeddingCache(Path("nowhere")),
        systems={"scripted": SCRIPTED},
        memory_bytes=1 << 30,
    )


def texts(count):
    return {f"d{n}": f"text {n}" for n in range(count)}


def made(documents, qrels=None, **more):
    return Collection(
        "made",
        [Document(doc_id, "", text) for doc_id, text in documents.items()],
        [Query("q", "query")],
        qrels or {"q": {"d0": 1}},
        **more,
    )


def example(collection, doc_id="d0", query="query", query_id="q", **more):
    text = dict(zip(collection.doc_ids, collection.texts, strict=True))[doc_id]
    return Example(query, text, "s", query_id, doc_id, origin=text_key(text), **more)


def negatives(collection, scores, *given, protected=Protected(), seed=0, **settings):  # noqa: B008
    """Mine for one example, or for those given; return the first's negatives and the report."""
    Scripted.scores = {"query": scores}
    values = {"system": "scripted", "count": 100, "margin": 0, **settings}
    found, report = mine(
        given or [example(collection)],
        {"s": collection},
        Negatives(**values),
        protected,
        benches,
        seed,
    )
    return list(found[0].negatives), report


def ranked(count, first=10.0):
    """Scores that fall from the first document to the last."""
    return {f"d{n}": first - n for n in range(count)}


def test_negatives_are_what_is_found_but_the_positive_in_the_order_of_ranks():
    found, report = negatives(made(texts(5)), ranked(4))
    assert found == ["text 1", "text 2", "text 3"]
    assert (report.system, report.examples, report.negatives) == ("scripted", 1, 3)
    assert (report.left_out, report.short) == (0, 1)


def test_no_more_than_asked_for_are_drawn_and_the_seed_draws():
    collection = made(texts(40))
    draws = {tuple(negatives(collection, ranked(40), count=3, seed=s)[0]) for s in range(6)}
    assert {len(draw) for draw in draws} == {3}
    assert len(draws) > 1
    again = [negatives(collection, ranked(40), count=3, seed=1) for _ in range(2)]
    assert again[0][0] == again[1][0]
    assert again[0][1].short == 0


def test_depth_and_skip_bound_the_ranks():
    found, _ = negatives(made(texts(9)), ranked(9), skip=2, depth=3)
    assert found == ["text 2", "text 3", "text 4"]
    assert Scripted.asked[-1] == 5


@pytest.mark.parametrize(
    ("margin", "positive", "others", "left"),
    [
        (0.0, 8, [9, 8, 6, -1], [8, 6, -1]),
        (0.25, 8, [9, 8, 7, 6, -1], [6, -1]),
        (0.0, -8, [9, -7, -8, -9], [-8, -9]),
        (0.25, -8, [9, -7, -8, -9, -10, -11], [-10, -11]),
        (0.5, 0, [1, 0, -1], [0, -1]),
    ],
)
def test_what_scores_near_the_positive_or_above_it_is_left_out(margin, positive, others, left):
    scores = {"d0": positive, **{f"score {other}": other for other in others}}
    documents = {doc_id: doc_id for doc_id in scores}
    found, report = negatives(made(documents), scores, margin=margin)
    assert found == [f"score {score}" for score in left]
    assert report.left_out == len(others) - len(left)


def test_a_positive_that_is_not_found_bounds_nothing():
    found, report = negatives(made(texts(4)), {"d1": 3.0, "d2": 1.0}, margin=0.5)
    assert (found, report.left_out) == (["text 1", "text 2"], 0)


def test_a_positive_among_the_skipped_still_bounds():
    scores = {"d0": 9.0, "d1": 8.9, "d2": 1.0}
    assert negatives(made(texts(3)), scores, skip=1, margin=0.1)[0] == ["text 2"]


def test_every_judged_relevant_document_of_the_query_is_kept_out():
    qrels = {"q": {"d0": 2, "d1": 1, "d2": 0}, "same": {"d3": 1}}
    collection = replace(
        made(texts(6), qrels), queries=[Query("q", "query"), Query("same", " QUERY")]
    )
    assert negatives(collection, ranked(6))[0] == ["text 2", "text 4", "text 5"]


def test_positives_of_the_same_query_are_kept_out_whatever_their_source():
    collection = made(texts(4))
    other = Example("Query", "TEXT 2", "file")
    part = Example("query", "a part", "file", origin=text_key("text 3"))
    assert negatives(collection, ranked(4), example(collection), other, part)[0] == ["text 1"]


def test_copies_of_what_is_relevant_or_skipped_are_kept_out():
    documents = {"d0": "a", "d1": "b", "d2": "B", "d3": "c", "d4": "C", "d5": "e"}
    qrels = {"q": {"d0": 2, "d1": 1}}
    scores = {"d3": 9.0, "d2": 8.0, "d4": 7.0, "d5": 6.0}
    assert negatives(made(documents, qrels), scores, skip=1)[0] == ["e"]


def test_copies_of_positive_query_and_each_other_are_kept_out():
    documents = {"d0": "text 0", "d1": "Text  0", "d2": "query", "d3": "x", "d4": "X", "d5": ""}
    assert negatives(made(documents), ranked(6))[0] == ["x"]


def test_a_document_with_the_querys_id_is_kept_out_where_the_collection_drops_it():
    documents = {"d0": "text 0", "q": "the query as a document", "d1": "text 1"}
    scores = {"d0": 3.0, "q": 2.0, "d1": 1.0}
    drops, keeps = (made(documents, ignore_identical_ids=rule) for rule in (True, False))
    assert negatives(drops, scores)[0] == ["text 1"]
    assert negatives(keeps, scores)[0] == ["the query as a document", "text 1"]


def test_what_is_protected_is_kept_out():
    protected = Protected.of([made({"x": "Text 1", "y": "z"}, {"q": {"x": 0}})])
    assert negatives(made(texts(3)), ranked(3), protected=protected)[0] == ["text 2"]


def test_a_negative_lacks_what_was_cut_from_it_for_its_own_query():
    collection = made({"d0": "A title body", "d1": "B title text", "d2": "C title body"})
    cut = [
        Example(f"{t} title", p, "s", None, d, origin=text_key(f"{t} title {p}"))
        for d, t, p in (("d0", "A", "body"), ("d1", "B", "text"), ("d2", "C", "body"))
    ]
    Scripted.scores = {"A title": ranked(3)}
    settings = Negatives(system="scripted", margin=0)
    found, _ = mine(cut, {"s": collection}, settings, Protected(), benches, 0)
    assert found[0].negatives == ("text",)  # and not d2, whose rest is the positive
    assert [e.negatives for e in found[1:]] == [(), ()]


def test_examples_that_bring_negatives_or_have_no_collection_keep_what_they_have():
    collection = made(texts(3))
    own = example(collection, negatives=("mine",), scores=(1.0, 0.5))
    file = Example("query", "p", "file")
    found, report = mine(
        [own, file], {"s": collection}, Negatives(system="scripted"), Protected(), benches, 0
    )
    assert found == [own, file]
    assert (report.examples, report.negatives, report.short) == (0, 0, 0)


@st.composite
def cases(draw):
    count = draw(st.integers(2, 8))
    words = st.sampled_from(["a", "A", "b", "c", "d e", "D  E", "query", ""])
    documents = {f"d{n}": draw(words) for n in range(count)}
    ids = st.sampled_from(sorted(documents))
    qrels = {"q": draw(st.dictionaries(ids, st.integers(-1, 2), min_size=1))}
    scores = draw(st.dictionaries(ids, st.integers(-5, 5).map(float)))
    protected = {"q": draw(st.dictionaries(ids, st.integers(0, 1), min_size=1))}
    positives = [d for d, grade in qrels["q"].items() if grade > 0 and documents[d]]
    return made(documents, qrels), scores, made(documents, protected), positives


@given(
    case=cases(),
    count=st.integers(1, 3),
    skip=st.integers(0, 2),
    depth=st.integers(1, 8),
    margin=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 3),
)
def test_negatives_are_never_relevant_protected_or_near(case, count, skip, depth, margin, seed):
    collection, scores, evaluation, positives = case
    settings = Negatives(system="scripted", count=count, skip=skip, depth=depth, margin=margin)
    protected = Protected.of([evaluation])
    Scripted.scores = {"query": scores}
    given_examples = [example(collection, doc_id) for doc_id in positives]

    def mined(order):
        return mine(order, {"s": collection}, settings, protected, benches, seed)

    found, report = mined(given_examples)
    of_text = {document.id: document.text for document in collection.documents}
    relevant = {text_key(of_text[d]) for d, grade in collection.qrels["q"].items() if grade > 0}
    best = {}
    for doc_id, score in scores.items():
        key = text_key(of_text[doc_id])
        best[key] = max(score, best.get(key, score))
    for before, after in zip(given_examples, found, strict=True):
        assert replace(after, negatives=()) == before
        assert len(after.negatives) <= count
        keys = [text_key(text) for text in after.negatives]
        assert len(set(keys)) == len(keys)
        for text, key in zip(after.negatives, keys, strict=True):
            assert text in of_text.values()
            assert key not in relevant
            assert not protected.has_text(key)
            assert key != text_key("query")
            ranks = sorted(scores.values(), reverse=True)[: skip + depth]
            own = scores.get(before.positive_id)
            if own is not None and own > ranks[-1]:  # certainly among the documents searched
                assert best[key] <= own - margin * abs(own)
    assert report.negatives == sum(len(e.negatives) for e in found)
    assert report.short == sum(len(e.negatives) < count for e in found)
    again, _ = mined(given_examples[::-1])
    assert again[::-1] == found


def test_any_system_of_the_run_searches_where_it_is_told_to(tmp_path):
    run = compose_run([])
    benches = workbenches(run, "bm25", tmp_path / "mining", EmbeddingCache(tmp_path / "cache"))
    documents = {"d0": "wing flutter", "d1": "wing bending", "d2": "boundary layers"}
    collection = made(documents)
    asked = Example("flutter of a wing", "wing flutter", "s", "q", "d0")
    found, report = mine([asked], {"s": collection}, Negatives(), Protected(), benches, run.seed)
    assert found[0].negatives == ("wing bending",)
    assert report.seconds >= 0
    assert [p.name for p in (tmp_path / "mining").glob("*/*")] == ["bm25"]


def test_an_unknown_system_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="unknown system 'bm52': did you mean 'bm25'"):
        workbenches(compose_run([]), "bm52", tmp_path, EmbeddingCache(tmp_path))
