"""Every stage of a search against `plain_plaid`, over drawn indexes and settings."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_plaid import PlainPlaid, in_order
from rounding import byte_score_bound
from synthetic import EXHAUSTIVE, as_documents, build, hits, random_documents, unit

from colbench.errors import DataError
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher, Trace
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.colbert.writer import IndexWriter

SEARCHES = st.builds(
    SearchSettings,
    nprobe=st.sampled_from([1, 2, 3, 50]),
    centroid_score_threshold=st.sampled_from([None, -1.0, 0.0, 0.3, 0.5, 2.0]),
    ndocs=st.sampled_from([4, 8, 16, 64, None]),
    exhaustive=st.booleans(),
    arithmetic=st.sampled_from(["int8", "fp32"]),
)


@st.composite
def collections(draw):
    """Documents in up to three segments, some twice under two ids, some deleted again."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dims = draw(st.sampled_from([8, 16, 24]))
    batches = [
        random_documents(rng, draw(st.integers(1, 14)), dims, prefix=prefix)
        for prefix in "mbx"[: draw(st.integers(1, 3))]
    ]
    batches[0]["one"] = unit(rng, 3, dims)
    earlier = [vectors for batch in batches for vectors in batch.values()]
    for number in range(draw(st.integers(0, 6))):
        batches[rng.integers(len(batches))][f"{'az'[number % 2]}{number}"] = earlier[
            rng.integers(len(earlier))
        ]
    ids = [doc for batch in batches for doc in batch]
    share = draw(st.sampled_from([0.0, 0.3, 1.0]))
    dead = [doc for doc in ids if rng.random() < share]
    return dims, batches, dead, rng


BUILDS = st.builds(
    IndexSettings,
    nbits=st.sampled_from([0, 1, 2, 4, 8, 16]),
    centroids=st.sampled_from([None, 1, 2, 7, 9, 20]),
    dims=st.sampled_from([None, None, 8]),
    pooling=st.sampled_from([1, 1, 2]),
    iterations=st.just(2),
)


def make(folder, collection, build_settings):
    """Build with the first batch, add the others, delete."""
    dims, batches, dead, _ = collection
    build(folder, batches[0], dims, build_settings)
    with IndexWriter.open(folder) as writer:
        for batch in batches[1:]:
            writer.add(as_documents(batch, dims))
        writer.delete(dead)
    return ColbertIndex.open(folder)


def allowed_errors(plain, query, arithmetic):
    """How far the score of each document may lie from plain MaxSim."""
    if arithmetic == "fp32" or plain.nbits in (0, 16):
        return {doc: 3e-6 * len(query) for doc in plain.codes}
    return {
        doc: byte_score_bound(plain.codec, np.array(codes), plain.residuals[doc], query).sum()
        for doc, codes in plain.codes.items()
        if codes
    }


@given(
    collection=collections(),
    build_settings=BUILDS,
    searches=st.lists(SEARCHES, min_size=1, max_size=4),
    tokens=st.sampled_from([1, 2, 5, 16, 18]),
    k=st.sampled_from([1, 3, 10, 1000]),
)
def test_every_stage_gives_what_the_paper_says(collection, build_settings, searches, tokens, k):
    with tempfile.TemporaryDirectory() as temporary:
        index = make(Path(temporary), collection, build_settings)
        plain = PlainPlaid(index)
        query = unit(collection[3], tokens, collection[0])
        for search in searches:
            compare(index, plain, query, search, k)


def compare(index, plain, query, search, k):
    searcher = Searcher(index, search)
    stages = searcher.stages

    def names(docs):
        found = [index.doc_id(number) for number in docs.tolist()]
        assert len(set(found)) == len(found) and docs.tolist() == sorted(docs.tolist())
        return set(found)

    prepared = stages.prepare(query)
    vectors = index.trained.reduction.vectors(query)
    scores = prepared.scores[:, : len(query)]
    want = plain.codec.centroids.astype(np.float64) @ vectors.astype(np.float64).T
    np.testing.assert_allclose(scores, want, atol=2e-6)

    if search.exhaustive:
        last = stages.everything()
        assert names(last) == {doc for doc, codes in plain.codes.items() if codes}
    else:
        step = plain.stages(scores, search, k)
        probed = stages.probe(prepared, search.nprobe)
        candidates = stages.candidates(probed)
        assert names(candidates) == step.candidates
        keep = search.kept(k)
        pruned = stages.prune(prepared, candidates, search.centroid_score_threshold, keep)
        assert names(pruned) == step.pruned
        last = stages.interact(prepared, pruned, keep // 4)
        assert names(last) == step.survivors

    scored = stages.score(prepared, last, search.arithmetic)
    allowed = allowed_errors(plain, vectors, search.arithmetic)
    by_id = {}
    for number, score in zip(last.tolist(), scored, strict=True):
        doc = index.doc_id(number)
        assert abs(score - plain.maxsim(vectors, doc)) <= allowed[doc]
        by_id[doc] = score

    best = in_order(by_id)[:k]
    found = searcher.search(query, k)
    assert found.docs.dtype == np.int64 and found.scores.dtype == np.float32
    assert [index.doc_id(number) for number in found.docs.tolist()] == best
    assert found.scores.tolist() == [by_id[doc] for doc in best]
    portable = Searcher(index, search, portable=True).search(query, k)
    assert portable.docs.tolist() == found.docs.tolist()
    assert portable.scores.tolist() == found.scores.tolist()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    rng = np.random.default_rng(5)
    documents = random_documents(rng, 80, 16)
    return build(tmp_path_factory.mktemp("stages"), documents, 16, nbits=4, centroids=24)


@pytest.fixture
def query():
    return unit(np.random.default_rng(6), 7, 16)


@pytest.mark.parametrize("nbits", [0, 1, 2, 4, 8, 16])
def test_documents_that_score_the_same_come_in_the_order_of_their_ids_descending(nbits, tmp_path):
    rng = np.random.default_rng(1)
    same, other = unit(rng, 4, 16), unit(rng, 4, 16)
    documents = {"b": same, "d": same, "other": other, "a": same, "c": same}
    index = build(tmp_path, documents, 16, nbits=nbits, centroids=4)
    for search in (EXHAUSTIVE, SearchSettings(nprobe=4)):
        found = hits(index, same, settings=search)
        assert [doc for doc, _ in found] == ["d", "c", "b", "a", "other"]
        assert [doc for doc, _ in hits(index, same, k=2, settings=search)] == ["d", "c"]
    # Both interactions cut through the four equal documents.
    narrow = SearchSettings(nprobe=4, ndocs=4)
    assert [doc for doc, _ in hits(index, same, settings=narrow)] == ["d"]


def test_a_threshold_no_centroid_reaches_leaves_the_cut_to_the_ids(index, query):
    strict = SearchSettings(nprobe=24, centroid_score_threshold=2.0, ndocs=4)
    stages = Searcher(index, strict).stages
    prepared = stages.prepare(query)
    candidates = stages.candidates(stages.probe(prepared, 24))
    kept = stages.prune(prepared, candidates, 2.0, 4)
    ids = sorted((index.doc_id(number) for number in candidates.tolist()), reverse=True)
    assert {index.doc_id(number) for number in kept.tolist()} == set(ids[:4])


def test_without_any_pruning_plaid_finds_what_the_exhaustive_search_finds(index, query):
    everything = SearchSettings(nprobe=24, centroid_score_threshold=None, ndocs=None)
    assert hits(index, query, 100, everything) == hits(index, query, 100, EXHAUSTIVE)


def test_more_probes_never_lose_a_candidate(index, query):
    stages = Searcher(index, SearchSettings()).stages
    prepared = stages.prepare(query)
    before = set()
    for nprobe in range(1, 26):
        found = set(stages.candidates(stages.probe(prepared, nprobe)).tolist())
        assert before <= found
        before = found
    assert before == set(stages.everything().tolist())


def test_at_most_a_quarter_of_ndocs_is_found_however_large_k_is(index, query):
    search = SearchSettings(nprobe=24, centroid_score_threshold=None, ndocs=16)
    assert len(hits(index, query, 1000, search)) == 4


def test_ndocs_null_scores_as_many_as_are_asked_for():
    search = SearchSettings(ndocs=None)
    assert [search.kept(k) for k in (10, 1024, 1025, 5000)] == [4096, 4096, 4100, 20000]


def test_the_trace_counts_what_each_stage_let_through(index, query):
    search = SearchSettings(nprobe=2, centroid_score_threshold=0.3, ndocs=16)
    trace = Trace()
    searcher = Searcher(index, search)
    found = searcher.search(query, 10, trace)
    stages = searcher.stages
    probed = stages.probe(stages.prepare(query), 2)
    order = ["centroid scores", "probe", "candidates", "prune", "interact", "score"]
    assert trace.items.keys() == set(order) and list(trace.seconds) == [*order, "rank"]
    assert trace.items["centroid scores"] == index.manifest.centroids
    assert trace.items["probe"] == probed.sum()
    assert trace.items["candidates"] == len(stages.candidates(probed)) > 16
    assert trace.items["prune"] == 16
    assert trace.items["interact"] == trace.items["score"] == len(found.docs) == 4
    assert all(seconds >= 0 for seconds in trace.seconds.values())


def test_an_exhaustive_search_traces_no_stage_it_leaves_out(index, query):
    trace = Trace()
    Searcher(index, EXHAUSTIVE).search(query, 10, trace)
    assert list(trace.seconds) == ["centroid scores", "score", "rank"]
    assert trace.items["score"] == len(Searcher(index, EXHAUSTIVE).stages.everything())


@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_a_query_without_tokens_has_no_candidates_and_scores_nothing(index, arithmetic):
    empty = np.empty((0, 16), np.float32)
    assert hits(index, empty, settings=SearchSettings(arithmetic=arithmetic)) == []
    everything = SearchSettings(exhaustive=True, arithmetic=arithmetic)
    assert {score for _, score in hits(index, empty, settings=everything)} == {0.0}


@pytest.mark.parametrize("shape", [(3, 8), (3, 24), (16,), (1, 3, 16)])
def test_a_query_of_another_shape_is_refused_by_name_of_both_shapes(index, shape):
    with pytest.raises(DataError, match=f"shape {'x'.join(map(str, shape))}.* tokens x 16"):
        hits(index, np.ones(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_is_refused(index, query, value):
    query[3, 5] = value
    with pytest.raises(DataError, match="query holds NaN or infinity"):
        hits(index, query)


def test_one_search_leaves_the_query_and_the_next_search_alone(index, query):
    before = query.copy()
    search = SearchSettings(nprobe=3, ndocs=16)
    first = hits(index, query, 10, search)
    hits(index, unit(np.random.default_rng(9), 20, 16), 3, search)
    np.testing.assert_array_equal(query, before)
    assert hits(index, query, 10, search) == first
