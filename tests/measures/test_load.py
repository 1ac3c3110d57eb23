"""Clients that ask at the same time. No speed is asserted: what is counted, dealt and compared."""

import threading
import time

import pytest

from colbench.errors import DataError
from colbench.measures.load import LoadLevel, answers_alone, measure_load

QUERIES = ["a", "b", "c"]
SHORT = 0.05


class System:
    """Notes who asks what, and how many are answered at a time."""

    def __init__(self, sleep=0.002):
        self.sleep, self.asked, self.threads = sleep, [], set()
        self.inside = self.most = 0
        self._counting = threading.Lock()

    def __call__(self, query):
        with self._counting:
            self.asked.append(query)
            self.threads.add(threading.get_ident())
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self.sleep)
        with self._counting:
            self.inside -= 1
        return query.encode()


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("clients", [1, 3])
def test_a_level_counts_every_answer_of_every_client(clients, one_at_a_time):
    system = System()
    level = measure_load(
        system, QUERIES, clients=clients, seconds=SHORT, warmup=0, one_at_a_time=one_at_a_time
    )
    assert level.error is None and level.clients == clients
    assert level.queries == len(system.asked) >= clients
    # Dealt in one order, again from the first after the last.
    assert sorted(system.asked) == sorted((QUERIES * len(system.asked))[: len(system.asked)])
    assert level.qps == pytest.approx(level.queries / level.seconds)
    times = level.latency_ms
    assert 1.9 <= times.p50 <= times.p95 <= times.p99  # a sleep is never shorter
    # No client has two queries under way: clients that sleep are answered at most so often.
    assert level.queries <= 1.05 * clients * level.seconds / system.sleep
    assert system.inside == 0


def test_clients_ask_at_the_same_time():
    together = threading.Barrier(3, timeout=30)

    def answer(query):
        together.wait()  # ends for none before all three are here
        return b""

    level = measure_load(answer, QUERIES, clients=3, seconds=1e-6, warmup=0)
    assert (level.queries, level.error, level.one_at_a_time) == (3, None, False)


def test_one_at_a_time_is_in_the_thread_that_measures():
    system = System()
    level = measure_load(system, QUERIES, clients=4, seconds=SHORT, one_at_a_time=True)
    assert level.one_at_a_time and system.most == 1
    assert system.threads == {threading.get_ident()}
    assert level.seconds >= 0.0019 * level.queries


def test_the_warm_up_is_each_clients_and_counts_for_nothing():
    system = System(sleep=0)

    def answer(query):
        if len(system.asked) > 8:
            raise ValueError  # else it takes its time
        return system(query)

    level = measure_load(answer, QUERIES, clients=2, seconds=30, warmup=4)
    assert sorted(system.asked[:8]) == sorted([*QUERIES, "a"] * 2)
    assert level.error == "ValueError" and level.queries == len(system.asked) - 8
    assert measure_load(str.encode, QUERIES, clients=2, seconds=1e-6, warmup=10**9).queries == 2


def test_every_client_has_one_answer_however_slow():
    level = measure_load(System(sleep=0.05), QUERIES, clients=3, seconds=1e-6, warmup=0)
    assert level.queries == 3 and level.latency_ms.p50 >= 49


def test_answers_are_held_against_those_of_one_client():
    alone = answers_alone(System(sleep=0), [*QUERIES, "a"], seconds=30)
    assert alone == {"a": b"a", "b": b"b", "c": b"c"}
    same = measure_load(System(), QUERIES, clients=2, seconds=SHORT, alone=alone)
    assert same.checked == same.queries and same.differing == 0
    mixed_up = {**alone, "b": b"another"}
    del mixed_up["c"]
    system = System()
    other = measure_load(system, QUERIES, clients=2, seconds=SHORT, warmup=0, alone=mixed_up)
    asked = {query: system.asked.count(query) for query in QUERIES}
    assert (other.checked, other.differing) == (asked["a"] + asked["b"], asked["b"])


def test_a_search_that_others_disturb_is_found():
    """Two searches write to the same scratch, as a system does that is not safe to share."""
    scratch = {}
    entered = threading.Barrier(2, timeout=30)

    def answer(query):
        scratch["query"] = query
        if threading.current_thread() is not threading.main_thread():
            entered.wait()  # both have written
        return scratch["query"].encode()

    alone = answers_alone(answer, ["a", "b"], seconds=30)
    level = measure_load(answer, ["a", "b"], clients=2, seconds=1e-6, warmup=0, alone=alone)
    assert (level.checked, level.differing) == (2, 1)


def test_what_is_found_alone_stops_with_the_time_and_with_an_error():
    assert answers_alone(System(), QUERIES, seconds=0) == {}

    def answer(query):
        if query == "b":
            raise ValueError
        return b""

    assert answers_alone(answer, QUERIES, seconds=30) == {"a": b""}


@pytest.mark.parametrize("one_at_a_time", [False, True])
@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no index\nhere"), "ValueError: no index"),
        (DataError("the server is gone"), "the server is gone"),
        (SystemExit(3), "SystemExit: 3"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_an_error_of_one_client_ends_the_level_in_one_line(error, told, warmup, one_at_a_time):
    def answer(query):
        if query == "a":
            raise error
        return b""

    level = measure_load(
        *(answer, QUERIES), clients=3, seconds=30, warmup=warmup, one_at_a_time=one_at_a_time
    )
    assert level.error == told
    assert level.qps is None and level.latency_ms is None
    assert LoadLevel.model_validate_json(level.model_dump_json()) == level


def test_threads_that_cannot_be_started_are_an_error_of_the_level(monkeypatch):
    begin = threading.Thread.start
    started = []

    def start(thread):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    level = measure_load(System(), QUERIES, clients=3, seconds=30)
    assert level.error == "RuntimeError: can't start new thread"
    assert not started[0].is_alive()


def test_an_interruption_ends_all_clients():
    def answer(query):
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        measure_load(answer, QUERIES, clients=3, seconds=30, one_at_a_time=True)
    assert threading.active_count() == before


@pytest.mark.parametrize(("queries", "clients"), [([], 1), (["a"], 0)])
def test_nothing_to_measure_is_refused(queries, clients):
    with pytest.raises(ValueError, match="at least one query and one client"):
        measure_load(str.encode, queries, clients=clients, seconds=1)
