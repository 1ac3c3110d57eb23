"""Queries per second and latency under load: several clients that ask at the same time.

The load is closed: each client sends its next query when its last answer came, as a pool of threads
in an application does. Queries per second that follow from one latency, 1 over it, say nothing of
this: what clients share (cores, a lock, the bandwidth of memory) decides. Schroeder, Wierman &
Harchol-Balter, "Open Versus Closed: A Cautionary Tale", NSDI 2006, on what a closed load does not
show: it never asks faster than it is answered.

Clients are threads of one process. They warm up, wait for each other, and start together; queries
are dealt to them in one fixed order, again from the first after the last. A query that was begun
within the time is answered and counts, and the time ends with the last of these, so that slow
answers are not left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count, cycle, islice
from queue import Empty, SimpleQueue
from typing import NamedTuple

from pydantic import Field

from colbench.errors import ColbenchError
from colbench.measures.latency import Distribution
from colbench.records import Record

Answer = Callable[[str], bytes]
"""Takes the text of a query; returns what stands for the ranking found, equal for equal ones."""

_PATIENCE = 2.0
"""Seconds that clients have to end when the load was interrupted."""


class LoadLevel(Record):
    """So many clients at once, each of which sends its next query when its last answer came."""

    clients: int = Field(description="threads that ask")
    queries: int = Field(description="queries answered")
    seconds: float = Field(description="from the start of all clients to the last answer")
    qps: float | None = Field(
        None, description="queries answered per second; null where the level ended in an error"
    )
    latency_ms: Distribution | None = Field(
        None,
        description="query text → ranked documents as a client sees it, waiting included, over all "
        "queries of all clients; null where the level ended in an error",
    )
    one_at_a_time: bool = Field(
        False, description="whether queries waited for each other before they reached the system"
    )
    checked: int = Field(0, description="answers held against those of a single client")
    differing: int = Field(0, description="those of them that rank other documents")
    other_cpu_share: float | None = Field(
        None, description="share of the cores that other processes used meanwhile"
    )
    error: str | None = Field(None, description="what a client met, which ended the level")


def answers_alone(answer: Answer, queries: Sequence[str], seconds: float) -> dict[str, bytes]:
    """Return what is found for each query by itself, for as many as the time is enough for.

    Args:
        answer: searches one query.
        queries: texts, in the order in which clients ask them.
        seconds: after which no further query is begun.
    """
    ends = time.perf_counter() + seconds
    found: dict[str, bytes] = {}
    for query in dict.fromkeys(queries):
        if time.perf_counter() >= ends:
            break
        try:
            found[query] = answer(query)
        except Exception:  # what is wrong is told of the level that meets it, too
            break
    return found


def measure_load(
    answer: Answer,
    queries: Sequence[str],
    *,
    clients: int,
    seconds: float,
    warmup: int = 1,
    alone: Mapping[str, bytes] | None = None,
    one_at_a_time: bool = False,
) -> LoadLevel:
    """Let clients ask for some seconds, and say how many answers they had, and how fast.

    Args:
        answer: searches one query; called from as many threads as there are clients, or from this
            thread alone where `one_at_a_time`.
        queries: texts, at least one, dealt in this order.
        clients: at least one.
        seconds: after which no further query is begun; each client has one answer at least.
        warmup: queries that each client asks before the clock counts, at most `seconds` long.
        alone: query → what `answer` returns where nobody else asks.
        one_at_a_time: answer queries in this thread, in the order in which they come.

    Raises:
        ValueError: no queries or no clients.

    >>> level = measure_load(str.encode, ["a", "b"], clients=2, seconds=0.01)
    >>> level.clients, level.queries >= 2, level.error
    (2, True, None)
    """
    if not queries or clients < 1:
        raise ValueError("load needs at least one query and one client")
    asked = SimpleQueue[_Request | None]() if one_at_a_time else None
    load = _Load(answer, queries, clients, seconds, warmup, alone or {}, asked)
    load.run()
    return load.level()


class _Request(NamedTuple):
    """A query that waits to be answered."""

    query: str
    reply: SimpleQueue[bytes | BaseException]


class _Load:
    """The clients of a level, and what they have in common."""

    def __init__(
        self,
        answer: Answer,
        queries: Sequence[str],
        clients: int,
        seconds: float,
        warmup: int,
        alone: Mapping[str, bytes],
        asked: SimpleQueue[_Request | None] | None,
    ) -> None:
        self._answer, self._asked = answer, asked
        self._queries, self._clients = queries, clients
        self._nanoseconds, self._warmup = int(seconds * 1e9), warmup
        self._alone = alone
        self._next = count()  # its next() is one step of the interpreter: no two get one number
        self._stopped = threading.Event()
        self._together = threading.Barrier(clients, action=self._start)
        self._begun = 0
        self._ends = [0] * clients
        self._times: list[list[int]] = [[] for _ in range(clients)]
        self._checks: list[list[bool]] = [[] for _ in range(clients)]
        self._errors: list[str] = []

    def run(self) -> None:
        """Start the clients and wait for the last of them."""
        started: list[threading.Thread] = []
        try:
            for number in range(self._clients):
                thread = threading.Thread(target=self._ask, args=(number,), daemon=True)
                thread.start()
                started.append(thread)
        except RuntimeError as error:  # the system allows no more threads
            self._fail(error)
        try:
            if self._asked is not None:
                self._serve(self._asked, len(started))
            for thread in started:
                thread.join()
        except BaseException:  # Ctrl-C: none begins another query, and those under way may end
            self._stop()
            ends = time.perf_counter() + _PATIENCE
            for thread in started:
                thread.join(max(ends - time.perf_counter(), 0))
            raise

    def _serve(self, asked: SimpleQueue[_Request | None], clients: int) -> None:
        """Answer one query after the other until every client has ended.

        In this thread, which has built the system: not every system can be searched from another.
        """
        while clients:
            request = asked.get()
            if request is None:
                clients -= 1
                continue
            try:
                request.reply.put(self._answer(request.query))
            except KeyboardInterrupt as error:
                request.reply.put(error)
                raise
            except BaseException as error:
                request.reply.put(error)

    def _start(self) -> None:
        self._begun = time.perf_counter_ns()

    def _stop(self) -> None:
        self._stopped.set()
        self._together.abort()
        if self._asked is not None:
            with suppress(Empty):
                while True:
                    if (request := self._asked.get_nowait()) is not None:
                        request.reply.put(RuntimeError("interrupted"))

    def _fail(self, error: BaseException) -> None:
        self._errors.append(_told(error))
        self._stopped.set()
        self._together.abort()

    def _ask(self, client: int) -> None:
        """Be one client."""
        try:
            self._warm_up()
            self._together.wait()
            self._measure(client)
        except threading.BrokenBarrierError:  # another client has failed
            return
        except BaseException as error:  # a system of the user's may raise anything, or exit
            self._fail(error)
        finally:
            if self._asked is not None:
                self._asked.put(None)

    def _warm_up(self) -> None:
        begun = time.perf_counter_ns()
        for query in islice(cycle(self._queries), self._warmup):
            if self._stopped.is_set() or time.perf_counter_ns() - begun > self._nanoseconds:
                return
            self._answered(query)

    def _answered(self, query: str) -> bytes:
        if self._asked is None:
            return self._answer(query)
        reply = SimpleQueue[bytes | BaseException]()
        self._asked.put(_Request(query, reply))
        found = reply.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def _measure(self, client: int) -> None:
        times, checks = self._times[client], self._checks[client]
        start = time.perf_counter_ns()
        while not self._stopped.is_set():
            query = self._queries[next(self._next) % len(self._queries)]
            found = self._answered(query)
            self._ends[client] = end = time.perf_counter_ns()
            times.append(end - start)
            if (expected := self._alone.get(query)) is not None:
                checks.append(found == expected)
            start = time.perf_counter_ns()
            if start - self._begun >= self._nanoseconds:
                return

    def level(self) -> LoadLevel:
        """Return what was measured."""
        times = [time for own in self._times for time in own]
        checks = [check for own in self._checks for check in own]
        seconds = max(max(self._ends) - self._begun, 0) / 1e9
        whole = not self._errors and seconds > 0
        return LoadLevel(
            clients=self._clients,
            queries=len(times),
            seconds=seconds,
            qps=len(times) / seconds if whole else None,
            latency_ms=Distribution.of(times) if whole else None,
            one_at_a_time=self._asked is not None,
            checked=len(checks),
            differing=len(checks) - sum(checks),
            error=self._errors[0] if self._errors else None,
        )


def _told(error: BaseException) -> str:
    """Say in one line what was raised."""
    if isinstance(error, ColbenchError):
        return str(error)
    message = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = type(error).__name__
    return str(ColbenchError(f"{kind}: {message}" if message else kind))
