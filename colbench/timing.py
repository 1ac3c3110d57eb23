"""What the clock says: the time of day of a record, and how long a piece of work took."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any


def now() -> str:
    """Return the time in UTC to the second, ISO 8601: what records call `created`."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter_ns()

    @property
    def nanoseconds(self) -> int:
        """Since it was made."""
        return time.perf_counter_ns() - self._started

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return self.nanoseconds / 1e9


def nanoseconds(work: Callable[[], Any]) -> int:
    """Do a piece of work and return how long it took."""
    watch = Stopwatch()
    work()
    return watch.nanoseconds


def seconds(work: Callable[[], Any]) -> float:
    """Do a piece of work and return how long it took."""
    return nanoseconds(work) / 1e9


def repeated(
    work: Callable[[], Any], *, least: int, for_seconds: float = 0.0, most: int | None = None
) -> list[float]:
    """Time a piece of work again and again, once before that does not count.

    Args:
        work: what is timed.
        least: repetitions.
        for_seconds: further ones until they have taken so long together.
        most: bound on their number.

    Returns:
        The seconds of each.
    """
    work()
    times: list[float] = []
    while len(times) < least or (sum(times) < for_seconds and (most is None or len(times) < most)):
        times.append(seconds(work))
    return times
