"""Paired significance tests of systems against a reference, corrected for their number.

One measure is primary: it is what the question is about. Its tests, one a system, are a family of
their own. All others, of every other system and measure, are secondary and corrected among
themselves. Correction: Holm, "A simple sequentially rejective multiple test procedure",
Scandinavian Journal of Statistics 6 (1979). Not counted is what could never be shown: a test of
values that differ on no query (its least attainable p-value is 1: Tarone, "A modified Bonferroni
method for discrete data", Biometrics 46, 1990). Nor is a measure tested that says nothing of a
ranking, such as recall@1000 of 300 documents.

The randomisation test is scipy's: ranx's draws differ from call to call, and it can report p = 0.
Which tests suit retrieval: Smucker, Allan and Carterette, CIKM 2007. Where fewer queries differ
than random signs would need, nothing is significant, whatever a t test says: three differences that
happen to be equal have p = 0.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from statistics import NormalDist
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.measures.bootstrap import mean_difference
from colbench.measures.ties import TIE, outcomes
from colbench.records import Record

Test = Literal["student", "fisher"]

_RESAMPLES = 10_000
_SEED = 42


MARGIN = 0.005
"""Smallest difference of a measure that matters: half a point."""

Verdict = Literal["better", "worse", "alike", "open"]

Cell = TypeVar("Cell")

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""system → measure → query id → value"""


class Significance(Record):
    """Paired test of one measure against the reference."""

    difference: float = Field(description="mean of this system minus mean of the reference")
    low: float | None = Field(
        None, description="lower limit of the difference: bootstrap (BCa), 95 %, not corrected"
    )
    high: float | None = Field(None, description="upper limit, as `low`")
    p_value: float | None = Field(
        description="two-sided, uncorrected; null with a single query, and where the measure says "
        "nothing of a ranking"
    )
    p_holm: float | None = Field(
        description="Holm-corrected over its family: the primary measure of all systems, or all "
        "secondary tests"
    )
    significant: bool = Field(
        description="p_holm at most the experiment's alpha, and enough queries differ"
    )
    wins: int = Field(description="queries on which this system is better, by more than a tie")
    ties: int = Field(description="queries on which they differ by at most 1e-9")
    losses: int = Field(description="queries on which the reference is better")
    primary: bool | None = Field(
        None,
        description="whether the measure is the primary one; null in results of an earlier "
        "colbench, which corrected over every system and measure together",
    )
    verdict: Verdict | None = Field(
        None,
        description="better and worse: significant; alike: not, and the interval lies within the "
        "smallest difference that matters; open: too few queries to tell",
    )
    more_queries: int | None = Field(
        None,
        description="of an open verdict: about how many more queries like these would show a "
        "difference as large as the one seen",
    )


def compare_to_reference(
    reference: str,
    per_query: Scores,
    measures: Sequence[str],
    test: Test = "student",
    alpha: float = 0.05,
    *,
    primary: str | None = None,
    untested: Collection[str] = (),
    margin: float = MARGIN,
) -> dict[str, dict[str, Significance]]:
    """Compare every system but the reference on every measure.

    Args:
        reference: a system of `per_query`.
        per_query: system → measure → query id → value.
        measures: the measures to compare.
        test: "student" for the paired t-test, "fisher" for the paired randomisation test (10 000
            draws from a fixed seed, all sign patterns where there are no more than that).
        alpha: level of each of the two families, the primary measure's and that of all others.
        primary: the measure with a family to itself; the first where None.
        untested: measures that say nothing of a ranking: compared, and not tested.
        margin: smallest difference that matters.

    Returns:
        system → measure → result, in the order given.

    Raises:
        ConfigError: the reference is not among the systems.
        DataError: two systems were not evaluated on the same queries.
    """
    if reference not in per_query:
        raise ConfigError(f"unknown reference '{reference}': {did_you_mean(reference, per_query)}")
    systems = [system for system in per_query if system != reference]
    first = primary or next(iter(measures), None)
    compared = {
        (system, name): compare_values(
            paired_differences(per_query, system, reference, name),
            test,
            primary=name == first,
            tested=name not in untested,
        )
        for system in systems
        for name in measures
    }
    judged = judge(compared, alpha, margin)
    return {system: {name: judged[system, name] for name in measures} for system in systems}


def compare_values(
    differences: NDArray[np.float64], test: Test, *, primary: bool, tested: bool = True
) -> Significance:
    """Return the test of one system on one measure, uncorrected and without a verdict.

    Args:
        differences: this system's values minus the reference's, shape (queries,).
        test: as in `compare_to_reference`.
        primary: whether the measure is the primary one.
        tested: whether it says anything of a ranking.
    """
    interval = mean_difference(differences, np.zeros_like(differences))
    return Significance(
        difference=float(differences.mean()),
        low=interval.low,
        high=interval.high,
        p_value=two_sided_p(differences, test) if tested else None,
        p_holm=None,
        significant=False,
        primary=primary,
        **outcomes(differences)._asdict(),
    )


def judge(
    compared: Mapping[Cell, Significance],
    alpha: float,
    margin: float = MARGIN,
) -> dict[Cell, Significance]:
    """Correct tests within their families, and say what they show.

    Args:
        compared: any key → its test, of `compare_values`.
        alpha: level of each family.
        margin: smallest difference that matters.
    """
    judged: dict[Cell, Significance] = {}
    for primary in (True, False):
        members = {cell: test for cell, test in compared.items() if bool(test.primary) == primary}
        counted = [cell for cell, test in members.items() if is_counted(test)]
        p_values = [members[cell].p_value or 0.0 for cell in counted]
        corrected = dict(zip(counted, holm(p_values), strict=True))
        for cell, test in members.items():
            p_holm = corrected.get(cell, test.p_value)
            judged[cell] = _judged(test, p_holm, len(counted), alpha, margin)
    return {cell: judged[cell] for cell in compared}


def is_counted(test: Significance) -> bool:
    """Return whether a correction counts a test: it is one, and some query differs."""
    return test.p_value is not None and bool(test.wins or test.losses)


def _judged(
    test: Significance, p_holm: float | None, family: int, alpha: float, margin: float
) -> Significance:
    queries = test.wins + test.ties + test.losses
    least = least_queries(family, alpha)
    significant = p_holm is not None and p_holm <= alpha and test.wins + test.losses >= least
    verdict: Verdict | None = None
    more = None
    if significant:
        verdict = "better" if test.difference > 0 else "worse"
    elif test.p_value is not None or queries == 1:
        within = test.low is not None and test.high is not None
        within = within and max(-(test.low or 0.0), test.high or 0.0) <= margin + TIE
        verdict = "alike" if within and queries >= least else "open"
    if verdict == "open":
        more = _more_queries(test, queries, family, alpha)
    return test.model_copy(
        update={
            "p_holm": p_holm,
            "significant": significant,
            "verdict": verdict,
            "more_queries": more,
        }
    )


def least_queries(tests: int, alpha: float, sides: int = 2) -> int:
    """Return how many queries it takes at least to show a difference.

    Random signs of n queries agree with probability `sides` × 2^-n; Holm's correction divides the
    level by the number of tests.

    >>> least_queries(1, 0.05), least_queries(8, 0.05), least_queries(8, 0.05, sides=1)
    (6, 9, 8)
    """
    return math.ceil(math.log2(sides * max(tests, 1) / alpha))


def too_few_sentence(queries: int, tests: int, alpha: float) -> str | None:
    """Say that the queries are too few to show anything; None where they are not.

    >>> too_few_sentence(300, 3, 0.05) is None
    True
    >>> too_few_sentence(4, 1, 0.05)
    'too few queries to tell: 4 cannot show any difference, 1 test at level 0.05 needs at least 6'
    """
    least = least_queries(tests, alpha)
    if not tests or queries >= least:
        return None
    need = "1 test" if tests == 1 else f"{tests} tests"
    return (
        f"too few queries to tell: {queries} cannot show any difference, {need} at level "
        f"{alpha:g} need{'s' * (tests == 1)} at least {least}"
    )


def _more_queries(test: Significance, queries: int, family: int, alpha: float) -> int | None:
    """Return about how many more queries would show a difference like this one.

    By the normal approximation; the standard error is read from the interval. None where there is
    no difference or no interval.
    """
    if abs(test.difference) <= TIE or test.low is None or test.high is None:
        return None
    error = (test.high - test.low) / (2 * NormalDist().inv_cdf(0.975))
    level = NormalDist().inv_cdf(1 - alpha / max(family, 1) / 2)
    needed = math.ceil(queries * (level * error / test.difference) ** 2)
    return max(max(needed, least_queries(family, alpha)) - queries, 1)


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


def paired_differences(
    per_query: Scores, system: str, reference: str, measure: str
) -> NDArray[np.float64]:
    """Return system minus reference per query, in the reference's order of queries.

    Args:
        per_query: system → measure → query id → value.
        system: one of them.
        reference: another one.
        measure: that both have values of.

    Returns:
        float64, shape (queries,).

    Raises:
        DataError: they have values for different queries, or for none.
    """
    ours, theirs = per_query[system][measure], per_query[reference][measure]
    if ours.keys() != theirs.keys() or not theirs:
        raise DataError(
            f"cannot compare '{system}' with '{reference}' on '{measure}': they have values for "
            "different queries; evaluate both with the same judgments"
        )
    return np.array([ours[query_id] - value for query_id, value in theirs.items()])


def two_sided_p(differences: NDArray[np.float64], test: Test) -> float | None:
    """Return the two-sided p-value of a mean of 0, uncorrected; None with a single query.

    Args:
        differences: one value a query, shape (queries,).
        test: as in `compare_to_reference`.
    """
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
        batch=2000,
        rng=np.random.default_rng(_SEED),
    )
    return float(result.pvalue)
