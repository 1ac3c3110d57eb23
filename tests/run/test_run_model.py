"""A run names its documents, obeys the rule of identical ids and keeps the canonical order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query
from colbench.hits import Hits, tie_ranks, top_k
from colbench.run.model import Ranking, Run, fetch_depth


def collection(doc_ids, query_ids, ignore_identical_ids=True) -> Collection:
    return Collection(
        name="toy",
        documents=[Document(doc_id, "", f"text of {doc_id}") for doc_id in doc_ids],
        queries=[Query(query_id, f"about {query_id}") for query_id in query_ids],
        qrels={query_id: {doc_ids[0]: 1} for query_id in query_ids},
        ignore_identical_ids=ignore_identical_ids,
    )


def hits(docs, scores) -> Hits:
    return Hits(np.array(docs, dtype=np.int64), np.array(scores, dtype=np.float32))


def test_hits_become_document_ids_in_the_order_of_the_queries():
    run = Run.from_hits(
        "bm25", collection(["a", "b", "c"], ["q2", "q1"]), [hits([2, 0], [2, 1]), hits([], [])], 10
    )
    assert run.name == "bm25"
    assert run.query_ids == ["q2", "q1"]
    assert list(run.rankings["q2"]) == [("c", 2.0), ("a", 1.0)]
    assert len(run.rankings["q1"]) == 0


def test_a_document_with_the_querys_own_id_is_dropped_before_the_cut():
    toy = collection(["a", "b", "c"], ["b"])
    run = Run.from_hits("s", toy, [hits([1, 2, 0], [3, 2, 1])], 2)
    assert list(run.rankings["b"]) == [("c", 2.0), ("a", 1.0)]


def test_a_document_with_the_querys_own_id_stays_where_the_collection_keeps_it():
    toy = collection(["a", "b", "c"], ["b"], False)
    run = Run.from_hits("s", toy, [hits([1, 2, 0], [3, 2, 1])], 2)
    assert list(run.rankings["b"]) == [("b", 3.0), ("c", 2.0)]


@pytest.mark.parametrize(
    ("query_ids", "rule", "expected"),
    [
        (["a"], True, 11),
        (["a"], False, 10),
        (["q"], True, 10),
    ],
)
def test_one_document_more_is_fetched_only_where_one_can_be_dropped(query_ids, rule, expected):
    assert fetch_depth(collection(["a", "b"], query_ids, rule), 10) == expected


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12))
def test_k_documents_remain_after_the_rule_whenever_the_collection_has_them(scores, k):
    ids = [str(number) for number in range(len(scores))]
    toy = collection(ids, ["0", "x"])
    found = top_k(np.arange(len(ids)), np.array(scores, float), fetch_depth(toy, k), tie_ranks(ids))
    run = Run.from_hits("s", toy, [found, found], k)
    assert len(run.rankings["0"]) == min(k, len(ids) - 1)
    assert len(run.rankings["x"]) == min(k, len(ids))
    everything = sorted(zip(scores, ids, strict=True), reverse=True)
    assert list(run.rankings["0"].doc_ids) == [i for _, i in everything if i != "0"][:k]


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from([0.0, 1.0, 0.1, 1e39])))
def test_sorting_does_not_depend_on_the_order_given(scores):
    forward = Ranking.sort(list(scores), list(scores.values()))
    backward = Ranking.sort(list(reversed(scores)), list(reversed(scores.values())))
    assert forward == backward
    keys = [(score, doc_id) for doc_id, score in forward]
    assert keys == sorted(keys, reverse=True)


def test_scores_that_differ_only_beyond_float32_are_tied():
    assert Ranking.sort(["a", "b"], [1.0 + 1e-12, 1.0]).doc_ids == ("b", "a")


@pytest.mark.parametrize(
    ("docs", "scores", "message"),
    [
        ([0, 1], [1, 2], "sorted"),
        ([0, 1], [1, 1], "sorted"),
        ([0, 0], [2, 1], "twice"),
        ([0, 1], [np.nan, 1], "NaN"),
        ([0, -1], [2, 1], "negative"),
        ([0, 2], [2, 1], "document number 2 of 2 documents"),
    ],
)
def test_results_that_no_index_should_return_are_refused(docs, scores, message):
    with pytest.raises(ValueError, match=message):
        Run.from_hits("s", collection(["a", "b"], ["q"]), [hits(docs, scores)], 10)


def test_results_for_another_number_of_queries_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        Run.from_hits("s", collection(["a"], ["q", "r"]), [hits([0], [1])], 10)


def test_rankings_differ_by_document_and_by_score():
    ranking = Ranking.sort(["a"], [1.0])
    assert ranking != Ranking.sort(["b"], [1.0])
    assert ranking != Ranking.sort(["a"], [2.0])
    assert ranking != "a"
