"""All trials of one collection, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from benchmarks.gate_power.record import Detection, EqualPower, VariantResult
from benchmarks.gate_power.settings import GatePowerSettings, VariantSettings
from benchmarks.gate_power.trials import (
    Alarms,
    Difference,
    draw,
    draw_signs,
    equal_tolerance,
    judge_trials,
)
from colbench.gate.effectiveness import verdicts_of
from colbench.gate.rules import GateRules
from colbench.progress import bar

Rule = Literal["tests", "gate", "fixed"]

_SEED = 0


class Judged:
    """All trials of one collection.

    Args:
        power: the experiment's settings.
        rules: of the gates.
        family: tests of each gate.
        queries: queries of the collection.
        made: variant → how it differs from the plain run.
    """

    def __init__(
        self,
        power: GatePowerSettings,
        rules: GateRules,
        family: int,
        queries: int,
        made: Mapping[str, Difference],
    ) -> None:
        self.power, self.rules, self.family = power, rules, family
        self.made = made
        self.alarms: dict[tuple[str, str, int], Alarms] = {}
        kinds = {"noise": power.noise, "degradation": power.degradations}
        kinds["exchanged"] = power.degradations
        todo = [(kind, name, n) for kind in kinds for name in kinds[kind] for n in power.sizes]
        for kind, name, size in bar(todo, description="judging", unit="gate"):
            drawn = draw(queries, size, power.trials, _SEED)
            signs = draw_signs(power.trials, size, _SEED) if kind == "exchanged" else None
            self.alarms[kind, name, size] = judge_trials(made[name], drawn, rules, family, signs)

    def variants(self) -> list[VariantResult]:
        """Return noise, degradations, and these exchanged."""
        noise, degradations = self.power.noise, self.power.degradations
        return [
            *(self._variant("noise", name, variant) for name, variant in noise.items()),
            *(self._variant("degradation", name, v) for name, v in degradations.items()),
            *(self._variant("exchanged", name, v) for name, v in degradations.items()),
        ]

    def _variant(self, kind: str, name: str, variant: VariantSettings) -> VariantResult:
        differences: dict[str, dict[str, float]] = {}
        verdicts: dict[str, dict[str, str]] = {}
        lost: dict[str, int] = {}
        identity: dict[str, int] = {}
        if kind != "exchanged":
            made = self.made[name]
            judged = verdicts_of(made.deltas, self.rules, self.family)
            for (system, measure), delta in made.deltas.items():
                differences.setdefault(system, {})[measure] = float(delta.mean())
                verdicts.setdefault(system, {})[measure] = judged[system, measure]
            lost = {system: int(values.sum()) for system, values in made.lost.items()}
            identity = {system: int(values.sum()) for system, values in made.differs.items()}
        return VariantResult.model_validate(
            {
                "variant": name,
                "about": variant.about,
                "kind": kind,
                "systems": variant.systems,
                "differences": differences,
                "verdicts": verdicts,
                "lost": lost,
                "identity": identity,
                "detections": [self._detection(kind, name, size) for size in self.power.sizes],
            }
        )

    def _detection(self, kind: str, name: str, size: int) -> Detection:
        alarms = self.alarms[kind, name, size]
        return Detection(
            queries=size,
            tests=float(alarms.tests.mean()),
            gate=float(alarms.gate.mean()),
            tolerance=float((alarms.drop > self.power.tolerance).mean()),
        )

    def equal_power(self) -> list[EqualPower]:
        """Return, for each number of queries, each way to judge beside a tolerance of its power."""
        rules: tuple[Rule, ...] = ("tests", "gate", "fixed")
        return [self._equal(size, rule) for size in self.power.sizes for rule in rules]

    def _equal(self, size: int, rule: Rule) -> EqualPower:
        def share(kind: str, tolerance: float | None) -> float:
            """Return the mean share of alarms; by a fixed tolerance where one is given."""
            shares = [
                (alarms.drop > tolerance).mean()
                if tolerance is not None
                else (alarms.tests if rule == "tests" else alarms.gate).mean()
                for alarms in self._of(kind, size)
            ]
            return float(np.mean(shares))

        own = self.power.tolerance if rule == "fixed" else None
        power = share("degradation", own)
        equal = None
        if rule != "fixed":
            drops = [alarms.drop for alarms in self._of("degradation", size)]
            # Just below: a drop has to be larger than the tolerance.
            equal = max(equal_tolerance(drops, power) - 1e-12, 0.0)
        return EqualPower(
            queries=size,
            rule=rule,
            power=power,
            noise=share("noise", own),
            exchanged=None if rule == "gate" else share("exchanged", own),
            equal_tolerance=equal,
            equal_noise=None if equal is None else share("noise", equal),
            equal_exchanged=None if equal is None else share("exchanged", equal),
        )

    def _of(self, kind: str, size: int) -> list[Alarms]:
        return [alarms for (k, _, n), alarms in self.alarms.items() if (k, n) == (kind, size)]
