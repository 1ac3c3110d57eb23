"""Searching some of the documents: a filter acts before the search, and k results come back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import EXHAUSTIVE, build, topical_documents, unit
from test_stages import BUILDS, SEARCHES, collections, make

from colbench.errors import DataError
from colbench.index.colbert.search import Searcher, Trace
from colbench.index.colbert.settings import IndexSettings, SearchSettings


def pairs(index, found):
    """Return ids and scores."""
    return [
        (index.doc_id(doc), score)
        for doc, score in zip(found.docs.tolist(), found.scores.tolist(), strict=True)
    ]


def ranked(found):
    """Sort pairs as a search does."""
    return sorted(found, key=lambda pair: pair[::-1], reverse=True)


@given(collections(), BUILDS, SEARCHES, st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_filter_leaves_the_best_of_what_it_allows(
    tmp_path_factory, collection, build_settings, settings, k, share
):
    index = make(tmp_path_factory.mktemp("index") / "index", collection, build_settings)
    dims, _, _, rng = collection
    allowed = rng.random(index.documents) < share
    query = unit(rng, 5, dims)
    found = pairs(index, Searcher(index, settings).search(query, k, allowed=allowed))
    exact = SearchSettings(exhaustive=True, arithmetic=settings.arithmetic)
    everything = pairs(index, Searcher(index, exact).search(query, max(1, index.documents)))
    kept = {index.doc_id(number) for number in np.flatnonzero(allowed).tolist()}
    wanted = [pair for pair in everything if pair[0] in kept]
    assert len(found) == min(k, len(wanted))
    assert set(found) <= set(wanted)
    assert found == ranked(found)
    if settings.exhaustive or len(wanted) <= 2 * max(4 * k, settings.kept(k)):
        assert found == wanted[:k]


@given(collections(), BUILDS, SEARCHES, st.integers(1, 40))
def test_filling_adds_nothing_to_a_search_that_finds_enough(
    tmp_path_factory, collection, build_settings, settings, k
):
    index = make(tmp_path_factory.mktemp("index") / "index", collection, build_settings)
    searcher, query = Searcher(index, settings), unit(collection[3], 5, collection[0])
    plain, filled = (pairs(index, searcher.search(query, k, fill=fill)) for fill in (False, True))
    assert len(filled) == min(k, len(searcher.stages.everything()))
    if len(plain) == k:
        assert filled == plain


@pytest.fixture(scope="module")
def topical(tmp_path_factory):
    """A thousand documents in an index, and queries near some of them."""
    rng = np.random.default_rng(5)
    documents = topical_documents(rng, 1000, 32, topics=200)
    folder = tmp_path_factory.mktemp("topical") / "index"
    index = build(folder, documents, 32, IndexSettings(nbits=4, iterations=4))
    queries = [list(documents.values())[number][:6] for number in range(0, 1000, 50)]
    return index, queries, rng


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2, 0.1, 0.02])
def test_recall_does_not_fall_as_filters_get_rarer(topical, share):
    index, queries, rng = topical
    allowed = rng.random(index.documents) < share
    settings = SearchSettings(nprobe=2, ndocs=80, centroid_score_threshold=0.4)
    plain = np.mean([_overlap(index, settings, query, None) for query in queries])
    filtered = np.mean([_overlap(index, settings, query, allowed) for query in queries])
    assert filtered >= plain - 0.02


def _overlap(index, settings, query, allowed):
    found = Searcher(index, settings).search(query, 10, allowed=allowed)
    exact = Searcher(index, EXHAUSTIVE).search(query, 10, allowed=allowed)
    return len(np.intersect1d(found.docs, exact.docs)) / len(exact.docs)


def test_documents_outside_the_filter_are_never_scored(topical):
    index, queries, rng = topical
    allowed = rng.random(index.documents) < 0.02
    trace = Trace()
    Searcher(index, SearchSettings(ndocs=256)).search(queries[0], 5, trace, allowed=allowed)
    assert trace.items["score"] == allowed.sum()
    assert "candidates" not in trace.items


@pytest.mark.parametrize("wrong", [np.ones(999, dtype=bool), np.ones(1000, dtype=np.int8)])
def test_a_filter_of_another_form_is_refused(topical, wrong):
    index, queries, _ = topical
    with pytest.raises(DataError, match=r"give bool \(1000,\)"):
        Searcher(index, SearchSettings()).search(queries[0], 5, allowed=wrong)
