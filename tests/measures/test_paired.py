"""One-sided paired tests: against scipy, their symmetries, their level where few queries differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap

from colbench.errors import DataError
from colbench.measures.paired import paired_tests

# Multiples of 1/64: sums of them are exact, and so are ties between draws.
EXACT = st.integers(-64, 64).map(lambda number: number / 64)
COLUMNS = st.integers(2, 30).flatmap(lambda n: arrays(np.float64, (n, 2), elements=EXACT))


def column(values):
    return np.asarray(values, dtype=np.float64)[:, None]


@pytest.mark.parametrize("count", [20, 300])
def test_limits_are_those_of_scipys_bca(count):
    delta = np.random.default_rng(count).normal(-0.02, 0.15, count)
    found = paired_tests(column(delta), alpha=0.05)[0]
    theirs = bootstrap(
        (delta,), np.mean, confidence_level=0.9, n_resamples=10_000, method="BCa", rng=1
    ).confidence_interval
    near = 0.05 * (theirs.high - theirs.low)
    assert found.low == pytest.approx(theirs.low, abs=near)
    assert found.high == pytest.approx(theirs.high, abs=near)
    assert found.deviation == pytest.approx(delta.std(ddof=1))


def test_a_p_value_is_the_level_whose_limit_touches_nothing():
    delta = np.random.default_rng(5).normal(-0.02, 0.15, 200)
    p_drop = paired_tests(column(delta), resamples=20_000)[0].p_drop
    touching = paired_tests(column(delta), alpha=p_drop, resamples=20_000)[0]
    assert touching.high == pytest.approx(0, abs=0.002)


@given(COLUMNS)
def test_exchanging_the_sides_exchanges_the_tests(delta):
    for one, other in zip(
        paired_tests(delta, resamples=999), paired_tests(-delta, resamples=999), strict=True
    ):
        assert one.mean == pytest.approx(-other.mean)
        assert one.p_drop == pytest.approx(other.p_rise, abs=0.03)
        assert 0 < one.p_drop <= 1 and 0 < one.p_rise <= 1


@given(COLUMNS)
def test_a_column_is_judged_alike_beside_others_and_alone(delta):
    both = paired_tests(delta, resamples=999)
    alone = [paired_tests(delta[:, [n]], resamples=999)[0] for n in range(2)]
    for one, other in zip(both, alone, strict=True):
        assert one.p_drop == pytest.approx(other.p_drop)
        assert one.low == pytest.approx(other.low)


def test_five_drops_among_three_hundred_queries_are_no_more_than_five_coins():
    delta = np.zeros(300)
    delta[:5] = -0.5
    found = paired_tests(column(delta))[0]
    assert found.p_drop == pytest.approx(1 / 32, abs=0.005)
    assert found.p_rise == 1


@pytest.mark.parametrize("queries", [10, 300])
def test_false_alarms_stay_at_the_level_where_few_queries_differ(queries):
    random = np.random.default_rng(queries)
    changed = min(6, queries)
    tests = np.zeros((queries, 2000))
    signs = random.choice([-1.0, 1.0], (changed, 2000))
    tests[:changed] = signs * random.random((changed, 2000))
    found = paired_tests(tests, resamples=2000)
    assert np.mean([test.p_drop <= 0.05 for test in found]) <= 0.06


def test_many_queries_are_drawn_in_blocks_and_give_the_same(monkeypatch):
    delta = np.random.default_rng(0).normal(-0.01, 0.1, (400, 3))
    whole = paired_tests(delta, resamples=1500)
    monkeypatch.setattr("colbench.measures.paired._KEPT", 0)
    monkeypatch.setattr("colbench.measures.paired._BLOCK", 400 * 1500)
    for one, other in zip(whole, paired_tests(delta, resamples=1500), strict=True):
        assert one.p_drop == pytest.approx(other.p_drop)
        assert one.low == pytest.approx(other.low)


def test_equal_values_and_a_single_query_say_nothing():
    same = paired_tests(np.zeros((50, 1)))[0]
    assert (same.mean, same.low, same.high, same.p_drop, same.p_rise) == (0, 0, 0, 1, 1)
    single = paired_tests(np.array([[-1.0]]))[0]
    assert (single.p_drop, single.low, single.high) == (1, None, None)
    constant = paired_tests(np.full((30, 1), -0.25))[0]
    assert constant.p_drop < 0.001 and constant.low == constant.high == -0.25


@pytest.mark.parametrize("wrong", [np.zeros((0, 2)), np.full((3, 1), np.nan)])
def test_what_cannot_be_tested_is_refused(wrong):
    with pytest.raises(DataError):
        paired_tests(wrong)
