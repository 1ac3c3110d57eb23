"""How a variant's rankings differ from the plain run's, as a gate sees it."""

from __future__ import annotations

from colbench.experiment.gate_power.trials import Difference
from colbench.experiment.gate_power.variants import Values
from colbench.gate.identity import why_not_exact
from colbench.gate.rules import GateRules
from colbench.results.schema import Results


def difference_of(plain: Values, variant: Values, rules: GateRules) -> Difference:
    """Return the differences of values, the queries lost, and those an exact path must not have."""
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
            system: digests != plain.digests[system]
            for system, digests in variant.digests.items()
            if _is_exact(system, plain.results, variant.results, rules)
        },
    )


def _is_exact(system: str, plain: Results, variant: Results, rules: GateRules) -> bool:
    before, after = (
        next(found for found in results.systems if found.name == system)
        for results in (plain, variant)
    )
    if str(before.config.get("kind")) not in rules.exact:
        return False
    return not why_not_exact(before, after, plain, variant)
