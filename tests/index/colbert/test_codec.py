"""The residual codec: against answers of the authors' own (tests/fidelity), and by its rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colbench.index.colbert.codec import PACKED_BITS, Codec, bucket_numbers, learn_buckets

GOLDEN = Path(__file__).resolve().parents[2] / "fidelity" / "golden.npz"
ROUNDING = 2.0**-24
EVERY_NBITS = pytest.mark.parametrize("nbits", PACKED_BITS)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def golden_codec(golden, nbits):
    return Codec(nbits, golden["centroids"], golden[f"cutoffs_{nbits}"], golden[f"weights_{nbits}"])


def golden_residuals(golden, nbits):
    chosen = golden["centroids"][golden[f"codes_{nbits}"]]
    return golden["vectors"].astype(np.float32) - chosen.astype(np.float32)


@EVERY_NBITS
def test_packed_residuals_are_the_authors_bit_for_bit(golden, nbits):
    packed = golden_codec(golden, nbits).compress(golden["vectors"], golden[f"codes_{nbits}"])
    np.testing.assert_array_equal(packed, golden[f"packed_{nbits}"])


@EVERY_NBITS
def test_decompressed_vectors_are_the_authors_but_for_rounding(golden, nbits):
    """The bound is derived in tests/fidelity/test_stanford.py; fp16's rounding is 60 times it."""
    codec = golden_codec(golden, nbits)
    vectors = codec.decompress(golden[f"codes_{nbits}"], golden[f"packed_{nbits}"])
    theirs = golden[f"decompressed_{nbits}"]
    assert (abs(vectors - theirs) <= (codec.dims + 5) * ROUNDING * abs(theirs)).all()


@EVERY_NBITS
def test_learnt_buckets_are_the_authors_but_for_rounding(golden, nbits):
    values = golden_residuals(golden, nbits)
    ordered = np.sort(values, axis=None)
    # Their ranks are rounded to float32: off by at most this share of the gap between neighbours.
    bound = ordered.size * ROUNDING * np.diff(ordered).max() + 4 * ROUNDING * abs(ordered).max()
    cutoffs, weights = learn_buckets(values, nbits)
    assert abs(cutoffs - golden[f"learnt_cutoffs_{nbits}"]).max() <= bound
    assert abs(weights - golden[f"learnt_weights_{nbits}"]).max() <= bound


def test_the_golden_vectors_hold_ties_and_zero_residuals(golden):
    for nbits in PACKED_BITS:
        values = golden_residuals(golden, nbits)
        assert set(golden[f"cutoffs_{nbits}"]) <= set(values.ravel())
        assert (values == 0).all(axis=1).sum() == 6


def sixteenths(shape):
    """Few different values, all exact, so that a value often equals a cut-off."""
    return arrays(np.int8, shape, elements=st.integers(-16, 16)).map(
        lambda numbers: (numbers / 16).astype(np.float32)
    )


@st.composite
def coded(draw, least_rows=0):
    """A codec, vectors and the centroid of each."""
    nbits = draw(st.sampled_from(PACKED_BITS))
    dims = 8 // nbits * draw(st.integers(1, 5))
    rows = draw(st.integers(least_rows, 6))
    centroids = draw(sixteenths((draw(st.integers(1, 4)), dims))).astype(np.float16)
    cutoffs = np.sort(draw(sixteenths((1 << nbits) - 1)))
    codec = Codec(nbits, centroids, cutoffs, draw(sixteenths(1 << nbits)))
    codes = draw(arrays(np.int64, rows, elements=st.integers(0, len(centroids) - 1)))
    return codec, draw(sixteenths((rows, dims))), codes


@settings(deadline=None)
@given(coded())
def test_what_is_packed_holds_the_bucket_of_every_value(drawn):
    codec, vectors, codes = drawn
    packed = codec.compress(vectors, codes)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(vectors), codec.code_bytes)
    held = bucket_numbers(codec.nbits)[packed].reshape(vectors.shape)
    for row, code in enumerate(codes):
        for dim in range(codec.dims):
            value = vectors[row, dim] - np.float32(codec.centroids[code, dim])
            assert held[row, dim] == sum(value > cutoff for cutoff in codec.cutoffs)


@settings(deadline=None)
@given(coded(least_rows=1))
def test_a_decompressed_vector_is_centroid_and_weights_at_unit_length(drawn):
    codec, vectors, codes = drawn
    packed = codec.compress(vectors, codes)
    restored = codec.decompress(codes, packed)
    assert restored.dtype == np.float32
    assert restored.shape == vectors.shape
    buckets = bucket_numbers(codec.nbits)[packed].reshape(vectors.shape)
    sums = codec.centroids[codes].astype(np.float64) + codec.weights[buckets]
    lengths = np.sqrt((sums**2).sum(axis=1, keepdims=True))
    expected = np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0)
    np.testing.assert_allclose(restored, expected, rtol=(codec.dims + 5) * ROUNDING)


def near_centroids(*, vectors, dims, centroids, seed):
    """Return (unit float16 vectors, unit float16 centroids, the centroid each is near)."""
    random = np.random.default_rng(seed)
    middles = random.standard_normal((centroids, dims))
    middles = (middles / np.linalg.norm(middles, axis=1, keepdims=True)).astype(np.float16)
    codes = random.integers(centroids, size=vectors)
    rows = middles[codes] + 0.5 / np.sqrt(dims) * random.standard_normal((vectors, dims))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16), middles, codes


@pytest.mark.parametrize("dims", [64, 128])
@pytest.mark.parametrize("seed", range(3))
def test_more_bits_restore_vectors_better(dims, seed):
    vectors, centroids, codes = near_centroids(vectors=400, dims=dims, centroids=16, seed=seed)
    differences = vectors.astype(np.float32) - centroids[codes].astype(np.float32)
    errors = []
    for nbits in (0, *PACKED_BITS):
        codec = Codec(nbits, centroids, *learn_buckets(differences, nbits))
        restored = codec.decompress(codes, codec.compress(vectors, codes))
        assert abs(np.linalg.norm(restored, axis=1) - 1).max() < (dims + 5) * ROUNDING
        errors.append(np.linalg.norm(restored - vectors, axis=1).mean())
    assert errors == sorted(errors, reverse=True)
    # 256 buckets: far below what one bit leaves, so that the last steps are no accident.
    assert errors[-1] < errors[1] / 10


@pytest.mark.parametrize("nbits", [0, *PACKED_BITS])
def test_no_vectors_are_no_codes(nbits):
    codec = Codec(nbits, np.eye(8, dtype=np.float16), *learn_buckets(np.ones(9), nbits))
    nothing = np.empty((0, 8), dtype=np.float16)
    packed = codec.compress(nothing, np.empty(0, dtype=np.int64))
    assert packed.dtype == np.uint8
    assert packed.shape == (0, nbits)


@EVERY_NBITS
def test_no_codes_are_no_vectors(nbits):
    codec = Codec(nbits, np.eye(8, dtype=np.float16), *learn_buckets(np.ones(9), nbits))
    nothing = np.empty((0, nbits), dtype=np.uint8)
    assert codec.decompress(np.empty(0, dtype=np.int64), nothing).shape == (0, 8)


def test_without_bits_a_vector_is_its_centroid():
    vectors, centroids, codes = near_centroids(vectors=20, dims=16, centroids=4, seed=0)
    cutoffs, weights = learn_buckets(np.ones((20, 16), np.float32), 0)
    assert (cutoffs.tolist(), weights.tolist()) == ([], [0.0])
    codec = Codec(0, centroids, cutoffs, weights)
    packed = codec.compress(vectors, codes)
    assert packed.shape == (20, 0)
    wide = centroids[codes].astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(codec.decompress(codes, packed), wide, rtol=21 * ROUNDING)


@given(
    nbits=st.sampled_from(PACKED_BITS),
    numbers=st.lists(st.integers(-(1 << 20), 1 << 20), min_size=1, max_size=600, unique=True),
)
def test_learnt_buckets_are_in_order_and_equally_full(nbits, numbers):
    values = np.array(numbers, dtype=np.float32) / (1 << 20)
    cutoffs, weights = learn_buckets(values, nbits)
    assert (len(cutoffs), len(weights)) == ((1 << nbits) - 1, 1 << nbits)
    assert (np.diff(cutoffs) >= 0).all()
    assert (weights[:-1] <= cutoffs).all()
    assert (cutoffs <= weights[1:]).all()
    full = np.bincount(np.searchsorted(cutoffs, values), minlength=1 << nbits)
    # Ends of a bucket fall between values: it may gain or lose one at either end.
    assert abs(full - len(values) / (1 << nbits)).max() <= 2


def test_cutoffs_differ_where_values_do():
    cutoffs, _ = learn_buckets(np.arange(256, dtype=np.float32), 8)
    assert (np.diff(cutoffs) > 0).all()


@EVERY_NBITS
@pytest.mark.parametrize("values", [np.empty((0, 4)), np.zeros((3, 4))])
def test_buckets_of_nothing_to_learn_from_are_zeros(nbits, values):
    cutoffs, weights = learn_buckets(values.astype(np.float32), nbits)
    assert cutoffs.tolist() == [0.0] * ((1 << nbits) - 1)
    assert weights.tolist() == [0.0] * (1 << nbits)


@EVERY_NBITS
def test_every_byte_holds_its_own_buckets(nbits):
    numbers = bucket_numbers(nbits)
    assert numbers.shape == (256, 8 // nbits)
    assert len({tuple(row) for row in numbers.tolist()}) == 256
    assert (numbers.min(), numbers.max()) == (0, (1 << nbits) - 1)
