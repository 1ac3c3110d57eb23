"""The conductor of a sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.collection.snapshot import write_snapshot
from colbench.config.settings import RunSettings
from colbench.errors import ConfigError, StorageError, did_you_mean
from colbench.experiment.job import Failure
from colbench.experiment.output import OutputFolder, file_stem
from colbench.experiment.plan import choose_depth, choose_measures
from colbench.experiment.runner import Runner
from colbench.experiment.spawn import run_job
from colbench.experiment.store import machine, work_key
from colbench.paths import own_folder, remove_made
from colbench.progress import note
from colbench.results.schema import Results
from colbench.retriever.base import SystemSettings
from colbench.sweep.rows import OVERLAP, add_variants
from colbench.sweep.settings import SweepSettings, Variant, sweep_variants
from colbench.sweep.store import read_variant
from colbench.sweep.task import SweepReply, SweepTask, VariantRecord, VariantTask

VARIANTS = ".variants"
MEASURE = "colbench.sweep.measure:measure_variants"


class SweepRunner(Runner):
    """A run whose systems are references, with the variants of a system beside them."""

    def __init__(self, settings: RunSettings, command: Sequence[str] = ()) -> None:
        sweep = settings.feature(SweepSettings)
        if sweep is None:
            raise ConfigError("task=sweep needs sweep: use experiment=sweep_search, or set sweep")
        # The stages of a reference are not searched: a sweep has no use for them.
        alone = settings.latency.model_copy(update={"clients": []})
        super().__init__(
            settings.model_copy(update={"attribution": False, "latency": alone}), command
        )
        self._asked_for_load = bool(settings.latency.clients)
        self.sweep = sweep
        self.variants = sweep_variants(sweep, settings.system)
        settings.system.with_parts(self._at_work())  # checked before any work

    def _at_work(self) -> list[str]:
        parts = [part for variant in self.variants for part in variant.settings.parts()]
        return [*self.settings.systems, *dict.fromkeys(parts)]

    def run(self) -> tuple[Results, Path]:
        """Measure what is not measured yet; return the results and their folder.

        Raises:
            ColbenchError: anything the user can act on, before results are written.
        """
        self._load()
        if self._asked_for_load:
            self._note("latency.clients is left out: a sweep measures single queries alone")
        self.measure = self._chosen_measure()
        root = self.settings.output_dir or self._default_folder()
        self.output = OutputFolder(root)
        self.kept = root / VARIANTS
        for own in (self.kept, self.kept / "indexes"):
            own_folder(own)
        with self.output.claimed():
            write_snapshot(self.collection, self.output.work / "collection")
            outcomes, variants = self._measure(), self._measured_variants()
            results = add_variants(
                self._results(outcomes),
                self.sweep,
                self.measure,
                variants,
                depth=self.depth,
            )
            self._publish(results)
        return results, root

    def _default_folder(self) -> Path:
        return Path("results/runs") / file_stem(self.experiment) / file_stem(self.collection.name)

    def _chosen_measure(self) -> str:
        if not self.collection.is_judged:
            return OVERLAP
        measure = self.sweep.measure or self.measures[0]
        if measure not in self.measures:
            hint = did_you_mean(measure, self.measures)
            raise ConfigError(f"sweep.measure: '{measure}' is not among the measures: {hint}")
        docs = len(self.collection.documents)
        for variant in self.variants:
            try:
                possible, _ = choose_measures(self.measures, self._depth(variant), docs)
            except ConfigError as error:
                raise ConfigError(f"sweep variant {variant.name}: {error}") from None
            if measure not in possible:
                raise ConfigError(
                    f"sweep variant {variant.name}: {measure} looks deeper than k={variant.k}; "
                    "choose another sweep.measure"
                )
        return measure

    def _depth(self, variant: Variant) -> int:
        return (
            self.depth
            if variant.k is None
            else choose_depth(variant.k, len(self.collection.documents))
        )

    def _exact_reference(self) -> str | None:
        """Return the reference that searches all documents exactly, if there is one."""
        for name in self.settings.systems:
            values = self.settings.system[name].model_dump()
            if values["kind"] == "colbert_exact" and values["precision"] == "fp16":
                return name
        return None

    def _finished(self, name: str) -> Path:
        """Return where a reference is kept; a sweep keeps them as it keeps its variants."""
        settings = {
            n: [s.model_dump(mode="json"), s.outside()]
            for n, s in self.settings.system.with_parts([name]).items()
        }
        return self.kept / f"reference-{self._key(settings, self.depth)}"

    def _measured_variants(self) -> list[tuple[Variant, VariantRecord | Failure]]:
        files = {variant.name: self._record(variant) for variant in self.variants}
        held = {variant.name: read_variant(files[variant.name]) for variant in self.variants}
        missing = [variant for variant in self.variants if held[variant.name] is None]
        if len(missing) < len(self.variants):
            note(f"{len(self.variants) - len(missing)} variants were measured before")
        failures = self._measure_variants(missing, files) if missing else {}
        measured: list[tuple[Variant, VariantRecord | Failure]] = []
        for variant in self.variants:
            found = failures.get(variant.name) or held[variant.name]
            found = found or read_variant(files[variant.name])
            if found is None:
                raise StorageError(f"{files[variant.name]} could not be read back: check the disk")
            measured.append((variant, found))
        return measured

    def _record(self, variant: Variant) -> Path:
        used = [variant.settings]
        for part in variant.settings.parts():
            used += self.settings.system.with_parts([part]).values()
        if (exact := self._exact_reference()) is not None:
            used.append(self.settings.system[exact])
        settings = [
            [system.model_dump(mode="json", exclude={"about"}), system.outside()] for system in used
        ]
        return self.kept / f"{self._key(settings, self._depth(variant))}.json"

    def _measure_variants(
        self, variants: Sequence[Variant], records: Mapping[str, Path]
    ) -> dict[str, Failure]:
        """Measure variants, each of which leaves a record; return the failures of the others.

        What the process ends of is the failure of the variants at work then; the others go on in
        another process.
        """
        fresh, failures = self._encode_for(variants)
        while left := [
            variant
            for variant in variants
            if variant.name not in failures and read_variant(records[variant.name]) is None
        ]:
            outcome, at_work = self._measure_together(left, records, fresh=fresh)
            if not isinstance(outcome, Failure):
                break
            names = [variant.name for variant in left]
            for name in [name for name in names if name in at_work] or names:
                failures[name] = outcome
                self._accept(name, outcome)
        if not self.settings.keep_indexes:
            remove_made(self.kept / "indexes", inside=self.kept)
        return failures

    def _measure_together(
        self, variants: Sequence[Variant], records: Mapping[str, Path], *, fresh: bool
    ) -> tuple[SweepReply | Failure, list[str]]:
        """Measure variants in one process; return its outcome and which of them it was last at."""
        exact = self._exact_reference()
        run_file = self.output.run_file(exact) if exact else None
        if self.exact is not None and not (run_file and run_file.is_file()):
            exact, run_file = self.exact
        at_work = self.output.work / "replies" / "at_work.json"
        task = SweepTask(
            variants=[
                VariantTask(
                    name=variant.name, depth=self._depth(variant), record=records[variant.name]
                )
                for variant in variants
            ],
            measures=self.measures,
            measure=self.measure,
            latency=self.settings.latency,
            reference=exact if run_file and run_file.is_file() else None,
            reference_run=run_file if run_file and run_file.is_file() else None,
            reference_depth=self.depth,
            keep_indexes=self.settings.index_dir is not None or self.settings.keep_indexes,
            git_commit=self.environment.git_commit,
            fresh=fresh,
            at_work=at_work,
        )
        systems: dict[str, SystemSettings] = {}
        for variant in variants:
            systems.update(self.settings.system.with_parts(variant.settings.parts()))
            systems[variant.name] = variant.settings
        indexes = self.settings.index_dir or self.kept / "indexes"
        job = self._job("sweep", MEASURE, task, about="sweep", systems=systems, shared=indexes)
        at_work.unlink(missing_ok=True)
        outcome = run_job(job, SweepReply)
        names = json.loads(at_work.read_text(encoding="utf-8")) if at_work.is_file() else []
        return outcome, names

    def _encode_for(self, variants: Sequence[Variant]) -> tuple[bool, dict[str, Failure]]:
        """Encode the documents with every encoder that a variant needs.

        Returns:
            Whether any was not in the cache, and the failures of variants without their encoder.
        """
        failures: dict[str, Failure] = {}
        for variant in variants:
            parts = self.settings.system.with_parts(variant.settings.parts())
            systems = {variant.name: variant.settings, **parts}
            if (failure := self._impossible(systems, variant.name)) is not None:
                failures[variant.name] = failure
                self._accept(variant.name, failure)
        needed = {
            variant.name: self._encodings(variant.settings)
            for variant in variants
            if variant.name not in failures
        }
        broken, encoded = self._encode_tasks(
            {key: task for tasks in needed.values() for key, task in tasks.items()}, "variant-"
        )
        for name, tasks in needed.items():
            for failure in [broken[key] for key in tasks if key in broken][:1]:
                failures[name] = failure
                self._accept(name, failure)
        return any(encoded.values()), failures

    def _key(self, settings: Any, depth: int) -> str:
        """Return what a measurement is kept under: all that its numbers depend on."""
        relevant = (
            settings,
            depth,
            self.depth,
            self.collection.fingerprint,
            self.measures,
            self.sweep.measure,
            self.settings.latency,
            self.settings.memory_gb,
            self.settings.device,
            self.settings.seed,
            machine(self.environment),
        )
        return work_key(*relevant)[:24]
