"""The whole of `experiment=gate_power`, collection after collection.

Runs lie in `<output>/.runs`, one per variant, and are not made again where they would be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gate_power.differences import difference_of
from benchmarks.gate_power.judged import Judged
from benchmarks.gate_power.record import (
    FILE_NAME,
    CollectionPower,
    GatePower,
)
from benchmarks.gate_power.report import write_gate_power_report
from benchmarks.gate_power.settings import GatePowerSettings
from benchmarks.gate_power.variants import Variants
from colbench import __version__
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, did_you_mean
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.gate.rules import load_rules
from colbench.locks import only_run
from colbench.progress import note
from colbench.results.checksummed import write_checksummed
from colbench.results.origin import CollectionInfo
from colbench.timing import now

RUNS = ".runs"


class Conductor:
    """One run from checked settings to written results.

    Args:
        settings: with `gate_power`.
        command: the command line, for the results.
        overrides: those of its command line, given to every run.
        extra: further configuration folders.

    Raises:
        ConfigError: what the experiment names does not fit together.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str],
        overrides: Sequence[str],
        extra: Sequence[Path] = (),
    ) -> None:
        power = settings.feature(GatePowerSettings)
        if power is None:
            raise ConfigError("task=gate_power needs gate_power: use experiment=gate_power")
        self.settings = settings
        self.power = power
        self.command = " ".join(command)
        self.overrides, self.extra = list(overrides), list(extra)
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
        """Make the runs that are not there, judge, and write everything.

        Raises:
            StorageError: the folder cannot be written, or another run is writing to it.
        """
        with only_run(self.root, self.root / RUNS):
            return self._run()

    def _run(self) -> tuple[GatePower, Path]:
        collections = [self._collection(dataset) for dataset in self.power.datasets]
        results = GatePower(
            colbench_version=__version__,
            command=self.command,
            created=now(),
            environment=describe_environment(
                self.settings.threads or usable_cores(), self.settings.seed
            ),
            config=self.settings.model_dump(mode="json"),
            rules=self.rules.model_dump(mode="json"),
            trials=self.power.trials,
            tolerance=self.power.tolerance,
            collections=collections,
        )
        write_checksummed(self.root / FILE_NAME, results.model_dump(mode="json"))
        write_gate_power_report(results, self.root)
        return results, self.root

    def _collection(self, dataset: str) -> CollectionPower:
        runs = Variants(
            dataset, self.settings, self.overrides, self.root / RUNS, self.measures, self.extra
        )
        plain = runs.plain()
        made = {
            name: runs.of(name, variant)
            for group in (self.power.noise, self.power.degradations)
            for name, variant in group.items()
        }
        differences = {
            name: difference_of(plain, values, self.rules) for name, values in made.items()
        }
        commits = {
            values.results.environment.git_commit or "unknown" for values in (plain, *made.values())
        }
        note(f"{dataset}: judging")
        judged = Judged(
            self.power, self.rules, self.family, len(runs.collection.queries), differences
        )
        return CollectionPower(
            collection=CollectionInfo.of(runs.collection),
            commits=sorted(commits),
            plain={
                system: {measure: float(values.mean()) for measure, values in measures.items()}
                for system, measures in plain.measures.items()
            },
            variants=judged.variants(),
            equal_power=judged.equal_power(),
        )
