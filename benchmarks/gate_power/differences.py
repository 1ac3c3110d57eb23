"""How a variant's rankings differ from the plain run's, as a gate sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_power.trials import Difference
from benchmarks.gate_power.variants import Values
from colbench.gate.identity import holds_vectors, why_not_exact
from colbench.gate.rules import GateRules
from colbench.measures.ties import TIE
from colbench.results.schema import Results


def difference_of(plain: Values, variant: Values, rules: GateRules) -> Difference:
    """Return the differences of values, the queries lost, and those a deterministic system must not
    have."""
    return Difference(
        deltas={
            (system, measure): values - plain.measures[system][measure]
            for system, measures in variant.measures.items()
            for measure, values in measures.items()
        },
        lost={
            system: plain.answered[system] & ~answered
            for system, answered in variant.answered.items()
        },
        differs={
            system: _moved(system, plain, variant)
            for system in variant.digests
            if _is_exact(system, plain.results, variant.results, rules)
        },
    )


def _moved(system: str, plain: Values, variant: Values) -> NDArray[np.bool_]:
    """Return the queries on which a deterministic system is not identical, shape (queries,)."""
    moved = np.zeros(len(variant.digests[system]), dtype=np.bool_)
    for measure, values in variant.measures[system].items():
        moved |= np.abs(values - plain.measures[system][measure]) > TIE
    before = next(s for s in plain.results.systems if s.name == system)
    if not holds_vectors(before):
        moved |= variant.digests[system] != plain.digests[system]
    return moved


def _is_exact(system: str, plain: Results, variant: Results, rules: GateRules) -> bool:
    before, after = (
        next(candidate for candidate in results.systems if candidate.name == system)
        for results in (plain, variant)
    )
    if str(before.config.get("kind")) not in rules.exact:
        return False
    return not why_not_exact(before, after, plain, variant)
