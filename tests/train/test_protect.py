"""What evaluation splits judge is never trained on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query
from colbench.errors import DataError
from colbench.train.examples import Example, text_key
from colbench.train.protect import Counts, Protected, remove

TEXTS = {"d1": "wings bend", "d2": "plates heat", "d3": "air flows", "d4": "heat flows", "d5": "x"}


def collection(texts=TEXTS, queries=(("q1", "what bends"),), qrels=None, name="eval"):
    return Collection(
        name,
        [Document(doc_id, "", text) for doc_id, text in texts.items()],
        [Query(*query) for query in queries],
        qrels or {"q1": {"d1": 1, "d2": 0}},
    )


PROTECTED = Protected.of([collection()])


def judged(query_id, query, doc_id, texts=TEXTS, source="train"):
    text = texts[doc_id]
    return Example(query, text, source, query_id, doc_id, origin=text_key(text))


FREE = judged("t1", "what flows", "d3")


def one(example, protected=PROTECTED, beside=(FREE,)):
    """Remove from an example and some that stay; return what is left of it and the counts."""
    kept, counts = remove([example, *beside], protected)
    assert kept[len(kept) - len(beside) :] == list(beside)
    return kept[: len(kept) - len(beside)], counts[example.source]


def test_what_has_nothing_to_do_with_it_stays():
    assert one(judged("t2", "what is hot", "d4")) == ([judged("t2", "what is hot", "d4")], Counts())


@pytest.mark.parametrize("query", ["what bends", "  What\nBENDS "])
def test_a_protected_query_is_known_by_its_text_from_any_source(query):
    example = Example(query, "something else", "file")
    assert one(example) == ([], Counts(protected_queries=1))


@pytest.mark.parametrize("doc_id", ["d1", "d2"])
def test_a_judged_document_is_no_positive_whatever_its_grade(doc_id):
    assert one(judged("t2", "another", doc_id)) == ([], Counts(protected_documents=1))
    assert one(Example("another", TEXTS[doc_id].upper(), "file")) == (
        [],
        Counts(protected_documents=1),
    )


@pytest.mark.parametrize("doc_id", ["d1", "copy of d1"])
def test_a_part_of_a_judged_document_is_known_by_the_whole(doc_id):
    part = Example("wings", "bend", "made", None, doc_id, origin=text_key("Wings  bend"))
    assert one(part) == ([], Counts(protected_documents=1))


def test_a_text_is_protected_on_either_side():
    assert one(Example("wings bend", "p", "file"))[0] == []
    assert one(Example("q", "what bends", "file"))[0] == []


def test_a_query_id_counts_only_where_documents_are_numbered_alike():
    reworded = judged("q1", "which part bends", "d4")
    assert one(reworded) == ([], Counts(protected_queries=1))
    other = {doc_id: f"other {doc_id}" for doc_id in TEXTS}
    stranger = judged("q1", "which part bends", "d4", other, source="stranger")
    assert one(stranger) == ([stranger], Counts())


def test_a_document_that_both_have_is_enough_to_trust_its_own_examples_ids():
    other = {**{doc_id: f"other {doc_id}" for doc_id in TEXTS}, "d4": TEXTS["d4"]}
    mostly = [judged("t1", f"about {doc_id}", doc_id, other) for doc_id in ("d3", "d5")]
    stranger = judged("q1", "which part bends", "d3", other)
    kept, counts = remove([judged("q1", "what flows", "d4", other), stranger, *mostly], PROTECTED)
    assert (kept, counts) == ([stranger, *mostly], {"train": Counts(protected_queries=1)})


def test_a_judged_document_whose_text_was_edited_is_known_by_its_id():
    edited = {**TEXTS, "d1": "wings bend a little"}
    beside = [judged("t1", "what flows", "d3"), judged("t2", "what is hot", "d4")]
    kept, counts = remove([judged("t3", "another", "d1", edited), *beside], PROTECTED)
    assert (kept, counts) == (beside, {"train": Counts(protected_documents=1)})


def test_protected_negatives_go_with_their_scores():
    example = Example(
        "q", "p", "file", negatives=("a", "WINGS bend", "b", "plates heat"), scores=(9, 1, 2, 3, 4)
    )
    ((left,), counts) = one(example)
    assert (left.negatives, left.scores) == (("a", "b"), (9, 1, 3))
    assert counts == Counts(protected_negatives=2)


def test_empty_documents_protect_nothing():
    protected = Protected.of([collection({**TEXTS, "d1": ""})])
    example = Example("q", "p", "file", origin=text_key(""))
    assert one(example, protected)[0] == [example]


def test_counts_are_of_each_source_and_records_of_each_split():
    second = collection(name="second", queries=[("q9", "what flows")], qrels={"q9": {"d5": 1}})
    protected = Protected.of([collection(), second])
    stays = Example("q", "p", "b")
    kept, counts = remove([FREE, Example("what bends", "p", "b"), stays], protected)
    assert kept == [stays]
    assert counts == {
        "train": Counts(protected_queries=1),
        "b": Counts(protected_queries=1),
    }
    assert [(r.name, r.queries, r.documents) for r in protected.records] == [
        ("eval", 1, 2),
        ("second", 1, 1),
    ]
    assert protected.records[0].fingerprint == collection().fingerprint


def test_training_on_the_evaluation_data_itself_is_refused():
    examples = [judged("q1", "what bends", "d1")]
    with pytest.raises(DataError, match=r"overlap: each of the 1 examples .*\(train\).* in eval;"):
        remove(examples, PROTECTED)


def test_nothing_protected_and_nothing_given_are_no_error():
    assert remove([FREE], Protected()) == ([FREE], {"train": Counts()})
    assert remove([], PROTECTED) == ([], {})


WORDS = st.sampled_from(["a", "b", "A ", "c d", "C  D", "e", "f", "g h"])
IDS = st.sampled_from(["1", "2", "3", "4"])


@st.composite
def examples(draw):
    negatives = draw(st.lists(WORDS, max_size=3))
    scores = draw(st.none() | st.just(tuple(map(float, range(1 + len(negatives))))))
    positive = draw(WORDS)
    return Example(
        query=draw(WORDS),
        positive=positive,
        source=draw(st.sampled_from(["s", "t"])),
        query_id=draw(st.none() | IDS),
        positive_id=draw(st.none() | IDS),
        negatives=tuple(negatives),
        scores=scores,
        origin=draw(st.none() | WORDS.map(text_key) | st.just(text_key(positive))),
    )


@st.composite
def splits(draw):
    documents = draw(st.dictionaries(IDS, WORDS | st.just(""), min_size=1))
    queries = draw(st.dictionaries(IDS, WORDS, min_size=1))
    grades = st.dictionaries(st.sampled_from(sorted(documents)), st.integers(0, 2), min_size=1)
    return collection(documents, queries.items(), {query: draw(grades) for query in queries})


@given(st.lists(examples(), min_size=1, max_size=6), st.lists(splits(), max_size=2))
def test_no_protected_text_survives_and_nothing_else_changes(given_examples, evaluation):
    protected = Protected.of(evaluation)
    try:
        kept, counts = remove(given_examples, protected)
    except DataError:
        kept, counts = [], None
    texts = {text_key(query.text) for one in evaluation for query in one.queries}
    for part in evaluation:
        names = {doc_id for grades in part.qrels.values() for doc_id in grades}
        texts |= {text_key(d.text) for d in part.documents if d.id in names and d.text}
    for example in kept:
        assert texts.isdisjoint(map(text_key, [example.query, *example.documents]))
        assert example.origin not in texts
        assert example.scores is None or len(example.scores) == 1 + len(example.negatives)
    places = [(e.query, e.positive, e.query_id, e.positive_id, e.origin) for e in given_examples]
    rest = iter(places)
    for example in kept:  # in the order given
        key = (
            example.query,
            example.positive,
            example.query_id,
            example.positive_id,
            example.origin,
        )
        assert key in rest
    if counts is not None:
        dropped = sum(c.protected_queries + c.protected_documents for c in counts.values())
        assert dropped == len(given_examples) - len(kept)


@given(st.lists(examples(), min_size=1, max_size=6), splits())
def test_no_protected_id_survives_where_the_documents_are_the_same(given_examples, split):
    try:
        kept, _ = remove(given_examples, Protected.of([split]))
    except DataError:
        return
    judged_ids = {doc_id for grades in split.qrels.values() for doc_id in grades}
    queries = {query.id for query in split.queries}
    for example in kept:
        own = [d.text for d in split.documents if d.id == example.positive_id and d.text]
        if own and text_key(own[0]) == (example.origin or text_key(example.positive)):
            assert example.query_id not in queries
            assert example.positive_id not in judged_ids
