"""Which variant of a sweep to choose, in words.

A variant is as good as the reference when the interval of its difference (bootstrap, 95 %) excludes
a loss of the tolerance or more: a mean within it shows nothing where queries are few. Where that is
open for every variant the advice says that it cannot be told. Nothing is said of times that were
taken beside a busy process. Ties go to the smaller and then to the simpler variant: of each setting
off before on, then the smaller value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from colbench.measures.bootstrap import LEVEL
from colbench.measures.latency import BUSY
from colbench.measures.significance import Significance, least_queries
from colbench.measures.ties import TIE
from colbench.results.schema import SystemResult

_SAME_TIME = 1.1
"""Medians that differ by no larger factor are one: another trial changes their order."""

_Read = Callable[[SystemResult], float]


class Advice:
    """What the variants of a sweep say about the choice among them.

    Args:
        variants: of the sweep, measured and tested against the reference.
        reference: what their loss, speed and size are held against.
        measure: that counts.
        tolerance: loss that is taken for none.
        parameters: variant → setting → value, for ties; none where it is not known.
    """

    def __init__(
        self,
        variants: Sequence[SystemResult],
        reference: SystemResult,
        measure: str,
        tolerance: float,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._variants, self._reference = variants, reference
        self._measure, self._tolerance = measure, tolerance
        self._parameters = parameters or {}
        self._points = f"{100 * tolerance:g} points of {reference.name}"

    def lines(self) -> list[str]:
        """Return the advice: the smallest and the fastest that lose nothing, and the best."""
        good = [variant for variant in self._variants if self._low(variant) > -self._tolerance]
        best = min(self._variants, key=lambda v: (-self._value(v), *self._small_and_simple(v)))
        if not good:
            return self._none(best)
        smallest = min(good, key=self._small_and_simple)
        chosen = {f"smallest within {self._points}": smallest}
        timed = not any(map(is_disturbed, [*good, self._reference]))
        if timed:
            limit = _SAME_TIME * min(map(p50, good))
            fastest = min((v for v in good if p50(v) <= limit), key=self._small_and_simple)
            chosen |= {f"fastest within {self._points}": fastest}
            if fastest.name == smallest.name:
                chosen = {f"smallest and fastest within {self._points}": smallest}
        chosen[f"highest {self._measure}"] = best
        told = [self._sentence(choice, variant) for choice, variant in chosen.items()]
        told += self._open(smallest)
        if not timed:
            told.append(
                f"nothing can be said of speed: other processes used over {BUSY:.0%} of the cores "
                "while variants or the reference were timed"
            )
        return told

    def _none(self, best: SystemResult) -> list[str]:
        undecided = [v for v in self._variants if self._is_open(v)]
        if not undecided:
            return [self._sentence(f"no variant is within {self._points}; the best", best)]
        nearest = max(undecided, key=lambda v: (self._low(v), self._value(v)))
        line = (
            f"cannot be told with {self._queries(nearest)} whether any variant is within "
            f"{self._points}"
        )
        more = self._more(nearest)
        if more is not None:
            line += f": about {more:,} more would tell it of {nearest.name}"
        return [line, self._sentence(f"highest {self._measure}", best)]

    def _open(self, smallest: SystemResult) -> list[str]:
        """Say how many smaller variants may be as good."""
        smaller = [
            v for v in self._variants if self._is_open(v) and index_bytes(v) < index_bytes(smallest)
        ]
        if not smaller:
            return []
        count = f"{len(smaller)} smaller variant{'s' * (len(smaller) > 1)}"
        return [f"of {count} it cannot be told with {self._queries(smallest)}"]

    def _is_open(self, variant: SystemResult) -> bool:
        """Return whether a loss of the tolerance is neither excluded nor certain."""
        low, test = self._low(variant), self._test(variant)
        if test is None or test.high is None or low == -math.inf:
            return True
        return low <= -self._tolerance < test.high

    def _test(self, variant: SystemResult) -> Significance | None:
        return (variant.significance or {}).get(self._measure)

    def _low(self, variant: SystemResult) -> float:
        """Return the lower limit of the difference; where there is none, or none to trust, -inf."""
        test = self._test(variant)
        if test is None or test.low is None:
            return -math.inf
        # A handful of queries excludes nothing, however much alike their differences are.
        enough = test.wins + test.ties + test.losses >= least_queries(1, 1 - LEVEL)
        return test.low if enough else -math.inf

    def _queries(self, variant: SystemResult) -> str:
        test = self._test(variant)
        if test is None:
            return "what was measured"
        count = test.wins + test.ties + test.losses
        return f"{count} quer{'y' if count == 1 else 'ies'}"

    def _more(self, variant: SystemResult) -> int | None:
        """Return about how many more queries would exclude the loss, by the normal approximation.

        None where the mean itself lies beyond the tolerance.
        """
        test = self._test(variant)
        if test is None or test.low is None or test.high is None:
            return None
        room = test.difference + self._tolerance
        if room <= TIE:
            return None
        queries = test.wins + test.ties + test.losses
        half = (test.high - test.low) / 2
        return max(math.ceil(queries * (half / room) ** 2) - queries, 1)

    def _value(self, system: SystemResult) -> float:
        return round((system.effectiveness or {})[self._measure], 9)

    def _small_and_simple(self, variant: SystemResult) -> tuple[Any, ...]:
        chosen = self._parameters.get(variant.name, {})
        return (index_bytes(variant), *(_simplicity(value) for value in chosen.values()))

    def _sentence(self, choice: str, variant: SystemResult) -> str:
        reference, test = self._reference, self._test(variant)
        difference = 100 * (self._value(variant) - self._value(reference))
        facts = [f"{difference:+.1f} points of {self._measure}{_sure(test)}"]
        facts.append(ratio(variant, reference, index_bytes, "smaller", "larger"))
        if not is_disturbed(variant) and not is_disturbed(reference):
            facts.append(ratio(variant, reference, p50, "faster", "slower"))
        return f"{choice}: {variant.name}: {', '.join(facts)} than {reference.name}"


def _sure(test: Significance | None) -> str:
    if test is None or test.low is None or test.high is None:
        return ""
    told = {"better": "significant", "worse": "significant", "open": "too few queries to tell"}
    verdict = told.get(test.verdict or "")
    interval = f"{100 * test.low:+.1f} to {100 * test.high:+.1f}"
    return f" ({interval}{f'; {verdict}' if verdict else ''})"


def _simplicity(value: Any) -> tuple[int, float, str]:
    """Return what sorts values from the simplest: off, then numbers, then names."""
    if value is None or value is False:
        return 0, 0.0, ""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return 2, 0.0, str(value)


def ratio(variant: SystemResult, reference: SystemResult, cost: _Read, less: str, more: str) -> str:
    """Return how two costs compare, in words."""
    ours, theirs = cost(variant), cost(reference)
    if not ours or not theirs:
        return f"no {less}"
    return f"{theirs / ours:.1f}× {less}" if ours <= theirs else f"{ours / theirs:.1f}× {more}"


def is_disturbed(system: SystemResult) -> bool:
    """Return whether other processes were busy while a system was timed."""
    return (system.other_cpu_share or 0.0) > BUSY


def p50(system: SystemResult) -> float:
    """Return the median milliseconds of a query, encoding and search; of the search alone where
    results of an earlier colbench do not tell the sum."""
    times = system.latency_ms
    return (times.end_to_end or times.search).p50 if times else math.inf


def index_bytes(system: SystemResult) -> float:
    """Return the size of the index."""
    return system.index.bytes if system.index else math.inf
