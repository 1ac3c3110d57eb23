"""Ranks of relevant documents and digests of rankings."""

from hypothesis import given
from hypothesis import strategies as st

from colbench.measures.effectiveness import first_relevant, ranking_digest
from colbench.measures.machine import calibrate
from colbench.run.model import Ranking, Run

IDS = st.lists(st.text(min_size=1), unique=True, max_size=8)


def test_the_first_document_graded_above_zero_counts():
    run = Run("x", {"q": Ranking.sort(["a", "b", "c"], [3.0, 2.0, 1.0])})
    qrels = {"q": {"a": 0, "b": -1, "c": 2}, "unseen": {"a": 1}}
    assert first_relevant(qrels, run) == {"q": 3, "unseen": None}


@given(IDS, IDS)
def test_rankings_share_a_digest_only_where_they_are_the_same(first, second):
    assert (ranking_digest(first) == ranking_digest(second)) == (first == second)


def test_ids_cannot_be_cut_elsewhere():
    assert ranking_digest(["ab", "c"]) != ranking_digest(["a", "bc"])
    assert len(ranking_digest([])) == 12


def test_calibration_takes_some_time():
    found = calibrate()
    assert found.gemm_ms > 0 and found.scan_ms > 0
