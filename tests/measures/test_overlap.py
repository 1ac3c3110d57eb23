"""Overlap of rankings: against the definition, the paper's lists and its author's own program."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.measures.overlap import PERSISTENCE, intersection, mean_overlap, rbo
from colbench.run.model import Ranking, Run

IDS = [f"d{number}" for number in range(30)]
RANKINGS = st.lists(st.sampled_from(IDS), unique=True)
NON_EMPTY = st.lists(st.sampled_from(IDS), unique=True, min_size=1)
PERSISTENCES = st.floats(0.05, 0.999)


def by_definition(one, other, p):
    """Equation 32 word for word: sets cut anew at every depth.

    The package rbo would have served, but no release of it allows numpy 2.
    """
    short, long = sorted((one, other), key=len)
    s, l = len(short), len(long)  # noqa: E741

    def x(d):
        return len(set(short[:d]) & set(long[:d]))

    observed = sum(x(d) / d * p**d for d in range(1, l + 1))
    beyond_the_short = sum(x(s) * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    unseen = ((x(l) - x(s)) / l + x(s) / s) * p**l
    return (1 - p) / p * (observed + beyond_the_short) + unseen


@given(NON_EMPTY, NON_EMPTY, PERSISTENCES)
def test_rbo_is_the_papers_equation(one, other, p):
    assert rbo(one, other, p) == pytest.approx(by_definition(one, other, p), abs=1e-9)


@pytest.mark.parametrize(
    ("one", "other", "p", "expected"),
    [
        # Swapped pair: agreement 0, then 1 for ever: 0.1 · (0 + 0.9) + 0.9².
        ("ab", "ba", 0.9, 0.9),
        # Agreement 1, then 1/2 for ever: 0.5 + 0.25 / 2 + 0.25 / 2.
        ("ax", "ay", 0.5, 0.75),
        # Of unequal length: depth 1 disagrees, "a" comes second in the longer one, and half is
        # assumed to agree from there on: 0.5 · 0 + 0.25 · 1/2 + 0.25 · 1/2.
        ("a", "xa", 0.5, 0.25),
        # Webber et al., figure 5, whose overlap is 0, 0, 2, 2, 2, 2, 2: with p = 1/2 that is
        # 2 · (1/24 + 1/64 + 1/160 + 1/384 + 1/896) + 2/896.
        ("abcdefg", "zcavwxy", 0.5, 2 * (1 / 24 + 1 / 64 + 1 / 160 + 1 / 384 + 2 / 896)),
        # Against the whole alphabet, by the paper's author's program; the values are those that
        # https://github.com/mpetri/rbo is tested with.
        ("av", string.ascii_lowercase, 0.2, 0.900000),
        ("afdqwtvehcpubinloygrs", string.ascii_lowercase, 0.4, 0.782330),
        ("zclx", string.ascii_lowercase, 0.9, 0.233312),
        ("f", string.ascii_lowercase, 0.9, 0.053090),
        ("karfvodcjmwgzlypebunq", string.ascii_lowercase, 0.9, 0.468431),
        ("zhatsimjpnkvcfxwqgoeryubd", string.ascii_lowercase, 0.9, 0.364444),
    ],
)
def test_rbo_of_known_rankings(one, other, p, expected):
    assert rbo(one, other, p) == pytest.approx(expected, abs=1e-6)


@given(RANKINGS, PERSISTENCES)
def test_equal_rankings_overlap_wholly(ranking, p):
    assert rbo(ranking, ranking, p) == pytest.approx(1)
    assert intersection(ranking, ranking, 5) == 1


@given(NON_EMPTY, st.integers(1, 30), PERSISTENCES)
def test_a_ranking_agrees_with_its_own_beginning(ranking, length, p):
    assert rbo(ranking[:length], ranking, p) == pytest.approx(1)


@given(NON_EMPTY, st.data(), PERSISTENCES)
def test_rankings_that_share_nothing_do_not_overlap(ranking, data, p):
    rest = [doc_id for doc_id in IDS if doc_id not in ranking]
    other = data.draw(st.permutations(rest))
    assert rbo(ranking, other, p) == 0
    assert intersection(other, ranking, 10) == 0


@given(RANKINGS, RANKINGS, PERSISTENCES, st.integers(1, 40))
def test_overlap_is_between_0_and_1(one, other, p, k):
    assert 0 <= rbo(one, other, p) <= 1
    assert 0 <= intersection(one, other, k) <= 1


@given(RANKINGS, RANKINGS, PERSISTENCES, st.integers(1, 40))
def test_rankings_of_one_length_may_change_places(one, other, p, k):
    assert rbo(one, other, p) == pytest.approx(rbo(other, one, p))
    length = min(len(one), len(other))
    one, other = one[:length], other[:length]
    assert intersection(one, other, k) == intersection(other, one, k)


def test_a_swap_near_the_top_weighs_more():
    swapped_first = [IDS[1], IDS[0], *IDS[2:]]
    swapped_last = [*IDS[:-2], IDS[-1], IDS[-2]]
    assert rbo(swapped_first, IDS) < rbo(swapped_last, IDS) < 1


def test_the_first_hundred_documents_carry_most_of_the_weight():
    first = [f"a{n}" for n in range(100)]
    same, other = ([f"{letter}{n}" for n in range(900)] for letter in "bc")
    assert rbo([*first, *other], [*first, *same]) > 0.85
    assert rbo([*first, *same], [*other[:100], *same]) < 0.15


@pytest.mark.parametrize("p", [0, 1, -0.5, 1.5, float("nan")])
def test_a_persistence_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        rbo(["a"], ["a"], p)


@pytest.mark.parametrize(
    ("ranking", "reference", "k", "expected"),
    [
        ("abx", "bca", 2, 0.5),
        ("abx", "bca", 3, 2 / 3),
        ("abx", "bca", 100, 2 / 3),
        ("xyab", "ab", 4, 1.0),  # the reference has two documents, both are found
        ("xyab", "ab", 2, 0.0),
        ("a", "abcd", 4, 0.25),
        ("", "ab", 2, 0.0),
        ("ab", "", 2, 0.0),
        ("", "", 2, 1.0),
    ],
)
def test_intersection_of_known_rankings(ranking, reference, k, expected):
    assert intersection(ranking, reference, k) == pytest.approx(expected)


@pytest.mark.parametrize(("one", "other", "expected"), [("", "", 1), ("a", "", 0), ("", "a", 0)])
def test_rbo_of_an_empty_ranking(one, other, expected):
    assert rbo(one, other) == expected


def test_a_cutoff_of_nothing_is_refused():
    with pytest.raises(ValueError, match="k=0"):
        intersection(["a"], ["a"], 0)


def run(**rankings) -> Run:
    return Run(
        "s", {q: Ranking.sort(list(docs), range(len(docs), 0, -1)) for q, docs in rankings.items()}
    )


def test_means_are_over_the_references_queries():
    reference = run(q1="ab", q2="ab", q3="ab", q4="")
    found = mean_overlap(run(q1="ab", q2="ba", q4="", other="xyz"), reference, [1, 2])
    assert found.intersection == {1: (1 + 0 + 0 + 1) / 4, 2: (1 + 1 + 0 + 1) / 4}
    assert found.rbo == pytest.approx((1 + PERSISTENCE + 0 + 1) / 4)


def test_a_reference_without_queries_is_refused():
    with pytest.raises(ValueError, match="no queries"):
        mean_overlap(run(q1="a"), run(), [10])
