"""Latency of a system, one query at a time.

Protocol: some queries are searched before the clock counts. Then all queries are searched in
several trials, encoding and search timed apart, and the trial in which both together took least on
average is reported whole, as PLAID does ("the minimum average latency across three trials",
Santhanam et al., CIKM 2022). Taking each query's own minimum instead would hide the jitter that p95
and p99 are for.

What a user waits for is the sum. Its percentiles are those of the queries' own sums: the sum of two
percentiles is not a percentile of the sum.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.records import Record

BUSY = 0.1
"""Share of the cores used by other processes from which times are not to be trusted."""

_DIGITS = 3
"""Decimals of a single query's milliseconds: a microsecond is below what repeats."""

Encoded = TypeVar("Encoded")
Timings = list[tuple[int, int]]
"""(encode, search) nanoseconds of each query."""


class Distribution(Record):
    """A latency over queries, in milliseconds; percentiles interpolate linearly."""

    p50: float
    p95: float
    p99: float
    mean: float

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> Distribution:
        """Summarise one time per query.

        >>> Distribution.of([1_000_000, 3_000_000])
        Distribution(p50=2.0, p95=2.9, p99=2.98, mean=2.0)
        """
        return cls.of_ms(np.array(nanoseconds) / 1e6)

    @classmethod
    def of_ms(cls, milliseconds: NDArray[np.float64]) -> Distribution:
        """Summarise one time per query, shape (queries,)."""
        p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99]).tolist()
        return cls(p50=p50, p95=p95, p99=p99, mean=float(milliseconds.mean()))


class Latency(Record):
    """One query at a time, after warm-up; the trial with the lowest mean."""

    encode: Distribution = Field(description="query text → what the system searches with")
    search: Distribution = Field(description="encoded query → ranked documents")
    total: Distribution | None = Field(
        None,
        description="query text → ranked documents: the sums of each query; null in results of an "
        "earlier colbench",
    )
    queries: int = Field(description="queries measured in each trial")
    trials: int = Field(description="trials run")
    encode_ms: list[float] | None = Field(
        None, description="the reported trial, query by query: the collection's first ones"
    )
    search_ms: list[float] | None = Field(None, description="as encode_ms, for the search")

    @property
    def end_to_end(self) -> Distribution | None:
        """`total`; of earlier results made of the times of each query, None without them."""
        if self.total is not None or self.encode_ms is None or self.search_ms is None:
            return self.total
        return Distribution.of_ms(np.add(self.encode_ms, self.search_ms))


def measure_latency(
    encode: Callable[[str], Encoded],
    search: Callable[[Encoded], object],
    queries: Sequence[str],
    *,
    trials: int = 3,
    warmup: int = 3,
    max_seconds: float | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Latency:
    """Time a system query by query.

    Args:
        encode: must return only when the result is there (synchronise a GPU).
        search: as `encode`.
        queries: texts, at least one.
        trials: passes over the queries, at least one.
        warmup: searches before the clock counts, over the first queries, again and again where
            there are fewer queries.
        max_seconds: once the first trial has taken this long it starts no further query, and the
            other trials repeat the queries it got through. One query is always measured.
        clock: returns nanoseconds.

    Raises:
        ValueError: no queries or no trials.
    """
    if not queries or trials < 1:
        raise ValueError("latency needs at least one query and one trial")
    for query in islice(cycle(queries), warmup):
        search(encode(query))
    passes = []
    measured = queries
    for trial in range(trials):
        budget = max_seconds if trial == 0 else None
        with without_collector():
            passes.append(_trial(encode, search, measured, budget, clock))
        measured = queries[: len(passes[0])]
    return fastest(passes)


def fastest(passes: Sequence[Timings]) -> Latency:
    """Report the trial with the lowest mean of encoding and search together.

    Args:
        passes: the times of every trial, over the same queries.
    """
    best = min(passes, key=lambda times: sum(map(sum, times)))
    return Latency(
        encode=Distribution.of([encode_ns for encode_ns, _ in best]),
        search=Distribution.of([search_ns for _, search_ns in best]),
        total=Distribution.of([encode_ns + search_ns for encode_ns, search_ns in best]),
        queries=len(best),
        trials=len(passes),
        encode_ms=[round(encode_ns / 1e6, _DIGITS) for encode_ns, _ in best],
        search_ms=[round(search_ns / 1e6, _DIGITS) for _, search_ns in best],
    )


def _trial(
    encode: Callable[[str], Encoded],
    search: Callable[[Encoded], object],
    queries: Sequence[str],
    max_seconds: float | None,
    clock: Callable[[], int],
) -> Timings:
    """Return the times of each query that was started within the budget."""
    times: Timings = []
    spent = 0
    for query in queries:
        if times and max_seconds is not None and spent >= max_seconds * 1e9:
            break
        start = clock()
        encoded = encode(query)
        middle = clock()
        search(encoded)
        end = clock()
        times.append((middle - start, end - middle))
        spent += end - start
    return times


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep Python's garbage collector from pausing in the middle of a query."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
