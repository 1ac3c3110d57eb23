"""An alignment is the score of exact search, taken apart without a rest."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from colbench.explain.alignment import align, contribution_differences, largest_first
from colbench.index.maxsim import score_matrix


def vectors(dtype):
    shapes = st.tuples(st.integers(1, 6), st.just(3))
    values = st.floats(-1, 1, width=16)
    return shapes.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=values))


def names(prefix, rows):
    return [f"{prefix}{number}" for number in range(len(rows))]


def aligned(query, document):
    return align(query, document, names("q", query), names("d", document))


@given(vectors(np.float32), vectors(np.float16))
def test_the_contributions_sum_to_the_score_of_exact_search(query, document):
    found = aligned(query, document)
    rows, offsets = torch.from_numpy(document.astype(np.float32)), np.array([0, len(document)])
    assert found.score == pytest.approx(score_matrix([query], rows, offsets)[0, 0], abs=1e-5)
    assert found.contributions.sum() == pytest.approx(found.score, abs=1e-5)


@given(vectors(np.float32), vectors(np.float16))
def test_a_winner_is_the_first_of_the_most_similar_tokens(query, document):
    found = aligned(query, document)
    for row, winner in enumerate(found.winners):
        assert (found.similarities[row] <= found.contributions[row]).all()
        assert (found.similarities[row, :winner] < found.contributions[row]).all()
        assert found.similarities[row, winner] == found.contributions[row]


@given(vectors(np.float32), vectors(np.float16), vectors(np.float16))
def test_the_differences_sum_to_the_difference_of_the_scores(query, first, second):
    a, b = aligned(query, first), aligned(query, second)
    differences = contribution_differences(a, b)
    assert differences.sum() == pytest.approx(a.score - b.score, abs=1e-6)
    np.testing.assert_array_equal(contribution_differences(b, a), -differences)


def test_shares_sum_to_one_and_a_score_that_is_not_positive_has_none():
    query = np.eye(2, dtype=np.float32)
    shares = aligned(query, np.array([[0.75, 0.25]])).shares
    assert shares.tolist() == [0.75, 0.25]
    assert aligned(query, np.array([[-0.5, 0.5]])).shares is None


def test_labels_must_match_vectors_and_alignments_the_query():
    with pytest.raises(ValueError, match="document has 2 vectors and 1 tokens"):
        align(np.eye(2), np.eye(2), ["a", "b"], ["x"])
    with pytest.raises(ValueError, match="query has 0 vectors"):
        align(np.empty((0, 2)), np.eye(2), [], ["x", "y"])
    one = align(np.eye(2), np.eye(2), ["a", "b"], ["x", "y"])
    other = align(np.eye(2), np.eye(2), ["a", "c"], ["x", "y"])
    with pytest.raises(ValueError, match="different queries"):
        contribution_differences(one, other)


@given(hnp.arrays(np.float64, st.integers(0, 8), elements=st.floats(-2, 2)))
def test_the_largest_differences_come_first_whatever_their_sign(values):
    sizes = np.abs(values[largest_first(values)])
    assert (np.diff(sizes) <= 0).all()
