"""One-sided paired tests of many differences over the same queries, for a gate.

Two tests of each mean difference, of which the more doubtful counts:

- the bootstrap over queries, bias-corrected and accelerated (BCa: Efron, "Better bootstrap
  confidence intervals", JASA 82, 1987); its p-value is the level at which the one-sided limit
  touches 0;
- Fisher's randomisation test, which gives every query's difference a random sign. Where only a few
  queries differ at all the bootstrap is too sure (five drops among 300 queries, nothing else: p =
  .007; by random signs 1/32), and a change of numeric precision moves only a few.

All differences share the draws: what is compared is compared on the same resampled queries, and
the same seed gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError
from colbench.measures.ties import TIE

RESAMPLES = 10_000
"""Draws; p-values go down to 1 / (draws + 1)."""

_BLOCK = 1 << 22
"""Values of draws held at a time: 32 MiB in float64."""

_KEPT = 1 << 23
"""Draws of at most so many values are kept for the next call: 64 MiB."""


@dataclass(frozen=True)
class PairedTest:
    """The mean of one difference, and how sure its sign is.

    Attributes:
        mean: mean over queries.
        low: lower one-sided limit at level 1 - alpha; None with a single query.
        high: upper one-sided limit, as `low`.
        p_drop: one-sided p-value of "the mean is not below 0"; 1 with a single query.
        p_rise: one-sided p-value of "the mean is not above 0"; 1 with a single query.
        deviation: standard deviation over queries, 0 with a single one.
    """

    mean: float
    low: float | None
    high: float | None
    p_drop: float
    p_rise: float
    deviation: float


def paired_tests(
    differences: NDArray[np.float64],
    *,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[PairedTest]:
    """Test the mean of every column.

    Args:
        differences: float64, shape (queries, tests): ours minus theirs.
        alpha: one-sided level of the limits; two of them make an interval at 1 - 2 alpha.
        resamples: draws of both tests.
        seed: of the draws.

    Returns:
        One test a column, in order.

    Raises:
        DataError: no queries, or a value that is not finite.

    >>> drops = np.array([[-0.2, 0.0], [-0.1, 0.1], [-0.3, -0.1]] * 20)
    >>> first, second = paired_tests(drops)
    >>> first.p_drop < 0.001, second.p_drop > 0.1
    (True, True)
    """
    if differences.ndim != 2 or not len(differences):
        raise DataError("no queries to test: nothing can be said about a difference")
    if not np.isfinite(differences).all():
        raise DataError("values that are not finite cannot be tested")
    delta = np.where(np.abs(differences) <= TIE, 0.0, differences)
    if len(delta) == 1:
        return [PairedTest(float(mean), None, None, 1.0, 1.0, 0.0) for mean in delta[0]]
    drawn = _means(_bootstrap_draws, delta, resamples, seed)
    signed = _means(_sign_draws, delta, resamples, seed)
    return [
        _test(delta[:, column], drawn[:, column], signed[:, column], alpha)
        for column in range(delta.shape[1])
    ]


def _test(
    delta: NDArray[np.float64],
    drawn: NDArray[np.float64],
    signed: NDArray[np.float64],
    alpha: float,
) -> PairedTest:
    mean, deviation = float(delta.mean()), float(delta.std(ddof=1))
    if np.ptp(delta) == 0:  # every draw has this mean: only the signs can tell it from chance
        low, high, drop, rise = mean, mean, float(mean >= 0), float(mean <= 0)
    else:
        bootstrap = _Bca(delta, drawn)
        low, high = bootstrap.limit(alpha), bootstrap.limit(1 - alpha)
        drop, rise = bootstrap.p_drop(), bootstrap.p_rise()
    return PairedTest(
        mean=mean,
        low=low,
        high=high,
        p_drop=max(drop, _share(signed <= mean + TIE)),
        p_rise=max(rise, _share(signed >= mean - TIE)),
        deviation=deviation,
    )


def _share(hits: NDArray[np.bool_]) -> float:
    """Return the share of draws, that of the data themselves among them."""
    return (int(hits.sum()) + 1) / (len(hits) + 1)


class _Bca:
    """The bootstrap distribution of one mean, with its correction of bias and acceleration."""

    def __init__(self, delta: NDArray[np.float64], drawn: NDArray[np.float64]) -> None:
        from scipy.special import ndtr, ndtri  # type: ignore[import-untyped]

        self._ndtr, self._ndtri = ndtr, ndtri
        self._drawn = np.sort(drawn)
        centred = delta - delta.mean()
        # Divided first: cubes of small differences vanish.
        scaled = centred / np.abs(centred).max()
        self._acceleration = (scaled**3).sum() / (6 * (scaled**2).sum() ** 1.5)
        mean = delta.mean()
        below = (drawn < mean - TIE).mean() + ((np.abs(drawn - mean) <= TIE).mean()) / 2
        self._bias = float(ndtri(self._inside(below)))

    def _inside(self, share: float) -> float:
        smallest = 1 / (len(self._drawn) + 1)
        return float(min(max(share, smallest), 1 - smallest))

    def limit(self, level: float) -> float:
        """Return the value that the true mean is below with probability `level`."""
        z = self._bias + self._ndtri(level)
        place = self._ndtr(self._bias + z / (1 - self._acceleration * z))
        return float(np.quantile(self._drawn, place))

    def p_drop(self) -> float:
        """Return the level at which the upper limit touches 0."""
        below = np.searchsorted(self._drawn, -TIE, side="left") / len(self._drawn)
        return 1 - self._level(below)

    def p_rise(self) -> float:
        """Return the level at which the lower limit touches 0."""
        not_above = np.searchsorted(self._drawn, TIE, side="right") / len(self._drawn)
        return self._level(not_above)

    def _level(self, share: float) -> float:
        """Return the level whose limit has this share of the draws below it: `limit` inverted."""
        z = self._ndtri(self._inside(share)) - self._bias
        stretched = z / (1 + self._acceleration * z)
        return float(self._ndtr(stretched - self._bias))


def _means(
    draws: _Draws, delta: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return the means of every draw, shape (resamples, tests)."""
    if resamples * len(delta) <= _KEPT:
        return _kept(draws, len(delta), resamples, seed) @ delta / len(delta)
    blocks = [block @ delta for block in draws(len(delta), resamples, seed)]
    return np.concatenate(blocks) / len(delta)


class _Draws:
    """Weights of queries, a row a draw, in blocks."""

    def __init__(self, signs: bool) -> None:
        self._signs = signs

    def __call__(self, queries: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
        random = np.random.default_rng([seed, self._signs])
        rows = max(1, _BLOCK // queries)
        for start in range(0, resamples, rows):
            count = min(rows, resamples - start)
            if self._signs:
                yield random.integers(0, 2, (count, queries)).astype(np.float64) * 2 - 1
            else:
                yield _counts(random.integers(0, queries, (count, queries)))


def _counts(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often each query was drawn, shape (draws, queries)."""
    count, queries = chosen.shape
    flat = (chosen + queries * np.arange(count)[:, None]).ravel()
    return np.bincount(flat, minlength=count * queries).reshape(count, queries).astype(np.float64)


_bootstrap_draws, _sign_draws = _Draws(signs=False), _Draws(signs=True)


@lru_cache(maxsize=4)
def _kept(draws: _Draws, queries: int, resamples: int, seed: int) -> NDArray[np.float64]:
    return np.concatenate(list(draws(queries, resamples, seed)))
