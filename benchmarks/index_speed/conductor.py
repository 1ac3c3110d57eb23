"""The whole of `experiment=index_speed`, part after part.

A finished part lies in `<output>/.parts` and is not measured again by the same command, so a run
that was interrupted goes on where it stopped. Only one process works at a time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index_speed import own
from benchmarks.index_speed.engine_settings import engine_settings
from benchmarks.index_speed.engines import engine_result, own_result
from benchmarks.index_speed.evaluator import Evaluator
from benchmarks.index_speed.floors import measure_machine
from benchmarks.index_speed.growth import exponent, grow, mix
from benchmarks.index_speed.record import FILE_NAME as RESULT_FILE
from benchmarks.index_speed.record import EngineResult, GrowthPoint, IndexSpeed, Machine
from benchmarks.index_speed.report import write_index_speed_report
from benchmarks.index_speed.settings import IndexSpeedSettings
from benchmarks.index_speed.vectors import VectorFiles, write_vectors
from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.config.compose import compose_run
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ConfigError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.measurement import other_processes
from colbench.experiment.store import keep, recall, work_key
from colbench.locks import only_run
from colbench.progress import note
from colbench.results.checksummed import write_checksummed
from colbench.results.origin import CollectionInfo
from colbench.retriever.systems.colbert import ColbertSettings
from colbench.timing import now

_GROWTH_SEARCH = "probe_8_ndocs_2048"


class Conductor:
    """One run from checked settings to written results."""

    def __init__(self, settings: RunSettings, command: Sequence[str]) -> None:
        speed = settings.feature(IndexSpeedSettings)
        if speed is None:
            raise ConfigError("task=index_speed needs index_speed: use experiment=index_speed")
        if settings.device not in ("auto", "cpu"):
            raise ConfigError(
                f"device={settings.device!r}: task=index_speed measures the CPU; choose cpu"
            )
        self.settings = settings
        self.speed = speed
        colbert = settings.system["colbert"]
        assert isinstance(colbert, ColbertSettings)
        self.index = colbert.index
        self.command = " ".join(command)
        self.threads = settings.threads or usable_cores()
        self.root = settings.output_dir or Path("results/runs/index_speed/latest")
        self.work = self.root / ".parts"
        self.cache = EmbeddingCache(settings.cache_dir)

    def run(self) -> tuple[IndexSpeed, Path]:
        """Measure what is not measured yet, and write everything.

        Raises:
            StorageError: the folder cannot be written, or another run is writing to it.
        """
        with only_run(self.root, self.work):
            return self._run()

    def _run(self) -> tuple[IndexSpeed, Path]:
        self.collection = load_collection(self.settings.dataset)
        self.encoder = load_encoder(self.settings.encoder, Form.TOKENS, cache_root=self.cache.root)
        self.files = self._vectors(self.collection, "vectors")
        self.evaluator = Evaluator(
            self.collection, self.files, self.speed.k, self.speed.timed, self.settings.memory_gb
        )
        machine = Machine.model_validate(self._part("machine", self._machine))
        ours = self._part("ours", self._ours, self.index, self.speed.searches)
        engines = [own_result(self.index, ours, self.evaluator, machine)]
        growing = (self.index, self.speed.growth, self._growth_search())
        points = self._part("growth", self._growth, *growing)
        growth = [GrowthPoint.model_validate(point) for point in points]
        engines += [self._engine(name) for name in self.speed.engines]
        results = self._results(machine, engines, growth)
        write_checksummed(self.root / RESULT_FILE, results.model_dump(mode="json"))
        write_index_speed_report(results, self.root)
        return results, self.root

    def _part(self, name: str, measure: Callable[[], Any], *relevant: Any) -> Any:
        """Return a part, measured now or by an earlier run that was alike in what is relevant."""
        common = [self.settings.dataset, self.encoder.fingerprint, self._measured(), self.threads]
        file, key = self.work / f"{name}.json", work_key(*common, *relevant)
        held = recall(file, key, lambda value: value, what="a part of a measurement")
        if held is not None:
            note(f"{name}: measured before")
            return held
        note(f"{name}: measuring")
        value = measure()
        keep(file, key, value)
        return value

    def _vectors(self, collection: Collection, name: str) -> VectorFiles:
        files = VectorFiles(self.work / name)
        of = f"{self.encoder.fingerprint} {collection.fingerprint}"
        if not files.holds(of):
            write_vectors(files, collection, self.encoder, self.cache)
            files.seal(of)
        return files

    def _machine(self) -> dict[str, Any]:
        measured = measure_machine(self.files, self.speed.timed, self.speed.trials)
        return measured.model_dump(mode="json")

    def _ours(self) -> dict[str, Any]:
        folder = self.work / "index"
        shutil.rmtree(folder, ignore_errors=True)
        with other_processes() as building:
            built = own.build(
                self.files,
                self.index,
                folder=folder,
                work=self.work,
                threads=self.threads,
                encoder=self.encoder.document_fingerprint,
            )
        with other_processes() as searching:
            searched = own.search(
                self.files,
                self.speed.searches,
                folder=folder,
                work=self.work,
                threads=self.threads,
                **self._measured(),
            )
        searches = [setting.model_dump(mode="json") for setting in self.speed.searches]
        others = {"build_others": building[0], "search_others": searching[0]}
        return {"build": built, "search": searched, "settings": searches, **others}

    def _measured(self) -> dict[str, int]:
        speed = self.speed
        return {"k": speed.k, "timed": speed.timed, "trials": speed.trials, "warmup": speed.warmup}

    def _engine(self, name: str) -> EngineResult:
        engine = engine_settings(name)
        relevant = (
            engine.declaration.requirement,
            engine.build,
            engine.search,
            engine.declaration.find_python(self.speed.engine_python) is None,
        )
        measured = self._part(f"engine_{name}", lambda: self._measure_engine(name), *relevant)
        return EngineResult.model_validate({**measured, "about": engine.about})

    def _measure_engine(self, name: str) -> dict[str, Any]:
        result = engine_result(
            name,
            self.speed,
            self.evaluator,
            folder=self.work / f"engine_index_{name}",
            threads=self.threads,
            seed=self.settings.seed,
        )
        return result.model_dump(mode="json")

    def _growth(self) -> list[dict[str, Any]]:
        parts = []
        for dataset in self.speed.growth.datasets:
            other = compose_run([f"dataset={dataset}"]).dataset
            name = f"vectors_{dataset.replace('/', '_')}"
            parts.append(self._vectors(load_collection(other), name))
        mixed = VectorFiles(self.work / "vectors_mixed")
        most, seed = int(max(self.speed.growth.tokens) * 1.02), self.settings.seed
        of = json.dumps([most, seed, *(part.digests() for part in parts)])
        if not mixed.holds(of):
            mix(parts, mixed, most, seed)
            mixed.seal(of)
        points = grow(
            mixed,
            self.speed.growth.tokens,
            self.index,
            self._growth_search(),
            work=self.work,
            threads=self.threads,
            measured=self._measured(),
        )
        return [point.model_dump(mode="json") for point in points]

    def _growth_search(self) -> Any:
        named = {setting.name: setting for setting in self.speed.searches}
        return named.get(_GROWTH_SEARCH, self.speed.searches[-1])

    def _results(
        self,
        machine: Machine,
        engines: list[EngineResult],
        growth: list[GrowthPoint],
    ) -> IndexSpeed:
        lengths = np.load(self.files.lengths, allow_pickle=False)
        config = self.settings.model_dump(mode="json")
        return IndexSpeed(
            colbench_version=__version__,
            command=self.command,
            created=now(),
            collection=CollectionInfo.of(self.collection),
            environment=describe_environment(self.threads, self.settings.seed),
            config={
                **{key: config[key] for key in ("dataset", "encoder", "threads", "seed")},
                "index": self.index.model_dump(mode="json"),
                "index_speed": self.speed.model_dump(mode="json", exclude={"engine_python"}),
            },
            tokens=int(lengths.sum()),
            dims=self.encoder.dims,
            k=self.speed.k,
            timed=self.evaluator.timed,
            trials=self.speed.trials,
            exact_ndcg=self.evaluator.exact_ndcg(timed=True),
            exact_ndcg_all=self.evaluator.exact_ndcg(timed=False),
            machine=machine,
            engines=engines,
            growth=growth,
            growth_search=self._growth_search().name,
            build_exponent=exponent(growth, "build_seconds"),
            search_exponent=exponent(growth, "p50_ms"),
        )
