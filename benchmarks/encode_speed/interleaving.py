"""Timing several ways of encoding in turn, so that all of them meet the same machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from colbench.measures.latency import without_collector
from colbench.timing import seconds

_WARM_UP_DOCUMENTS = 32
_WARM_UP_QUERIES = 3


@dataclass(frozen=True)
class Contender:
    """One way of encoding. Both return only when the vectors are there.

    Attributes:
        documents: encodes all of them.
        query: encodes one.
    """

    documents: Callable[[Sequence[str]], object]
    query: Callable[[str], object]

    def warm_up(self, documents: Sequence[str], queries: Sequence[str]) -> None:
        """Encode a few of each, so that nothing is loaded or compiled while the clock runs."""
        self.documents(documents[:_WARM_UP_DOCUMENTS])
        for query in queries[:_WARM_UP_QUERIES]:
            self.query(query)


@dataclass(frozen=True)
class Timing:
    """The times of one way of encoding, a value per round.

    Attributes:
        seconds: of all documents.
        query_p50_ms: median of the queries, one at a time.
    """

    seconds: list[float] = field(default_factory=list)
    query_p50_ms: list[float] = field(default_factory=list)


def time_interleaved(
    contenders: Mapping[str, Contender],
    documents: Sequence[str],
    queries: Sequence[str],
    trials: int,
) -> dict[str, Timing]:
    """Let each encode all documents, then each query alone, in every round.

    The order is drawn anew in every round, the same draws every time: what one leaves behind in
    caches and clock rates falls on another each time.

    Args:
        contenders: warmed up.
        documents: texts, at least one.
        queries: texts, at least one.
        trials: rounds.
    """
    laps = {name: Timing() for name in contenders}
    order = list(contenders)
    draw = random.Random(0)
    for _ in range(trials):
        draw.shuffle(order)
        for name in order:
            contender = contenders[name]
            with without_collector():
                laps[name].seconds.append(seconds(lambda: contender.documents(documents)))  # noqa: B023
        for name in order:
            contender = contenders[name]
            with without_collector():
                times = [seconds(lambda: contender.query(query)) for query in queries]  # noqa: B023
            laps[name].query_p50_ms.append(float(np.median(times)) * 1e3)
    return laps
