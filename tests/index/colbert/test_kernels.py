"""The inner loops against plain numpy, and the fast ones against the portable ones."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rounding import byte_score_bound
from synthetic import normalised, unit

from colbench.index.colbert.arrays import read_array, write_array
from colbench.index.colbert.codec import Codec, bucket_numbers
from colbench.index.colbert.kernels import byte_instructions, bytes_reference, bytes_vnni
from colbench.index.colbert.kernels.floats import (
    centroid_scores,
    lanes_of,
    score_halves,
    score_residuals,
)
from colbench.index.colbert.kernels.lists import (
    count_listed,
    fill_lists,
    interact,
    listed_documents,
    nearest_centroids,
    reached_centroids,
)
from colbench.index.colbert.kernels.llvm import LANES
from colbench.index.colbert.kernels.tables import (
    StoredTokens,
    byte_query,
    byte_tables,
    plane_order,
)

NBITS = (1, 2, 4, 8)
DIMS = (16, 40, 48, 64, 96, 128, 384)
CORNERS = ((16, 1), (16, 33), (40, 17), (96, 15), (384, 1), (384, 33))
"""Dimensions and query tokens: the smallest, the largest, and those that end within a register."""
LENGTHS = (0, 1, 7, 8, 9, 0, 23, 2)

with_byte_instructions = pytest.mark.skipif(
    not byte_instructions.available(),
    reason="needs a processor with AVX-512 VNNI and VBMI, and an LLVM that knows them",
)


class Stored:
    """A made-up codec and documents coded with it, laid out as in a segment."""

    def __init__(self, nbits, dims, lengths=LENGTHS, *, centroids=37, spread=0.6, seed=0):
        rng = np.random.default_rng(seed)
        self.codec = Codec(
            nbits,
            unit(rng, centroids, dims).astype(np.float16),
            np.empty(0, np.float32),
            np.sort(rng.standard_normal(1 << nbits) * spread / np.sqrt(dims)).astype(np.float32)
            if nbits
            else np.zeros(1, np.float32),
        )
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        tokens = int(self.offsets[-1])
        self.codes = rng.integers(0, centroids, tokens).astype(np.uint16)
        self.packed = rng.integers(0, 256, (tokens, dims * nbits // 8)).astype(np.uint8)
        self.docs = np.arange(len(lengths), dtype=np.int64)

    @property
    def tokens(self):
        return StoredTokens(self.offsets, self.codes, self.packed)

    def spans(self):
        return [slice(start, end) for start, end in itertools.pairwise(self.offsets)]

    def vectors(self):
        return self.codec.decompress(self.codes, self.packed)

    def maxsim(self, query):
        """MaxSim with the decompressed vectors in double precision; -inf without tokens."""
        products = self.vectors().astype(np.float64) @ query.astype(np.float64).T
        return np.array(
            [products[s].max(axis=0).sum() if s.stop > s.start else -np.inf for s in self.spans()]
        )

    def float_scores(self, query):
        nbits = self.codec.nbits
        return score_residuals(
            self.docs,
            self.tokens,
            self.codec.centroid_bits,
            self.codec.byte_values if nbits else np.zeros((256, 1), np.float32),
            lanes_of(query),
        )

    def byte_scores(self, kernel, query):
        tables = byte_tables(self.codec)
        rounded = byte_query(query, tables)
        scores = centroid_scores(self.codec.centroid_bits, lanes_of(query))
        return kernel(self.docs, self.tokens, scores, tables, rounded)

    def mapped(self, folder):
        """Put everything on disk and map it, as an open index has it."""
        for name in ("offsets", "codes", "packed"):
            write_array(folder / f"{name}.npy", getattr(self, name))
            array = getattr(self, name)
            mapped = read_array(folder / f"{name}.npy", [array.dtype], array.shape)
            setattr(self, name, mapped)
            assert not getattr(self, name).flags.writeable
        write_array(folder / "centroids.npy", self.codec.centroids)
        shape = self.codec.centroids.shape
        centroids = read_array(folder / "centroids.npy", [np.float16], shape)
        self.codec = dataclasses.replace(self.codec, centroids=centroids)
        return self


@with_byte_instructions
@pytest.mark.parametrize(("dims", "tokens"), CORNERS)
@pytest.mark.parametrize("nbits", NBITS)
def test_the_fast_byte_kernel_gives_the_bits_of_the_portable_one(nbits, dims, tokens, tmp_path):
    stored = Stored(nbits, dims, seed=dims * tokens).mapped(tmp_path)
    query = unit(np.random.default_rng(tokens), tokens, dims)
    fast = stored.byte_scores(bytes_vnni.score_bytes, query)
    plain = stored.byte_scores(bytes_reference.score_bytes, query)
    np.testing.assert_array_equal(fast.view(np.uint32), plain.view(np.uint32))


@with_byte_instructions
@given(
    nbits=st.sampled_from(NBITS),
    eighths=st.integers(1, 20),
    tokens=st.integers(1, 40),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    wide=st.booleans(),
    spread=st.sampled_from([0.0, 1e-6, 0.3, 30.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_fast_byte_kernel_gives_the_bits_of_the_portable_one_for_any_shape(
    nbits, eighths, tokens, lengths, wide, spread, seed
):
    dims = 8 * eighths
    stored = Stored(nbits, dims, lengths, spread=spread, seed=seed)
    stored.codes = stored.codes.astype(np.uint32 if wide else np.uint16)
    query = unit(np.random.default_rng(seed), tokens, dims)
    fast = stored.byte_scores(bytes_vnni.score_bytes, query)
    plain = stored.byte_scores(bytes_reference.score_bytes, query)
    np.testing.assert_array_equal(fast.view(np.uint32), plain.view(np.uint32))


@pytest.mark.parametrize(("dims", "tokens"), CORNERS)
@pytest.mark.parametrize("nbits", NBITS)
def test_byte_scores_are_as_close_to_plain_maxsim_as_their_rounding_allows(nbits, dims, tokens):
    stored = Stored(nbits, dims, seed=dims)
    query = unit(np.random.default_rng(1), tokens, dims)
    found = stored.byte_scores(bytes_reference.score_bytes, query)
    residuals = stored.codec.residuals(stored.packed)
    for doc, span in enumerate(stored.spans()):
        if span.stop > span.start:
            bounds = byte_score_bound(stored.codec, stored.codes[span], residuals[span], query)
            assert bounds.max() < 0.06, "a bound this wide would prove nothing"
            assert abs(found[doc] - stored.maxsim(query)[doc]) <= bounds.sum()


@pytest.mark.parametrize("nbits", NBITS)
def test_rounding_to_bytes_costs_a_query_token_about_a_thousandth(nbits):
    stored = Stored(nbits, 128, [20] * 40)
    query = unit(np.random.default_rng(1), 16, 128)
    errors = stored.byte_scores(bytes_reference.score_bytes, query) - stored.maxsim(query)
    assert np.abs(errors).mean() / 16 < 1e-3


@pytest.mark.parametrize("kernel", [bytes_reference, bytes_vnni], ids=["portable", "fast"])
def test_byte_scores_are_the_same_for_writable_arrays_and_mapped_ones(kernel, tmp_path):
    if kernel is bytes_vnni and not byte_instructions.available():
        pytest.skip("needs a processor with AVX-512 VNNI and VBMI, and an LLVM that knows them")
    stored = Stored(4, 48)
    query = unit(np.random.default_rng(2), 5, 48)
    writable = stored.byte_scores(kernel.score_bytes, query)
    mapped = stored.mapped(tmp_path).byte_scores(kernel.score_bytes, query)
    np.testing.assert_array_equal(writable, mapped)


@pytest.mark.parametrize("nbits", NBITS)
def test_byte_scores_come_in_the_order_asked_for_and_do_not_depend_on_each_other(nbits):
    stored = Stored(nbits, 40)
    query = unit(np.random.default_rng(3), 9, 40)
    kernel = bytes_vnni if byte_instructions.available() else bytes_reference
    whole = stored.byte_scores(kernel.score_bytes, query)
    for docs in ([4], [7, 2, 4], [1, 1]):
        stored.docs = np.array(docs, dtype=np.int64)
        np.testing.assert_array_equal(stored.byte_scores(kernel.score_bytes, query), whole[docs])


def test_a_document_without_tokens_scores_minus_infinity_in_every_kernel():
    stored = Stored(2, 16, [3, 0, 1])
    query = unit(np.random.default_rng(0), 3, 16)
    halves = stored.vectors().astype(np.float16).view(np.uint16)
    kernels = [bytes_reference] + [bytes_vnni] * byte_instructions.available()
    scores = [stored.byte_scores(kernel.score_bytes, query) for kernel in kernels]
    scores.append(stored.float_scores(query))
    scores.append(score_halves(stored.docs, stored.offsets, halves, lanes_of(query)))
    for found in scores:
        assert np.isneginf(found[1]) and np.isfinite(found[[0, 2]]).all()


@pytest.mark.parametrize("nbits", NBITS)
def test_the_plane_order_puts_equal_places_of_all_bytes_side_by_side(nbits):
    per_byte = 8 // nbits
    order = plane_order(48, nbits).reshape(per_byte, -1)
    assert sorted(order.ravel().tolist()) == list(range(48))
    for place, dims in enumerate(order):
        assert (dims % per_byte == place).all() and (np.diff(dims) == per_byte).all()


@pytest.mark.parametrize("nbits", NBITS)
def test_byte_tables_hold_the_codec_within_half_a_step(nbits):
    codec = Stored(nbits, 40).codec
    tables = byte_tables(codec)
    for byte, buckets in enumerate(bucket_numbers(nbits)):
        for place, bucket in enumerate(buckets):
            bits = (byte >> (8 - nbits * (place + 1))) & ((1 << nbits) - 1)
            weight = (int(tables.table[bits]) - 128) * tables.weight_scale
            assert abs(weight - codec.weights[bucket]) <= tables.weight_scale * 0.501
    planes = tables.centroids[:, :40] * tables.scales[:, None]
    wide = codec.wide_centroids[:, plane_order(40, nbits)]
    assert (np.abs(planes - wide) <= tables.scales[:, None] * 0.501).all()
    assert not tables.centroids[:, 40:].any()


@given(
    count=st.integers(1, 40),
    dims=st.integers(1, 70),
    tokens=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_centroid_scores_are_the_matrix_product_with_empty_lanes_zero(count, dims, tokens, seed):
    rng = np.random.default_rng(seed)
    centroids, query = unit(rng, count, dims).astype(np.float16), unit(rng, tokens, dims)
    scores = centroid_scores(centroids.view(np.uint16), lanes_of(query))
    assert scores.dtype == np.float32 and scores.shape == (count, -(-tokens // LANES) * LANES)
    want = centroids.astype(np.float64) @ query.T.astype(np.float64)
    np.testing.assert_allclose(scores[:, :tokens], want, atol=2e-6)
    assert not scores[:, tokens:].any()


@given(count=st.integers(1, 60), dims=st.sampled_from([8, 40, 64]), seed=st.integers(0, 2**32 - 1))
def test_a_row_scores_the_same_bits_whatever_rows_stand_around_it(count, dims, seed):
    rng = np.random.default_rng(seed)
    rows = unit(rng, count, dims).astype(np.float16).view(np.uint16)
    query = lanes_of(unit(rng, 5, dims))
    together = centroid_scores(rows, query)
    alone = np.concatenate([centroid_scores(row[None], query) for row in rows])
    np.testing.assert_array_equal(together, alone)


@given(
    nbits=st.sampled_from((0, *NBITS)),
    dims=st.sampled_from([8, 24, 40, 64]),
    tokens=st.integers(1, 35),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    seed=st.integers(0, 2**32 - 1),
)
def test_float_scores_are_maxsim_with_the_decompressed_vectors(nbits, dims, tokens, lengths, seed):
    stored = Stored(nbits, dims, lengths, seed=seed)
    query = unit(np.random.default_rng(seed), tokens, dims)
    scores = stored.float_scores(query)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, stored.maxsim(query), atol=3e-6 * tokens)


@given(
    dims=st.sampled_from([1, 8, 23, 64]),
    tokens=st.integers(1, 35),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=10),
    seed=st.integers(0, 2**32 - 1),
)
def test_half_scores_are_maxsim_with_the_stored_halves(dims, tokens, lengths, seed):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    halves = unit(rng, int(offsets[-1]), dims).astype(np.float16)
    query = unit(rng, tokens, dims)
    docs = rng.permutation(len(lengths)).astype(np.int64)
    scores = score_halves(docs, offsets, halves.view(np.uint16), lanes_of(query))
    products = halves.astype(np.float64) @ query.astype(np.float64).T
    for doc, score in zip(docs, scores, strict=True):
        own = products[offsets[doc] : offsets[doc + 1]]
        want = own.max(axis=0).sum() if len(own) else -np.inf
        assert score == pytest.approx(want, abs=3e-6 * tokens)


def test_every_half_is_widened_exactly():
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = bits[np.isfinite(bits.view(np.float16))]
    docs, offsets = np.arange(len(finite)), np.arange(len(finite) + 1)
    query = lanes_of(np.ones((1, 1), np.float32))
    # Fifteen lanes are empty and score 0 beside the one that counts.
    scores = score_halves(docs, offsets, finite[:, None], query)
    np.testing.assert_array_equal(scores, finite.view(np.float16).astype(np.float32))


def test_float_scores_are_the_same_for_writable_arrays_and_mapped_ones(tmp_path):
    stored = Stored(2, 24)
    query = unit(np.random.default_rng(0), 4, 24)
    halves = stored.vectors().astype(np.float16).view(np.uint16)
    writable = stored.float_scores(query)
    whole = score_halves(stored.docs, stored.offsets, halves, lanes_of(query))
    write_array(tmp_path / "halves.npy", halves)
    stored.mapped(tmp_path)
    np.testing.assert_array_equal(writable, stored.float_scores(query))
    mapped = read_array(tmp_path / "halves.npy", [np.uint16], halves.shape)
    np.testing.assert_array_equal(
        whole, score_halves(stored.docs, stored.offsets, mapped, lanes_of(query))
    )


def test_a_query_is_padded_with_zeros_to_groups_of_sixteen():
    query = normalised(np.arange(1.0, 18 * 3 + 1).reshape(18, 3))
    lanes = lanes_of(query)
    assert lanes.shape == (2, 3, LANES)
    for token in range(2 * LANES):
        want = query[token] if token < 18 else np.zeros(3)
        np.testing.assert_array_equal(lanes[token // LANES, :, token % LANES], want)


def coarse_scores(rng, centroids, tokens):
    """Scores with many ties, in the layout of `centroid_scores`."""
    scores = np.zeros((centroids, -(-tokens // LANES) * LANES), np.float32)
    scores[:, :tokens] = rng.integers(-3, 4, (centroids, tokens)) / 4
    return scores


@given(
    centroids=st.integers(1, 30),
    tokens=st.integers(1, 20),
    nprobe=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_query_token_probes_its_best_centroids_and_of_equals_the_lower_number(
    centroids, tokens, nprobe, seed
):
    nprobe = min(nprobe, centroids)
    scores = coarse_scores(np.random.default_rng(seed), centroids, tokens)
    probed = np.zeros(centroids, np.bool_)
    nearest_centroids(scores, tokens, nprobe, probed)
    want = set()
    for token in range(tokens):
        column = scores[:, token].tolist()
        want |= set(sorted(range(centroids), key=lambda c: (-column[c], c))[:nprobe])
    assert set(np.flatnonzero(probed).tolist()) == want


@given(
    centroids=st.integers(1, 12),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=15),
    seed=st.integers(0, 2**32 - 1),
)
def test_inverted_lists_hold_each_document_once_under_each_of_its_centroids(
    centroids, lengths, seed
):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = rng.integers(0, centroids, int(offsets[-1])).astype(np.uint16)
    want = {}
    for doc, (start, end) in enumerate(itertools.pairwise(offsets)):
        for code in sorted(set(codes[start:end].tolist())):
            want.setdefault(code, []).append(doc)
    counts = np.zeros(centroids, np.int64)
    count_listed(offsets, codes, counts)
    assert counts.tolist() == [len(want.get(c, [])) for c in range(centroids)]
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
    lists = np.zeros(int(counts.sum()), np.uint16)
    fill_lists(offsets, codes, starts.copy(), lists)
    for centroid in range(centroids):
        own = lists[starts[centroid] : starts[centroid] + counts[centroid]]
        assert own.tolist() == want.get(centroid, [])

    used = np.flatnonzero(counts).astype(np.uint16)
    bounds = np.concatenate([[0], np.cumsum(counts[used])]).astype(np.int64)
    probed, live = rng.random(centroids) < 0.5, rng.random(len(lengths)) < 0.7
    found = listed_documents(probed, used, bounds, lists, live)
    reached = {doc for code, docs in want.items() if probed[code] for doc in docs}
    assert found.tolist() == sorted(doc for doc in reached if live[doc])


@given(
    centroids=st.integers(1, 12),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    tokens=st.integers(1, 20),
    threshold=st.sampled_from([None, -1.0, 0.25, 0.5, 9.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_centroid_interaction_takes_the_best_kept_centroid_of_each_query_token(
    centroids, lengths, tokens, threshold, seed
):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = rng.integers(0, centroids, int(offsets[-1])).astype(np.uint16)
    scores = coarse_scores(rng, centroids, tokens)
    kept = np.empty(0, np.bool_)
    if threshold is not None:
        kept = reached_centroids(scores, tokens, threshold)
        assert kept.tolist() == (scores[:, :tokens] >= threshold).any(axis=1).tolist()
    docs = np.arange(len(lengths), dtype=np.int64)[::-1].copy()
    found = interact(docs, offsets, codes, scores, kept, tokens)
    for doc, score in zip(docs, found, strict=True):
        own = [c for c in codes[offsets[doc] : offsets[doc + 1]] if threshold is None or kept[c]]
        want = sum(max([float(scores[c, t]) for c in own], default=-9999.0) for t in range(tokens))
        assert score == want
