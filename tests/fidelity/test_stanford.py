"""Our codec against the authors' implementation, run in its own environment: `make fidelity`."""

from __future__ import annotations

import os

import numpy as np
import pytest
from bridge import VARIABLE, Arrays, ask, read_npz
from make_golden import GOLDEN, make_golden
from questions import make_question, residuals

from colbench.index.colbert.codec import Codec, learn_buckets
from colbench.index.colbert.settings import paper_centroids

pytestmark = pytest.mark.skipif(
    VARIABLE not in os.environ,
    reason=f"needs {VARIABLE}, the Python of an environment with colbert-ai: run `make fidelity`",
)

SHAPES = [(nbits, dims) for dims in (128, 384) for nbits in (1, 2, 4, 8)]
ALL_DIMS = pytest.mark.parametrize(("nbits", "dims"), SHAPES)
TOKENS = np.unique(
    np.concatenate(
        [
            np.arange(1, 1100),
            # The number doubles where the tokens reach a power of four.
            *(4**power + np.array([-1, 0, 1]) for power in range(1, 25)),
            np.random.default_rng(0).integers(1, 1 << 34, size=500),
        ]
    )
)


@pytest.fixture(scope="module")
def questions() -> dict[str, Arrays]:
    """Everything to ask, by name."""
    asked: dict[str, Arrays] = {"count": {"tokens": TOKENS}}
    for nbits, dims in SHAPES:
        seed = 1000 * nbits + dims
        question = make_question(nbits, dims, vectors=600, centroids=64, seed=seed)
        asked[f"codec-{nbits}-{dims}"] = question
        random = np.random.default_rng(seed)
        others = random.integers(64, size=600)
        asked[f"far-{nbits}-{dims}"] = question | {"codes": others}
        plain = {name: question[name] for name in ("centroids", "cutoffs", "weights", "nbits")}
        drawn = random.choice(question["cutoffs"], size=(80, dims))
        towards = random.choice(np.array([-1, 1], dtype=np.float32), size=(40, dims))
        drawn[:40] = np.nextafter(drawn[:40], towards)
        asked[f"ties-{nbits}-{dims}"] = plain | {"residuals": drawn}
        equal = {"cutoffs": np.zeros_like(question["cutoffs"])}
        asked[f"equal-{nbits}-{dims}"] = question | equal
        asked[f"buckets-{nbits}-{dims}"] = {
            "heldout": question["vectors"],
            "centroids": question["centroids"],
            "nbits": question["nbits"],
        }
    return asked


@pytest.fixture(scope="module")
def answers(questions) -> dict[str, Arrays]:
    """What the authors' implementation answers to each."""
    return ask(questions)


def our_codec(question: Arrays) -> Codec:
    return Codec(
        int(question["nbits"]), question["centroids"], question["cutoffs"], question["weights"]
    )


@pytest.mark.parametrize("kind", ["codec", "far", "equal"])
@ALL_DIMS
def test_packed_residuals_are_equal_bit_for_bit(questions, answers, kind, nbits, dims):
    question, answer = (source[f"{kind}-{nbits}-{dims}"] for source in (questions, answers))
    packed = our_codec(question).compress(question["vectors"], answer["codes"])
    assert packed.shape == (600, dims * nbits // 8)
    np.testing.assert_array_equal(packed, answer["packed"])


@ALL_DIMS
def test_the_vectors_compared_hold_ties_and_zero_residuals(questions, answers, nbits, dims):
    question, answer = (source[f"codec-{nbits}-{dims}"] for source in (questions, answers))
    differences = residuals(question, answer["codes"])
    assert set(question["cutoffs"]) <= set(differences.ravel())
    assert (differences == 0).all(axis=1).sum() >= 75
    # Every bucket occurs, so every code was compared.
    assert len(set(np.searchsorted(question["cutoffs"], differences.ravel()))) == 1 << nbits


@ALL_DIMS
def test_residuals_at_and_beside_a_cutoff_fall_into_the_same_bucket(
    questions, answers, nbits, dims
):
    question = questions[f"ties-{nbits}-{dims}"]
    # Around a centroid of zeros a vector is its own residual.
    codec = Codec(nbits, np.zeros((1, dims), np.float16), question["cutoffs"], question["weights"])
    packed = codec.compress(question["residuals"], np.zeros(80, dtype=np.int64))
    np.testing.assert_array_equal(packed, answers[f"ties-{nbits}-{dims}"]["packed"])


@pytest.mark.parametrize("kind", ["codec", "far"])
@ALL_DIMS
def test_decompressed_vectors_differ_by_float32_rounding_only(
    questions, answers, kind, nbits, dims
):
    """Both add the same float32 numbers and differ in how they add up the squares.

    A sum of d squares is off by at most d roundings, its root by half of that, twice: d; the roots
    and the quotients round once each: 4; one more for products of roundings. In all (d + 5)·2⁻²⁴ of
    each value: for 384 dimensions 2.3e-5, well below fp16's own rounding, 2⁻¹¹ = 4.9e-4.
    """
    question, answer = (source[f"{kind}-{nbits}-{dims}"] for source in (questions, answers))
    vectors = our_codec(question).decompress(answer["codes"], answer["packed"])
    theirs = answer["decompressed"]
    assert vectors.dtype == theirs.dtype == np.float32
    assert (abs(vectors - theirs) <= (dims + 5) * 2.0**-24 * abs(theirs)).all()


@ALL_DIMS
def test_buckets_are_learnt_alike(questions, answers, nbits, dims):
    """Both interpolate between neighbours in rank; theirs holds the rank as float32.

    So a rank below n may be off by n·2⁻²⁴ ranks, and the value by as much of the widest gap that
    its rank touches; besides, both round a value a few times (4·2⁻²⁴ of it is enough).
    """
    answer = answers[f"buckets-{nbits}-{dims}"]
    question = questions[f"codec-{nbits}-{dims}"]
    codes = answers[f"codec-{nbits}-{dims}"]["codes"]
    values = np.sort(residuals(question, codes), axis=None).astype(np.float64)
    cutoffs, weights = learn_buckets(residuals(question, codes), nbits)
    shares = np.arange(1 << nbits) / (1 << nbits)
    for ours, theirs, share in [
        (cutoffs, answer["cutoffs"], shares[1:]),
        (weights, answer["weights"], shares + 0.5 / (1 << nbits)),
    ]:
        assert ours.dtype == theirs.dtype == np.float32
        assert ours.shape == theirs.shape == share.shape
        rank = (share * (len(values) - 1)).astype(int)
        around = np.clip(rank[:, None] + np.arange(-1, 3), 0, len(values) - 1)
        gap = np.diff(values[around], axis=1).max(axis=1)
        bound = len(values) * 2.0**-24 * gap + 4 * 2.0**-24 * abs(values[around]).max(axis=1)
        assert (abs(ours.astype(np.float64) - theirs) <= bound).all()


def test_the_number_of_centroids_is_the_authors(answers):
    """Up to 4²⁴ tokens; from 4²⁵ on, their logarithm of a float rounds 4ᵏ - 1 tokens up."""
    ours = [paper_centroids(int(tokens)) for tokens in TOKENS]
    assert ours == answers["count"]["centroids"].tolist()


def test_the_golden_file_is_what_the_authors_codec_answers():
    kept, made = read_npz(GOLDEN), make_golden()
    assert set(kept) == set(made)
    for name, value in made.items():
        if name.startswith(("decompressed", "learnt")):
            # Other processors may add up in another order.
            np.testing.assert_allclose(kept[name], value, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(kept[name], value)
