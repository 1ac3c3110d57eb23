"""Latency with a clock that only moves when the test says so."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.measures.latency import Distribution, measure_latency

MS = 1_000_000


class System:
    """Takes the milliseconds it is told and writes down what it was asked."""

    def __init__(self, encode_ms, search_ms):
        self.now = 0
        self.encode_ms = iter(encode_ms)
        self.search_ms = iter(search_ms)
        self.encoded: list[str] = []
        self.searched: list[str] = []
        self.collecting: list[bool] = []

    def clock(self) -> int:
        return self.now

    def encode(self, text: str) -> str:
        self.encoded.append(text)
        self.now += next(self.encode_ms) * MS
        return f"<{text}>"

    def search(self, encoded: str) -> None:
        self.searched.append(encoded)
        self.collecting.append(gc.isenabled())
        self.now += next(self.search_ms) * MS

    def measure(self, queries, **options):
        return measure_latency(self.encode, self.search, queries, clock=self.clock, **options)


def test_encoding_and_search_are_timed_apart_and_the_best_trial_is_reported_whole():
    # Encoding and search per trial: 62, 56, 67; the second has the lowest mean.
    system = System([1, 1, 2, 4, 1, 1], [10, 50, 20, 30, 5, 60])
    report = system.measure(["a", "b"], trials=3, warmup=0)
    assert (report.search.p50, report.search.mean) == (25.0, 25.0)
    assert report.encode.mean == 3.0
    assert (report.queries, report.trials) == (2, 3)
    assert system.encoded == ["a", "b"] * 3
    assert system.searched == ["<a>", "<b>"] * 3


def test_what_a_user_waits_for_decides_which_trial_counts():
    # The first trial searches fastest and encodes slowest.
    system = System([90, 90, 1, 1], [10, 10, 20, 20])
    report = system.measure(["a", "b"], trials=2, warmup=0)
    assert (report.encode.mean, report.search.mean, report.total.mean) == (1.0, 20.0, 21.0)


def test_percentiles_of_the_whole_are_those_of_the_sums_of_each_query():
    # What is slow to encode is fast to search: no query takes as long as the percentiles together.
    encode_ms, search_ms = [1, 2, 3, 4, 5], [50, 40, 30, 20, 10]
    report = System(encode_ms, search_ms).measure(list("abcde"), trials=1, warmup=0)
    sums = [51, 42, 33, 24, 15]
    assert report.total == Distribution.of([MS * ms for ms in sums])
    assert report.total.p95 < report.encode.p95 + report.search.p95
    earlier = report.model_copy(update={"total": None})
    assert earlier.end_to_end == report.end_to_end == report.total
    reduced = earlier.model_copy(update={"encode_ms": None, "search_ms": None})
    assert reduced.end_to_end is None


def test_the_warm_up_is_not_counted_and_goes_round_where_queries_are_few():
    system = System([1000] * 3 + [1] * 2, [1000] * 3 + [2] * 2)
    report = system.measure(["a", "b"], trials=1, warmup=3)
    assert system.encoded == ["a", "b", "a", "a", "b"]
    assert (report.encode.mean, report.search.mean, report.queries) == (1.0, 2.0, 2)


def test_no_query_is_started_after_the_budget_and_later_trials_repeat_the_same_queries():
    system = System([0] * 9, [400] * 9)
    report = system.measure(list("abcdefgh"), trials=3, warmup=0, max_seconds=1.0)
    assert system.encoded == ["a", "b", "c"] * 3
    assert (report.queries, report.trials) == (3, 3)


def test_one_query_is_measured_however_small_the_budget():
    report = System([5] * 3, [9000] * 3).measure(["a", "b"], warmup=0, max_seconds=0)
    assert (report.queries, report.trials, report.search.p99) == (1, 3, 9000.0)


def test_a_slower_later_trial_is_not_cut_short():
    system = System([0] * 4, [100, 100, 900, 900])
    assert system.measure(["a", "b"], trials=2, warmup=0, max_seconds=0.5).queries == 2
    assert system.encoded == ["a", "b", "a", "b"]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_off_while_timing_and_as_before_afterwards(enabled):
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        system = System([1] * 3, [1] * 3)
        system.measure(["a"], warmup=0)
        assert system.collecting == [False] * 3
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_the_garbage_collector_comes_back_after_a_failing_search():
    def fail(_: str) -> None:
        raise RuntimeError("broken index")

    assert gc.isenabled()
    with pytest.raises(RuntimeError, match="broken index"):
        measure_latency(str, fail, ["a"], warmup=0)
    assert gc.isenabled()


@pytest.mark.parametrize(("queries", "trials"), [([], 3), (["a"], 0)])
def test_nothing_to_measure_is_refused(queries, trials):
    with pytest.raises(ValueError, match="at least one query and one trial"):
        measure_latency(str, len, queries, trials=trials)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=50))
def test_percentiles_are_ordered_and_lie_within_the_times(times):
    result = Distribution.of(times)
    low, high = min(times) / 1e6, max(times) / 1e6
    assert low * (1 - 1e-9) <= result.p50 <= result.p95 <= result.p99 <= high * (1 + 1e-9)
    assert result.mean == pytest.approx(np.mean(times) / 1e6)
