from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Document, Query
from colbench.collection.raw import Judgment, RawCollection, Records, id_problem, judgments_of
from colbench.collection.validate import build_collection
from colbench.errors import DataError

DOCS = [Document("d1", "t", "one"), Document("d2", "", "two")]
QUERIES = [Query("q1", "first"), Query("q2", "second")]
JUDGMENTS = [Judgment("q1", "d1", 1), Judgment("q2", "d2", 2)]


def build(docs=DOCS, queries=QUERIES, judgments=JUDGMENTS, **settings):
    raw = RawCollection(
        Records(docs, lambda: "docs"),
        Records(queries, lambda: "queries"),
        Records(judgments, lambda: "qrels"),
    )
    return build_collection(raw, name="c", **settings)


def test_a_clean_collection_passes_unchanged_and_without_notes():
    collection = build()
    assert (collection.documents, collection.queries) == (DOCS, QUERIES)
    assert collection.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert collection.notes == ()
    assert collection.judgments == 2


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"docs": [*DOCS, DOCS[0]]}, r"docs: document id 'd1' is used twice"),
        ({"queries": [*QUERIES, QUERIES[1]]}, r"queries: query id 'q2' is used twice"),
        ({"docs": [Document("", "", "x")]}, r"docs: document id '' is empty"),
        ({"docs": [Document("a b", "", "x")]}, r"'a b' contains whitespace"),
        ({"docs": [Document("a\u2028b", "", "x")]}, r"contains whitespace"),
        ({"docs": [Document("a\x00", "", "x")]}, r"control character"),
        ({"queries": [Query("\ud800", "x")]}, r"half a surrogate pair"),
        ({"docs": [Document("d", "\udfff", "x")]}, r"text of document 'd' contains half a surr"),
        ({"docs": []}, r"docs: there are no documents"),
        ({"queries": []}, r"queries: there are no queries"),
        ({"judgments": []}, r"qrels: there are no judgments"),
        ({"judgments": [Judgment("x", "d1", 1)]}, r"none of the judged queries .* 'x'"),
        ({"judgments": [*JUDGMENTS, Judgment("q1", "d1", 0)]}, r"judged 0 here and 1 before"),
        ({"queries": [Query("q1", " \n"), QUERIES[1]]}, r"1 judged queries have no text.*'q1'"),
    ],
)
def test_what_makes_scores_meaningless_is_refused_in_one_line(parts, message):
    with pytest.raises(DataError, match=message) as caught:
        build(**parts)
    assert "\n" not in str(caught.value)


def test_an_overlong_id_does_not_flood_the_message():
    with pytest.raises(DataError) as caught:
        build(docs=[Document("x" * 1_000_000 + " ", "", "text")])
    assert len(str(caught.value)) < 300


def test_empty_documents_are_kept_and_counted():
    collection = build(docs=[*DOCS, Document("d3", " ", "\n")])
    assert len(collection.documents) == 3
    assert collection.notes == ("1 of 3 documents have no text and are kept, for example 'd3'",)


def test_unjudged_queries_are_left_out_and_counted_even_if_they_have_no_text():
    collection = build(queries=[*QUERIES, Query("q3", "")])
    assert collection.queries == QUERIES
    assert collection.notes == ("1 of 3 queries have no judgment and are left out",)


def test_a_query_without_a_relevant_document_stays_and_is_noted():
    collection = build(judgments=[Judgment("q1", "d1", -1), JUDGMENTS[1]])
    assert collection.queries == QUERIES
    assert collection.notes[0].startswith("1 of 2 queries have no relevant document and score 0")


def test_judgments_of_unknown_queries_are_ignored_and_noted():
    collection = build(judgments=[*JUDGMENTS, Judgment("q9", "d1", 1)])
    assert set(collection.qrels) == {"q1", "q2"}
    assert "1 queries the collection does not have" in collection.notes[0]


def test_unknown_documents_above_the_limit_are_refused_with_share_and_examples():
    judgments = [*JUDGMENTS, Judgment("q1", "gone", 1), Judgment("q2", "lost", 1)]
    with pytest.raises(DataError, match=r"2 of 4 judgments \(50.0%\).*'gone', 'lost'.*now 0.49"):
        build(judgments=judgments, max_unknown_docs=0.49)


def test_unknown_documents_within_the_limit_leave_the_qrels_and_are_noted():
    judgments = [*JUDGMENTS, Judgment("q1", "gone", 1), Judgment("q2", "lost", 1)]
    collection = build(judgments=judgments, max_unknown_docs=0.5)
    assert collection.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert collection.notes[0].endswith("'gone', 'lost'; they are left out")


def test_a_query_whose_judged_documents_are_all_unknown_is_left_out():
    judgments = [JUDGMENTS[0], Judgment("q2", "gone", 1)]
    collection = build(judgments=judgments, max_unknown_docs=0.5)
    assert [query.id for query in collection.queries] == ["q1"]


def test_no_judgment_left_is_an_error_whatever_the_limit():
    with pytest.raises(DataError, match="no query has a judgment of a document"):
        build(judgments=[Judgment("q1", "gone", 1)], max_unknown_docs=1.0)


def test_the_same_judgment_twice_counts_once():
    assert build(judgments=[*JUDGMENTS, JUDGMENTS[0]]).judgments == 2


@pytest.mark.parametrize(
    ("rule", "expected", "note"),
    [
        (None, False, "it is kept in their results"),
        (True, True, "that document is dropped"),
        (False, False, None),
    ],
)
def test_ids_shared_by_queries_and_documents_are_noted_unless_keeping_was_chosen(
    rule, expected, note
):
    collection = build(docs=[*DOCS, Document("q1", "", "x")], ignore_identical_ids=rule)
    assert collection.ignore_identical_ids is expected
    assert [note in text for text in collection.notes] == ([True] if note else [])


@given(st.text(min_size=1))
def test_an_accepted_id_survives_a_whitespace_separated_file(value):
    if id_problem(value) is None:
        line = f"q Q0 {value} 1".encode().decode("utf-8")
        assert line.split() == ["q", "Q0", value, "1"]
        assert line.splitlines() == [line]


def test_judgments_of_lists_a_mapping_in_its_order():
    qrels = {"b": {"z": 1, "a": 0}, "a": {"z": 2}}
    assert list(judgments_of(qrels)) == [("b", "z", 1), ("b", "a", 0), ("a", "z", 2)]
