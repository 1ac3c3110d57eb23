import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.hits import tie_ranks, top_k

IDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, unique=True)


@given(ids=IDS, data=st.data())
def test_order_is_score_then_id_both_descending_for_any_k(ids, data):
    scores = data.draw(
        st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=len(ids), max_size=len(ids))
    )
    k = data.draw(st.integers(1, len(ids) + 2))
    hits = top_k(np.arange(len(ids)), np.array(scores), k, tie_ranks(ids))
    pairs = sorted(zip(scores, ids, strict=True), key=lambda p: (p[0], p[1].encode()), reverse=True)
    assert [ids[doc] for doc in hits.docs] == [doc for _, doc in pairs[:k]]
    assert hits.scores.dtype == np.float32


def test_scores_that_differ_beyond_float32_are_ties():
    scores = np.array([1.0, 1.0 + 1e-12])
    assert top_k(np.arange(2), scores, 2, tie_ranks(["b", "a"])).docs.tolist() == [0, 1]


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        top_k(np.arange(2), np.array([1.0, np.nan]), 1, tie_ranks(["a", "b"]))
