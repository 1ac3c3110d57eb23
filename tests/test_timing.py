"""The stopwatch that all measurements use."""

import datetime
import time

from colbench.timing import Stopwatch, nanoseconds, now, repeated, seconds


def test_work_is_done_once_and_takes_at_least_what_it_sleeps():
    done = []

    def work():
        done.append(1)
        time.sleep(0.002)

    watch = Stopwatch()
    assert seconds(work) >= 0.002 and nanoseconds(work) >= 2_000_000
    assert len(done) == 2 and watch.seconds >= 0.004


def test_a_repetition_more_than_counts_and_the_limits_hold():
    done = []
    assert len(repeated(lambda: done.append(1), least=3)) == 3
    assert len(done) == 4
    assert len(repeated(lambda: time.sleep(0.001), least=2, for_seconds=9, most=5)) == 5
    times = repeated(lambda: time.sleep(0.001), least=1, for_seconds=0.004)
    assert sum(times) >= 0.004 and sum(times[:-1]) < 0.004


def test_the_time_of_a_record_is_utc_to_the_second():
    told = datetime.datetime.fromisoformat(now())
    assert told.utcoffset() == datetime.timedelta(0) and told.microsecond == 0
    assert abs(datetime.datetime.now(datetime.UTC) - told) < datetime.timedelta(seconds=60)
