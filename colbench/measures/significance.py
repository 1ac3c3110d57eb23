"""Paired significance tests of systems against a reference, corrected for their number.

The randomisation test is scipy's: ranx's draws differ from call to call, and it can report p = 0.
Which tests suit retrieval: Smucker, Allan and Carterette, CIKM 2007. Correction: Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.measures.ties import TIE, outcomes
from colbench.records import Record

Test = Literal["student", "fisher"]

_RESAMPLES = 10_000
_SEED = 42


class Significance(Record):
    """Paired test of one measure against the reference."""

    difference: float = Field(description="mean of this system minus mean of the reference")
    p_value: float | None = Field(description="two-sided, uncorrected; null with a single query")
    p_holm: float | None = Field(description="Holm-corrected over every system and measure tested")
    significant: bool = Field(description="p_holm at most the experiment's alpha")
    wins: int = Field(description="queries on which this system is better, by more than a tie")
    ties: int = Field(description="queries on which they differ by at most 1e-9")
    losses: int = Field(description="queries on which the reference is better")


def compare_to_reference(
    reference: str,
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    measures: Sequence[str],
    test: Test = "student",
    alpha: float = 0.05,
) -> dict[str, dict[str, Significance]]:
    """Test every system but the reference on every measure.

    Args:
        reference: a system of `per_query`.
        per_query: system → measure → query id → value.
        measures: the measures to test; the correction counts every (system, measure) pair.
        test: "student" for the paired t-test, "fisher" for the paired randomisation test (10 000
            draws from a fixed seed, all sign patterns where there are no more than that).
        alpha: family-wise level.

    Returns:
        system → measure → result, in the order given.

    Raises:
        ConfigError: the reference is not among the systems.
        DataError: two systems were not evaluated on the same queries.
    """
    if reference not in per_query:
        raise ConfigError(f"unknown reference '{reference}': {did_you_mean(reference, per_query)}")
    pairs = [(system, name) for system in per_query if system != reference for name in measures]
    differences = {
        (system, name): _differences(per_query, system, reference, name) for system, name in pairs
    }
    p_values = {pair: _p_value(differences[pair], test) for pair in pairs}
    tested = {pair: p for pair, p in p_values.items() if p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    results: dict[str, dict[str, Significance]] = {
        system: {} for system in per_query if system != reference
    }
    for system, name in pairs:
        delta, p_holm = differences[system, name], corrected.get((system, name))
        results[system][name] = Significance(
            difference=float(delta.mean()),
            p_value=p_values[system, name],
            p_holm=p_holm,
            significant=p_holm is not None and p_holm <= alpha,
            **outcomes(delta)._asdict(),
        )
    return results


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min((len(p_values) - place) * p_values[index], 1.0))
        adjusted[index] = largest
    return adjusted


def _differences(
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    system: str,
    reference: str,
    measure: str,
) -> NDArray[np.float64]:
    """Return system minus reference per query, float64, in the reference's order of queries."""
    ours, theirs = per_query[system][measure], per_query[reference][measure]
    if ours.keys() != theirs.keys() or not theirs:
        raise DataError(
            f"cannot compare '{system}' with '{reference}' on '{measure}': they have values for "
            "different queries; evaluate both with the same judgments"
        )
    return np.array([ours[query_id] - value for query_id, value in theirs.items()])


def _p_value(differences: NDArray[np.float64], test: Test) -> float | None:
    if len(differences) == 1:
        return None
    if (np.abs(differences) <= TIE).all():
        return 1.0  # scipy gives NaN: there is no variance to test against
    return _student(differences) if test == "student" else _fisher(differences)


def _student(differences: NDArray[np.float64]) -> float:
    from ranx.statistical_tests import paired_student_t_test

    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # scipy warns where every query differs by the same amount; p is 0 in the limit.
        warnings.simplefilter("ignore", RuntimeWarning)
        p_value, _ = paired_student_t_test(differences, np.zeros_like(differences))
    return float(p_value)


def _fisher(differences: NDArray[np.float64]) -> float:
    """Paired randomisation test: how often random signs give a mean as far from 0."""
    from scipy.stats import permutation_test  # type: ignore[import-untyped]

    result = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=_RESAMPLES,
        batch=100,
        rng=np.random.default_rng(_SEED),
    )
    return float(result.pvalue)
