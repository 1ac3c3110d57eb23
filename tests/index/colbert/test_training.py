"""What a build reads at a time, what it learns, and how good the vectors are that it keeps."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import (
    ENCODER,
    as_documents,
    build,
    hits,
    maxsim,
    normalised,
    random_documents,
    topical_documents,
    unit,
)

from colbench.index.colbert.assignment import Assigner
from colbench.index.colbert.build import build_index
from colbench.index.colbert.clustering import find_centroids, nearest
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.reduction import project
from colbench.index.colbert.settings import IndexSettings, SearchSettings, paper_centroids
from colbench.index.colbert.training import train
from colbench.index.colbert.writer import IndexWriter

DIMS = 16


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# What is bounded


class Watched:
    """Documents that remember how they were asked for and how much they gave away at once."""

    def __init__(self, vectors, dims):
        self.asked, self.given = [], []
        inner = as_documents(vectors, dims)

        def read(most):
            self.asked.append(most)
            for first, end, rows in inner.read(most):
                self.given.append((end - first, len(rows)))
                yield first, end, rows

        self.documents = dataclasses.replace(inner, read=read)


def test_documents_are_read_in_chunks_and_twice_in_all(tmp_path, rng):
    watched = Watched(random_documents(rng, 400, DIMS, most=20), DIMS)
    total = watched.documents.tokens
    settings = IndexSettings(chunk_tokens=256, centroids=8)
    build_index(tmp_path / "index", watched.documents, settings, encoder=ENCODER)
    assert watched.asked == [256, 256]  # for the sample, then to code
    assert sum(rows for _, rows in watched.given) == 2 * total > 20 * 256
    assert max(rows for _, rows in watched.given) <= 256
    more = Watched(random_documents(rng, 100, DIMS, most=20, prefix="n"), DIMS)
    with IndexWriter.open(tmp_path / "index") as writer:
        writer.add(more.documents)
    assert more.asked == [256] and max(rows for _, rows in more.given) <= 256


def test_a_document_larger_than_a_chunk_is_read_whole_and_alone(tmp_path, rng):
    documents = {"a": unit(rng, 100, DIMS), "long": unit(rng, 700, DIMS), "z": unit(rng, 9, DIMS)}
    watched = Watched(documents, DIMS)
    settings = IndexSettings(chunk_tokens=256, centroids=8)
    build_index(tmp_path, watched.documents, settings, encoder=ENCODER)
    assert watched.given == [(1, 100), (1, 700), (1, 9)] * 2
    assert len(hits(ColbertIndex.open(tmp_path), unit(rng, 2, DIMS))) == 3


@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=30), most=st.integers(256, 1000))
def test_blocks_are_as_large_as_a_chunk_allows_and_hold_every_document_in_order(lengths, most):
    rows = np.zeros((300, 2), np.float16)
    rows[:, 0] = 1
    documents = as_documents({str(n): rows[:length] for n, length in enumerate(lengths)}, 2)
    blocks = list(documents.blocks(most))
    assert [doc for block in blocks for doc in block.ids] == [str(n) for n in range(len(lengths))]
    assert [n for block in blocks for n in block.lengths.tolist()] == lengths
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        assert len(block.vectors) == block.lengths.sum()
        assert len(block.vectors) <= most or len(block.ids) == 1
        assert following is None or len(block.vectors) + following.lengths[0] > most


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_reading_documents_does_not_widen_them(kind, rng):
    documents = as_documents({"a": unit(rng, 3, DIMS).astype(kind)}, DIMS)
    (block,) = documents.blocks(256)
    assert block.vectors.dtype == kind


def test_training_looks_at_no_more_than_the_sample_and_what_is_held_out(rng, monkeypatch):
    clustered = []

    def spy(sample, count, **options):
        clustered.append(len(sample))
        return find_centroids(sample, count, **options)

    monkeypatch.setattr("colbench.index.colbert.training.find_centroids", spy)
    documents = as_documents(random_documents(rng, 500, DIMS, most=20), DIMS)
    assert documents.tokens > 4000
    settings = IndexSettings(centroids=16, sample_per_centroid=10)
    trained = train(documents, settings)
    longest = int(documents.lengths.max())
    assert 160 - longest <= clustered[0] <= 160 + longest
    assert trained.codec.centroids.shape == (16, DIMS)


def test_the_seed_decides_the_sample(rng):
    documents = as_documents(random_documents(rng, 300, DIMS), DIMS)
    settings = [IndexSettings(centroids=8, sample_per_centroid=4, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (train(documents, chosen).codec.centroids for chosen in settings)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# What comes out


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_pooling_leaves_about_one_token_in_factor(factor, tmp_path, rng):
    documents = {f"d{number}": unit(rng, 24, DIMS) for number in range(12)}
    documents["empty"] = unit(rng, 0, DIMS)
    index = build(tmp_path, documents, DIMS, pooling=factor, nbits=16)
    tokens = index.manifest.segments[0].tokens
    assert 288 / factor <= tokens <= 288 / factor + 12 * (factor > 1)
    lengths = np.diff(index.segments[0].offsets).tolist()
    assert len(set(lengths)) == 2 and lengths[-1] == 0
    stored = np.array(index.segments[0].residuals).view(np.float16).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1, atol=2e-3)


def test_pooling_merges_tokens_that_are_alike(tmp_path, rng):
    first, second = unit(rng, 2, DIMS)
    rows = np.stack([first, first, second, first, second])
    index = build(tmp_path, {"d": rows}, DIMS, pooling=2, nbits=16)
    for row in (first, second):
        assert hits(index, row[None])[0][1] == pytest.approx(1, abs=2e-3)


def test_a_projection_keeps_the_dimensions_asked_for_and_most_of_every_product(tmp_path, rng):
    basis = np.linalg.qr(rng.standard_normal((32, 8)))[0]
    documents = {
        f"d{number}": normalised(
            rng.standard_normal((10, 8)) @ basis.T + 0.02 * rng.standard_normal((10, 32))
        )
        for number in range(60)
    }
    index = build(tmp_path, documents, 32, dims=8, nbits=16)
    assert index.manifest.dims == 8 and index.manifest.encoder_dims == 32
    assert index.trained.reduction.projection.shape == (32, 8)
    assert index.segments[0].residuals.shape[1] == 8
    query = documents["d7"][:4]
    found = hits(index, query, 60)
    assert found[0][0] == "d7"
    for doc, score in found:
        assert score == pytest.approx(maxsim(query, documents[doc]), abs=0.15)


def test_a_projection_onto_as_many_dimensions_loses_nothing(tmp_path, rng):
    documents = random_documents(rng, 40, DIMS)
    query = unit(rng, 4, DIMS)
    for doc, score in hits(build(tmp_path, documents, DIMS, dims=DIMS, nbits=16), query, 40):
        assert score == pytest.approx(maxsim(query, documents[doc]), abs=0.01)


@given(dims=st.integers(1, 40), count=st.integers(1, 200), seed=st.integers(0, 2**32 - 1))
def test_a_vector_is_projected_to_the_same_bits_whatever_vectors_stand_beside_it(dims, count, seed):
    rng = np.random.default_rng(seed)
    rows, projection = unit(rng, count, 40), unit(rng, 40, dims)
    together = project(rows, projection)
    assert together.shape == (count, dims) and together.dtype == np.float32
    for start, end in ((0, 1), (count // 2, count), (count - 1, count)):
        np.testing.assert_array_equal(project(rows[start:end], projection), together[start:end])
    order = rng.permutation(count)
    np.testing.assert_array_equal(project(rows[order], projection), together[order])
    wide = rows.astype(np.float64) @ projection
    np.testing.assert_allclose(together, normalised(wide), atol=1e-5)


@pytest.fixture(scope="module")
def topical():
    rng = np.random.default_rng(11)
    documents = topical_documents(rng, 250, 32)
    queries = [documents[doc][:5] for doc in sorted(documents)[::25]]
    noise = [rng.standard_normal(query.shape) * 0.05 for query in queries]
    return documents, [normalised(query + off) for query, off in zip(queries, noise, strict=True)]


@pytest.fixture(scope="module")
def by_bits(topical, tmp_path_factory):
    root = tmp_path_factory.mktemp("bits")
    return {
        nbits: build(root / str(nbits), topical[0], 32, nbits=nbits, centroids=64)
        for nbits in (0, 1, 2, 4, 8, 16)
    }


def test_more_bits_reconstruct_vectors_better(by_bits, topical):
    errors = []
    for nbits in (0, 1, 2, 4, 8):
        index = by_bits[nbits]
        segment = index.segments[0]
        stored = index.trained.codec.decompress(segment.codes, segment.residuals)
        wanted = np.concatenate([topical[0][doc] for doc in segment.ids])
        errors.append(np.linalg.norm(stored - wanted, axis=1).mean())
    assert all(more < 0.75 * fewer for fewer, more in itertools.pairwise(errors))
    assert errors[-1] < 0.02


def test_more_bits_find_more_of_what_exact_maxsim_finds(by_bits, topical):
    documents, queries = topical
    overlap = dict.fromkeys(by_bits, 0.0)
    for query in queries:
        best = sorted(documents, key=lambda doc: -maxsim(query, documents[doc]))[:20]
        for nbits, index in by_bits.items():
            found = {doc for doc, _ in hits(index, query, 20)}
            overlap[nbits] += len(found & set(best)) / 20 / len(queries)
    assert overlap[0] < overlap[1] < overlap[2] < overlap[4] <= overlap[8] <= overlap[16]
    assert overlap[8] > 0.95 and overlap[16] > 0.99


def test_plaid_finds_most_of_what_all_documents_hold(by_bits, topical):
    index = by_bits[4]
    search = SearchSettings(nprobe=4, centroid_score_threshold=0.4, ndocs=256)
    shares = []
    for query in topical[1]:
        everything = {doc for doc, _ in hits(index, query, 10)}
        shares.append(len(everything & {doc for doc, _ in hits(index, query, 10, search)}) / 10)
    assert np.mean(shares) > 0.9


def test_halves_are_stored_as_they_come(by_bits, topical):
    segment = by_bits[16].segments[0]
    wanted = np.concatenate([topical[0][doc] for doc in segment.ids]).astype(np.float16)
    np.testing.assert_array_equal(segment.residuals, wanted.view(np.uint16))


@pytest.mark.parametrize("nbits", [0, 4, 16])
def test_every_token_has_its_nearest_centroid_and_every_list_its_documents(by_bits, topical, nbits):
    index = by_bits[nbits]
    segment = index.segments[0]
    wanted = np.concatenate([topical[0][doc] for doc in segment.ids])
    products = wanted @ index.trained.codec.wide_centroids.T
    own = products[np.arange(len(wanted)), segment.codes]
    np.testing.assert_allclose(own, products.max(axis=1), atol=1e-6)
    lists = {}
    for place, centroid in enumerate(segment.list_centroids.tolist()):
        start, end = segment.list_offsets[place : place + 2]
        lists[centroid] = segment.list_docs[start:end].tolist()
    numbers = np.repeat(np.arange(len(segment)), np.diff(segment.offsets))
    for centroid in range(len(index.trained.codec.centroids)):
        assert lists.get(centroid, []) == sorted(set(numbers[segment.codes == centroid].tolist()))


def test_centroids_are_unit_and_lie_among_the_vectors(by_bits, topical):
    centroids = by_bits[4].trained.codec.wide_centroids
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=2e-3)
    tokens = np.concatenate(list(topical[0].values()))
    nearest_product = (tokens @ centroids.T).max(axis=1).mean()
    random = unit(np.random.default_rng(0), len(centroids), 32)
    assert nearest_product > (tokens @ random.T).max(axis=1).mean() + 0.2


def test_two_levels_of_k_means_are_nearly_as_good_as_one(rng):
    sample = np.concatenate(list(topical_documents(rng, 500, DIMS, topics=200).values()))
    two = find_centroids(sample, 600, iterations=4, seed=0)
    flat = find_centroids(sample, 500, iterations=4, seed=0)
    assert len(two) == 600 and len(flat) == 500

    def fit(centroids):
        return (sample @ centroids.astype(np.float32).T).max(axis=1).mean()

    assert fit(two) > fit(flat) - 0.01


def test_coarse_assignment_is_exact_for_few_centroids_and_close_for_many(rng):
    centroids, tokens = unit(rng, 2500, 8), unit(rng, 3000, 8)
    exact = nearest(tokens, centroids)
    coarse = Assigner(centroids, exact=False, seed=0)
    found = coarse.assign(tokens)
    assert (found == exact).mean() > 0.9
    lost = (tokens * (centroids[exact] - centroids[found])).sum(axis=1)
    assert 0 <= lost.mean() < 0.005
    np.testing.assert_array_equal(Assigner(centroids, exact=True, seed=0).assign(tokens), exact)
    few = Assigner(centroids[:300], exact=False, seed=0).assign(tokens)
    np.testing.assert_array_equal(few, nearest(tokens, centroids[:300]))
    alone = np.concatenate([coarse.assign(tokens[row : row + 1]) for row in range(200)])
    np.testing.assert_array_equal(alone, found[:200])


# The number of centroids


@pytest.mark.parametrize(
    ("tokens", "centroids"),
    [(0, 1), (1, 16), (3, 16), (4, 32), (100, 128), (255, 128), (256, 256), (1_242_251, 16_384)],
)
def test_the_number_of_centroids_is_the_papers(tokens, centroids):
    assert paper_centroids(tokens) == centroids


@given(st.integers(1, 10**12))
def test_the_number_of_centroids_is_the_power_of_two_below_sixteen_roots(tokens):
    count = paper_centroids(tokens)
    assert count & (count - 1) == 0
    assert count**2 <= 256 * tokens < (2 * count) ** 2


def test_without_a_number_the_paper_decides_and_pooled_tokens_count(tmp_path, rng):
    documents = {f"d{number}": unit(rng, 64, 8) for number in range(64)}
    for pooling, tokens in ((1, 4096), (4, 1024)):
        index = build(tmp_path / str(pooling), documents, 8, pooling=pooling, iterations=1)
        assert index.manifest.centroids == paper_centroids(tokens)
    assert build(tmp_path / "own", documents, 8, centroids=7).manifest.centroids == 7
