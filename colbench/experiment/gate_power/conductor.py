"""The whole of `experiment=gate_power`, collection after collection.

Runs lie in `<output>/.runs`, one a variant, and are not made again where they would be the same.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from colbench import __version__
from colbench.config.compose import resolved
from colbench.config.gate import load_rules
from colbench.config.gate_power import GatePowerSettings, VariantSettings
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, did_you_mean
from colbench.experiment.described import describe_collection
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.gate_power.trials import (
    Alarms,
    Difference,
    draw,
    draw_signs,
    equal_tolerance,
    judge_trials,
)
from colbench.experiment.gate_power.variants import Values, Variants
from colbench.files import ensure_writable
from colbench.gate.effectiveness import verdicts_of
from colbench.gate.rules import GateRules
from colbench.progress import bar, note
from colbench.report.gate_power import write_gate_power_report
from colbench.results.gate_power import (
    FILE_NAME,
    CollectionPower,
    Detection,
    EqualPower,
    GatePower,
    VariantResult,
)
from colbench.results.sealed import write_sealed

_SEED = 0
RUNS = ".runs"


class Conductor:
    """One run from checked settings to written results.

    Args:
        settings: with `gate_power`.
        command: the command line, for the results.
        words: its words that configure, given to every run.
        extra: further configuration folders.

    Raises:
        ConfigError: what the experiment names does not fit together.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str],
        words: Sequence[str],
        extra: Sequence[Path] = (),
    ) -> None:
        if settings.gate_power is None:
            raise ConfigError("task=gate_power needs gate_power: use experiment=gate_power")
        self.settings = settings
        self.power: GatePowerSettings = settings.gate_power
        self.command = " ".join(command)
        self.words, self.extra = list(words), list(extra)
        self.rules = load_rules(self.power.rules, extra)
        self.root = settings.output_dir or Path("results/runs/gate_power/latest")
        self.measures = list(self.rules.measures)
        self.family = len(self.power.systems) * len(self.measures)
        for name, variant in {**self.power.noise, **self.power.degradations}.items():
            for system in variant.systems:
                if system not in self.power.systems:
                    hint = did_you_mean(system, self.power.systems)
                    raise ConfigError(f"variant {name}: no gate looks at system '{system}': {hint}")

    def run(self) -> tuple[GatePower, Path]:
        """Make the runs that are not there, judge, and write everything."""
        ensure_writable(self.root)
        collections = [self._collection(dataset) for dataset in self.power.datasets]
        results = GatePower(
            colbench_version=__version__,
            command=self.command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            environment=describe_environment(
                self.settings.threads or usable_cores(), self.settings.seed
            ),
            config=resolved(self.settings),
            rules=self.rules.model_dump(mode="json"),
            trials=self.power.trials,
            tolerance=self.power.tolerance,
            collections=collections,
        )
        write_sealed(self.root / FILE_NAME, results.model_dump(mode="json"))
        write_gate_power_report(results, self.root)
        return results, self.root

    def _collection(self, dataset: str) -> CollectionPower:
        runs = Variants(
            dataset, self.settings, self.words, self.root / RUNS, self.measures, self.extra
        )
        plain = runs.plain()
        made = {
            name: _difference(plain, runs.of(name, variant))
            for group in (self.power.noise, self.power.degradations)
            for name, variant in group.items()
        }
        note(f"{dataset}: judging")
        judged = _Judged(self.power, self.rules, self.family, len(runs.collection.queries), made)
        return CollectionPower(
            collection=describe_collection(runs.collection),
            commits=sorted(commit or "unknown" for commit in runs.commits),
            plain={
                system: {measure: float(values.mean()) for measure, values in measures.items()}
                for system, measures in plain.measures.items()
            },
            variants=judged.variants(),
            equal_power=judged.equal_power(),
        )


def _difference(plain: Values, variant: Values) -> Difference:
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
    )


class _Judged:
    """All trials of one collection."""

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
        if kind != "exchanged":
            made = self.made[name]
            found = verdicts_of(made.deltas, self.rules, self.family)
            for (system, measure), delta in made.deltas.items():
                differences.setdefault(system, {})[measure] = float(delta.mean())
                verdicts.setdefault(system, {})[measure] = found[system, measure]
            lost = {system: int(values.sum()) for system, values in made.lost.items()}
        return VariantResult.model_validate(
            {
                "variant": name,
                "about": variant.about,
                "kind": kind,
                "systems": variant.systems,
                "differences": differences,
                "verdicts": verdicts,
                "lost": lost,
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
        """Return, for each number of queries, the tests beside fixed tolerances."""
        return [self._equal(size) for size in self.power.sizes]

    def _equal(self, size: int) -> EqualPower:
        of = {
            kind: [alarms for (k, _, n), alarms in self.alarms.items() if (k, n) == (kind, size)]
            for kind in ("noise", "degradation", "exchanged")
        }

        def tests(kind: str) -> float:
            return float(np.mean([alarms.tests.mean() for alarms in of[kind]]))

        def fixed(kind: str, tolerance: float) -> float:
            return float(np.mean([(alarms.drop > tolerance).mean() for alarms in of[kind]]))

        power = tests("degradation")
        # Just below: a drop has to be larger than the tolerance.
        equal = equal_tolerance([alarms.drop for alarms in of["degradation"]], power) - 1e-12
        declared = self.power.tolerance
        return EqualPower(
            queries=size,
            power=power,
            tests_noise=tests("noise"),
            tests_exchanged=tests("exchanged"),
            fixed_power=fixed("degradation", declared),
            fixed_noise=fixed("noise", declared),
            fixed_exchanged=fixed("exchanged", declared),
            equal_tolerance=equal,
            equal_noise=fixed("noise", equal),
            equal_exchanged=fixed("exchanged", equal),
        )
