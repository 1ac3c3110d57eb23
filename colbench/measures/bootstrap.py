"""Confidence interval of a paired mean difference, by bootstrap over queries.

Queries are drawn with replacement, each with its values of both systems, and the mean difference of
every such draw is taken (Efron and Tibshirani, An Introduction to the Bootstrap, 1993; for
retrieval: Sakai, SIGIR 2006). The limits are bias-corrected and accelerated (BCa: Efron, "Better
bootstrap confidence intervals", JASA 82, 1987): per-query differences are mostly 0 and skewed
beyond, where plain percentiles hold the true difference less often. Where BCa has no limits, as for
differences so small that their cubes vanish, they are the plain percentiles. With few queries that
differ at all, any bootstrap interval is too narrow.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError, DataError

LEVEL = 0.95
"""Share of intervals that hold the true difference."""

RESAMPLES = 10_000
"""Draws of queries. With so many, another seed moves a limit by 1 % of the interval's width."""

_VALUES_AT_ONCE = 1 << 21
"""float64 values of draws held at a time: 16 MiB, a few times over inside scipy."""


@dataclass(frozen=True)
class MeanDifference:
    """The mean difference of two systems, and how far queries leave it open.

    Attributes:
        mean: mean over queries of ours minus theirs.
        low: lower limit; None with a single query, which says nothing about others.
        high: upper limit; None where `low` is.
        level: share of such intervals that hold the true difference.
        queries: pairs of values.
    """

    mean: float
    low: float | None
    high: float | None
    level: float
    queries: int


def mean_difference(
    ours: Sequence[float] | NDArray[np.float64],
    theirs: Sequence[float] | NDArray[np.float64],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> MeanDifference:
    """Return the mean of `ours - theirs` with its bootstrap interval.

    The same seed draws the same queries whatever the values are: exchanging the systems mirrors the
    interval.

    Args:
        ours: shape (queries,), one value per query.
        theirs: shape (queries,), of the same queries in the same order.
        level: between 0 and 1.
        resamples: draws, at least 1.
        seed: of the draws.

    Raises:
        ConfigError: the level or the number of draws is out of range.
        DataError: no values, not as many of one as of the other, or one that is not finite.

    >>> found = mean_difference([0.5, 0.7, 0.9, 0.4], [0.5, 0.6, 0.6, 0.4])
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.1, 0.0, 0.25)
    """
    if not 0 < level < 1:
        raise ConfigError(f"level of a confidence interval is {level}: choose one between 0 and 1")
    if resamples < 1:
        raise ConfigError(f"{resamples} draws make no bootstrap: choose at least 1")
    delta = _differences(ours, theirs)
    mean, count = float(delta.mean()), len(delta)
    if count == 1:
        return MeanDifference(mean, None, None, level, count)
    if np.ptp(delta) == 0:  # no draw differs; averaging would leave rounding errors
        return MeanDifference(float(delta[0]), float(delta[0]), float(delta[0]), level, count)
    low, high = _limits(delta, level, resamples, seed)
    return MeanDifference(mean, low, high, level, count)


def _differences(
    ours: Sequence[float] | NDArray[np.float64], theirs: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64 differences, shape (queries,)."""
    first, second = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise DataError(
            f"values of shape {first.shape} and {second.shape} cannot be paired: give one value a "
            "query of both systems"
        )
    delta = first - second
    if not np.isfinite(delta).all():
        raise DataError("values that are not finite have no mean difference")
    return delta


def _limits(
    delta: NDArray[np.float64], level: float, resamples: int, seed: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap  # type: ignore[import-untyped]

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # BCa without limits: handled below
        interval = bootstrap(
            (delta,),  # drawing pairs and drawing their differences is the same
            np.mean,
            n_resamples=resamples,
            batch=max(1, _VALUES_AT_ONCE // len(delta)),
            vectorized=True,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(seed),
        )
    low, high = interval.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        tail = (1 - level) / 2
        low, high = np.quantile(interval.bootstrap_distribution, [tail, 1 - tail])
    return float(low), float(high)
