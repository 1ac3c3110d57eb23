"""Bootstrap intervals: against a direct implementation, their symmetries, their coverage."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import ConfigError, DataError
from colbench.measures.bootstrap import RESAMPLES, mean_difference

# Multiples of 1/64: sums and differences of them are exact, and so are the ties between draws.
EXACT = st.integers(-64, 64).map(lambda number: number / 64)
PAIRS = st.lists(st.tuples(EXACT, EXACT), min_size=2, max_size=40)


def interval(pairs, **options):
    ours, theirs = zip(*pairs, strict=True)
    return mean_difference(ours, theirs, resamples=500, **options)


def direct_bca(ours, theirs, level, resamples, seed):
    """Efron 1987, equations 2.3 and 6.6, with pairs drawn as pairs."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    count = len(ours)
    drawn = np.random.default_rng(seed).integers(0, count, (resamples, count))
    means = (ours[drawn] - theirs[drawn]).mean(axis=1)
    mean = (ours - theirs).mean()
    normal = NormalDist()
    bias = normal.inv_cdf(((means < mean).mean() + (means <= mean).mean()) / 2)
    without = np.array([np.delete(ours - theirs, place).mean() for place in range(count)])
    pulls = without.mean() - without
    acceleration = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)

    def limit(tail):
        moved = bias + normal.inv_cdf(tail)
        return np.quantile(means, normal.cdf(bias + moved / (1 - acceleration * moved)))

    return limit((1 - level) / 2), limit((1 + level) / 2)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("count", "level"), [(12, 0.9), (50, 0.95), (200, 0.99)])
def test_the_limits_are_those_of_a_direct_implementation(count, level, seed):
    random = np.random.default_rng(count)
    ours, theirs = random.random(count), random.random(count) ** 2
    found = mean_difference(ours, theirs, level=level, resamples=2000, seed=seed)
    low, high = direct_bca(ours, theirs, level, 2000, seed)
    assert found.mean == pytest.approx((ours - theirs).mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


def test_many_queries_are_drawn_in_parts_without_a_difference():
    random = np.random.default_rng(3)
    ours, theirs = random.random(900), random.random(900)
    found = mean_difference(ours, theirs)
    low, high = direct_bca(ours, theirs, 0.95, RESAMPLES, 0)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@given(PAIRS)
def test_the_limits_lie_around_the_mean_and_among_the_differences(pairs):
    found = interval(pairs)
    differences = [ours - theirs for ours, theirs in pairs]
    assert min(differences) <= found.low <= found.mean <= found.high <= max(differences)


@given(PAIRS)
def test_exchanging_the_systems_mirrors_the_interval(pairs):
    found = interval(pairs)
    mirrored = interval([(theirs, ours) for ours, theirs in pairs])
    assert mirrored.mean == -found.mean
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


@given(PAIRS, EXACT)
def test_a_constant_added_to_ours_moves_the_interval_by_it(pairs, constant):
    found = interval(pairs)
    moved = interval([(ours + constant, theirs) for ours, theirs in pairs])
    expected = (found.low + constant, found.high + constant)
    assert (moved.low, moved.high) == pytest.approx(expected, abs=1e-9)


@given(PAIRS, EXACT)
def test_only_differences_count(pairs, constant):
    both = interval([(ours + constant, theirs + constant) for ours, theirs in pairs])
    assert both == interval(pairs)


@given(PAIRS)
def test_a_higher_level_gives_no_narrower_interval(pairs):
    narrow, wide = interval(pairs, level=0.5), interval(pairs, level=0.95)
    assert wide.low <= narrow.low and narrow.high <= wide.high


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    random = np.random.default_rng(0)
    ours, theirs = random.random(30), random.random(30)
    found = mean_difference(ours, theirs, seed=1)
    assert found == mean_difference(ours, theirs, seed=1)
    assert found != mean_difference(ours, theirs, seed=2)


@pytest.mark.parametrize(("draw", "least"), [("normal", 0.93), ("mostly_zero", 0.91)])
def test_intervals_hold_the_true_difference_about_as_often_as_they_say(draw, least):
    """300 simulated comparisons of 200 queries; a fixed seed, so the outcome never changes."""
    random = np.random.default_rng(11)
    held = 0
    for _ in range(300):
        if draw == "normal":
            difference, true = random.normal(0.02, 0.3, 200), 0.02
        else:  # as retrieval measures differ: not at all on most queries, skewed on the others
            difference = np.where(random.random(200) < 0.85, 0, random.exponential(0.2, 200) - 0.1)
            true = 0.15 * 0.1
        found = mean_difference(difference, np.zeros(200), resamples=1000)
        held += found.low <= true <= found.high
    assert least <= held / 300 <= 0.98


@pytest.mark.parametrize("difference", [0.0, 0.1, -1 / 3])
def test_equal_differences_leave_nothing_open(difference):
    theirs = np.array([0.0, 0.2, 0.5, 0.7])
    found = mean_difference(np.full(7, difference), np.zeros(7))
    assert found.mean == found.low == found.high == difference
    same = mean_difference(theirs, theirs)
    assert (same.mean, same.low, same.high) == (0, 0, 0)


def test_a_single_query_has_no_interval():
    found = mean_difference([0.75], [0.25])
    assert (found.mean, found.low, found.high, found.queries) == (0.5, None, None, 1)


def test_differences_too_small_for_bca_still_have_limits():
    found = mean_difference([1e-150, 2e-150, 0.0], [0.0, 0.0, 0.0])
    assert 0 <= found.low < found.mean < found.high <= 2e-150


@pytest.mark.parametrize(
    ("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]]), ([np.nan], [0.0])]
)
def test_values_that_cannot_be_paired_are_refused(ours, theirs):
    with pytest.raises(DataError):
        mean_difference(ours, theirs)


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 1}, {"level": 95}, {"resamples": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError):
        mean_difference([1.0, 2.0], [0.0, 0.0], **options)
