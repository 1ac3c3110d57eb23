"""What gates of resampled sets of queries say: the gate's own tests, its guard, a fixed tolerance.

The queries of a collection are taken as the population, and a trial draws queries from it with
replacement. Every gate of a trial looks at all systems; those that a variant does not touch count
in the correction for the number of tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colbench.gate.effectiveness import correct, decide, draws
from colbench.gate.guards import lost_limit
from colbench.gate.rules import GateRules
from colbench.measures.paired import paired_tests

_COLUMNS = 400
"""Tests whose draws are held at a time."""


@dataclass(frozen=True)
class Difference:
    """A variant against the plain run.

    Attributes:
        deltas: (system, measure) → variant minus plain, float64 array of shape (queries,).
        lost: system → whether an answered query is no longer, shape (queries,).
        differs: deterministic system that has to be identical → whether a query is ranked
            differently, shape (queries,).
    """

    deltas: Mapping[tuple[str, str], NDArray[np.float64]]
    lost: Mapping[str, NDArray[np.bool_]]
    differs: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Alarms:
    """What each trial's gates say of one variant; boolean arrays of shape (trials,).

    Attributes:
        tests: at least one verdict "regressed".
        gate: such a verdict, too many lost queries, or a deterministic system that is not
            identical.
        drop: largest drop of a mean over systems and measures, float64.
    """

    tests: NDArray[np.bool_]
    gate: NDArray[np.bool_]
    drop: NDArray[np.float64]


def draw(queries: int, size: int, trials: int, seed: int) -> NDArray[np.int64]:
    """Return the queries of every trial, shape (trials, size)."""
    return np.random.default_rng([seed, size]).integers(0, queries, (trials, size))


def judge_trials(
    difference: Difference,
    drawn: NDArray[np.int64],
    rules: GateRules,
    family: int,
    signs: NDArray[np.float64] | None = None,
) -> Alarms:
    """Return what the gates of all trials say.

    Args:
        difference: over all queries.
        drawn: queries of each trial, shape (trials, size).
        rules: of the gate.
        family: number of tests of each gate, those of untouched systems included.
        signs: of `draw_signs`, to exchange the runs; nothing but the tests is asked then.
    """
    trials, size = drawn.shape
    turned = 1.0 if signs is None else signs
    samples = {
        cell: delta[drawn] * turned
        for cell, delta in difference.deltas.items()
        if np.abs(delta).max() > 0
    }
    drop = -np.min([np.zeros(trials), *(s.mean(axis=1) for s in samples.values())], axis=0)
    guarded = np.zeros(trials, dtype=np.bool_)
    if signs is None:
        for lost in difference.lost.values():
            if rules.lost_queries is not None:
                guarded |= lost[drawn].sum(axis=1) > lost_limit(rules.lost_queries, size)
        for differs in difference.differs.values():
            guarded |= differs[drawn].any(axis=1)
    tests = _regressed(samples, trials, rules, family)
    return Alarms(tests=tests, gate=tests | guarded, drop=drop)


def _regressed(
    samples: Mapping[tuple[str, str], NDArray[np.float64]],
    trials: int,
    rules: GateRules,
    family: int,
) -> NDArray[np.bool_]:
    """Judge samples of shape (trials, size); return whether any test of a trial says regressed."""
    regressed = np.zeros(trials, dtype=np.bool_)
    if not samples:
        return regressed
    smallest = [rules.measures[measure] for _, measure in samples]
    at_once = max(1, _COLUMNS // len(samples))
    for start in range(0, trials, at_once):
        block = np.stack([sample[start : start + at_once] for sample in samples.values()], axis=1)
        columns = block.reshape(-1, block.shape[-1]).T
        tests = paired_tests(
            columns, alpha=rules.alpha, resamples=draws(rules, family), seed=rules.seed
        )
        for trial in range(len(block)):
            own = tests[trial * len(samples) : (trial + 1) * len(samples)]
            regressed[start + trial] = any(
                decide(test, p, least, rules.alpha) == "regressed"
                for test, p, least in zip(own, correct(own, family), smallest, strict=True)
            )
    return regressed


def draw_signs(trials: int, size: int, seed: int) -> NDArray[np.float64]:
    """Return 1 or -1 for every query of every trial: -1 exchanges the two runs there.

    Rankings then differ as much as before, and neither run is better.
    """
    random = np.random.default_rng([seed, size, 1])
    return random.integers(0, 2, (trials, size)).astype(np.float64) * 2 - 1


def equal_tolerance(drops: Sequence[NDArray[np.float64]], power: float) -> float:
    """Return the tolerance that detects a share `power` of degradations, on the mean.

    Args:
        drops: for each degradation, the largest drop in every trial.
        power: share to detect.
    """
    every = np.sort(np.concatenate(list(drops)))
    return max(float(np.quantile(every, 1 - power, method="higher")), 0.0)
