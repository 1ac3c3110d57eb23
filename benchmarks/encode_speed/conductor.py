"""The whole of `experiment=encode_speed`: the timings of every collection first, then the runs.

    <output>/.parts/<collection>-<form>.json          the timings of all variants
             .runs/<collection>/<system>-<variant>/   a whole run, for its effectiveness

Neither is made again where it would be the same, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.encode_speed.effect import EffectRuns, with_tests
from benchmarks.encode_speed.record import (
    FILE_NAME,
    CollectionResult,
    Effect,
    EncodeSpeed,
    FormResult,
    FormSpeed,
)
from benchmarks.encode_speed.report import write_encode_speed_report
from benchmarks.encode_speed.settings import EncodeSpeedSettings
from benchmarks.encode_speed.timings import Timings
from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.config.settings import RunSettings
from colbench.encoder.settings import Form
from colbench.errors import ConfigError, did_you_mean
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.output import file_stem
from colbench.locks import only_run
from colbench.measures.catalogue import check_measures
from colbench.results.checksummed import write_checksummed
from colbench.results.origin import CollectionInfo
from colbench.timing import now

SYSTEMS = {Form.DENSE: "bi_encoder", Form.TOKENS: "colbert_exact"}
"""Which system searches the vectors of a form."""

_CONFIG = ("dataset", "encoder", "encode_speed", "significance", "threads", "seed")
_PARTS, _RUNS = ".parts", ".runs"


@dataclass(frozen=True)
class _Place:
    """One collection: how it is named in files, composed, and what is in it."""

    stem: str
    overrides: list[str]
    settings: RunSettings
    collection: Collection


class Conductor:
    """One run from checked settings to written results.

    Args:
        settings: with `encode_speed`.
        command: the command line, for the results.
        overrides: those of its command line, given to every run.
        extra: further configuration folders.

    Raises:
        ConfigError: no settings of the experiment, or a collection that is not known.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str],
        overrides: Sequence[str],
        extra: Sequence[Path] = (),
    ) -> None:
        speed = settings.feature(EncodeSpeedSettings)
        if speed is None:
            raise ConfigError("task=encode_speed needs encode_speed: use experiment=encode_speed")
        self.settings = settings
        self.speed = speed
        self.command = " ".join(command)
        self.overrides, self.extra = list(overrides), list(extra)
        self.root = settings.output_dir or Path("results/runs/encode_speed/latest")
        self.environment = describe_environment(settings.threads or usable_cores(), settings.seed)
        check_measures([self.speed.measure])
        settings.system.with_parts([SYSTEMS[form] for form in self.speed.forms])
        known = options("dataset", extra)
        for dataset in self.speed.datasets or []:
            if dataset not in known:
                hint = did_you_mean(dataset, known)
                raise ConfigError(f"encode_speed.datasets: unknown dataset '{dataset}': {hint}")

    def run(self) -> tuple[EncodeSpeed, Path]:
        """Measure what is not measured yet, and write everything.

        Raises:
            StorageError: the folder cannot be written, or another run is writing to it.
        """
        with only_run(self.root, self.root / _PARTS):
            return self._run()

    def _run(self) -> tuple[EncodeSpeed, Path]:
        named: list[str | None] = [*(self.speed.datasets or [])] or [None]
        places = [self._place(dataset) for dataset in named]
        # Nothing but the timings runs until all of them are there.
        timings = [
            {form: self._timed(place, form) for form in self.speed.forms} for place in places
        ]
        config = self.settings.model_dump(mode="json")
        results = EncodeSpeed(
            colbench_version=__version__,
            command=self.command,
            created=now(),
            environment=self.environment,
            config={key: config[key] for key in _CONFIG},
            measure=self.speed.measure,
            test=self.settings.significance.test,
            alpha=self.settings.significance.alpha,
            collections=[
                CollectionResult(
                    collection=CollectionInfo.of(place.collection),
                    forms=[self._form(place, form, *part) for form, part in speeds.items()],
                )
                for place, speeds in zip(places, timings, strict=True)
            ],
        )
        write_checksummed(self.root / FILE_NAME, results.model_dump(mode="json"))
        write_encode_speed_report(results, self.root)
        return results, self.root

    def _place(self, dataset: str | None) -> _Place:
        overrides = [*self.overrides, *([f"dataset={dataset}"] if dataset else [])]
        settings = compose_run(overrides, self.extra)
        collection = load_collection(settings.dataset)
        return _Place(file_stem(dataset or collection.name), overrides, settings, collection)

    def _timed(self, place: _Place, form: Form) -> tuple[FormSpeed, str | None]:
        system = SYSTEMS[form]
        encoder, _ = place.settings.system[system].encodings()[0]
        timings = Timings(self.root / _PARTS, place.settings, self.environment)
        return timings.of(place.collection, encoder, form, name=f"{place.stem}-{form.value}")

    def _form(self, place: _Place, form: Form, speed: FormSpeed, commit: str | None) -> FormResult:
        runs = EffectRuns(
            SYSTEMS[form],
            place.overrides,
            self.root / _RUNS / place.stem,
            self.speed.measure,
            self.extra,
        )
        effects: dict[str, Effect] = {}
        values: dict[str, dict[str, float]] = {}
        for variant, timed in zip(self.speed.variants, speed.variants, strict=True):
            if timed.speed is not None:
                effects[variant.name], values[variant.name] = runs.of(variant)
        return FormResult(
            speed=speed,
            commit=commit,
            system=SYSTEMS[form],
            effects=with_tests(
                self.speed.variants[0].name,
                effects,
                values,
                self.speed.measure,
                self.settings.significance,
            ),
        )
