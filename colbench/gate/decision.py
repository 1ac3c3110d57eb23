"""What a paired test decides, against the smallest drop that matters.

- regressed: the mean is lower by at least the smallest drop that matters, and the drop is shown
  (one-sided, Holm-corrected over everything tested, at the rules' alpha);
- improved: the same upwards;
- unchanged: neither, and the one-sided lower limit of the mean difference lies above that drop
  (a test of non-inferiority, not corrected);
- inconclusive: neither shown nor excluded.

A large drop that chance explains is inconclusive, and so is a drop that is shown but of which it is
open whether it is large enough to matter: no tolerance is widened to let either pass. The tests are
those of `colbench.measures.paired`. The limit is of queries like these: of a kind of query that is
not among them nothing is known, and where only a handful differ it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colbench.gate.record import Verdict
from colbench.gate.rules import GateRules
from colbench.measures.paired import PairedTest, paired_tests
from colbench.measures.significance import holm
from colbench.measures.ties import TIE


def draws(rules: GateRules, tests: int) -> int:
    """Return how many draws a gate of so many tests needs: p-values end at one over them."""
    return max(rules.resamples, math.ceil(2 * tests / rules.alpha))


def least_queries(tests: int, alpha: float) -> int:
    """Return how many queries it takes at least to show a drop: n random signs end at 2^-n.

    >>> least_queries(1, 0.05), least_queries(8, 0.05)
    (5, 8)
    """
    return math.ceil(math.log2(max(tests, 1) / alpha))


class Corrected(NamedTuple):
    """Holm-corrected p-values of one test.

    Attributes:
        drop: of "the mean is not below 0".
        rise: of "the mean is not above 0".
    """

    drop: float
    rise: float


def correct(tests: Sequence[PairedTest], family: int) -> list[Corrected]:
    """Correct the tests of a gate; those of its family that are not given have no difference."""
    untouched = [1.0] * (family - len(tests))
    drops = holm([test.p_drop for test in tests] + untouched)
    rises = holm([test.p_rise for test in tests] + untouched)
    return [Corrected(*both) for both in zip(drops, rises, strict=True)][: len(tests)]


def decide(test: PairedTest, p: Corrected, smallest: float, alpha: float) -> Verdict:
    """Return the verdict of a test.

    >>> shown = PairedTest(-0.02, -0.03, -0.01, 0.001, 1.0, 0.1)
    >>> decide(shown, Corrected(0.004, 1.0), smallest=0.005, alpha=0.05)
    'regressed'
    >>> decide(shown, Corrected(0.004, 1.0), smallest=0.05, alpha=0.05)
    'unchanged'
    >>> decide(shown, Corrected(0.2, 1.0), smallest=0.005, alpha=0.05)
    'inconclusive'
    """
    if matters(test, smallest) and p.drop <= alpha:
        return "regressed"
    if test.mean >= smallest - TIE and p.rise <= alpha:
        return "improved"
    excluded = test.low is not None and test.low > -smallest + TIE
    return "unchanged" if excluded else "inconclusive"


def matters(test: PairedTest, smallest: float) -> bool:
    """Return whether the mean is lower by at least the smallest drop that matters."""
    return test.mean <= -smallest + TIE


def verdicts_of(
    differences: Mapping[tuple[str, str], NDArray[np.float64]], rules: GateRules, family: int
) -> dict[tuple[str, str], Verdict]:
    """Judge differences of single queries, (system, measure) → float64 array (queries,).

    Args:
        differences: candidate minus baseline, of systems that a test judges.
        rules: of the gate.
        family: tests that the correction counts, at least as many as there are differences; those
            beyond are of systems without a difference.
    """
    tests = paired_tests(
        np.array(list(differences.values())).T,
        alpha=rules.alpha,
        resamples=draws(rules, family),
        seed=rules.seed,
    )
    return {
        cell: decide(test, p, rules.measures[cell[1]], rules.alpha)
        for cell, test, p in zip(differences, tests, correct(tests, family), strict=True)
    }


def queries_needed(test: PairedTest, smallest: float, alpha: float, tests: int) -> int | None:
    """Return about how many queries would decide, if they are like those seen.

    By the normal approximation: enough for the drop to be shown, where the mean is low enough to
    matter, else enough to exclude one that does; and never fewer than can show anything.

    Args:
        test: what was seen.
        smallest: smallest drop that matters.
        alpha: level of the gate.
        tests: how many tests share it.

    Returns:
        None where nothing can be said: the mean lies on the border.

    >>> queries_needed(PairedTest(0.0, -0.01, 0.01, 0.5, 0.5, 0.1), 0.005, 0.05, 1)
    1083
    """
    low_enough = matters(test, smallest)
    level = 1 - alpha / tests if low_enough else 1 - alpha
    distance = -test.mean if low_enough else test.mean + smallest
    if distance <= TIE:
        return None
    wanted = math.ceil((NormalDist().inv_cdf(level) * test.deviation / distance) ** 2)
    return max(wanted, least_queries(tests, alpha))
