"""The timings of one collection and form: taken in a process of their own, or found again."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.encode_speed.record import FormSpeed
from benchmarks.encode_speed.settings import EncodeSpeedSettings
from benchmarks.encode_speed.task import EncodeSpeedTask
from colbench.collection.model import Collection
from colbench.collection.snapshot import write_snapshot
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import ROOT_VARIABLE, default_root
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ColbenchError
from colbench.experiment.bench import Bench
from colbench.experiment.job import Failure, Job
from colbench.experiment.spawn import run_job
from colbench.experiment.store import keep, machine, recall, work_key
from colbench.measures.latency import BUSY
from colbench.progress import note
from colbench.records import Record
from colbench.results.origin import Environment


class _Kept(Record):
    commit: str | None
    speed: FormSpeed


class Timings:
    """Timings kept in a folder, under all that they depend on.

    Args:
        folder: where they are kept.
        settings: of the run, with `encode_speed`.
        environment: of the run: timings of another machine are not taken.
    """

    def __init__(self, folder: Path, settings: RunSettings, environment: Environment) -> None:
        speed = settings.feature(EncodeSpeedSettings)
        assert speed is not None
        self.folder = folder
        self.settings = settings
        self.speed = speed
        self.environment = environment

    def of(
        self, collection: Collection, encoder: EncoderSettings, form: Form, *, name: str
    ) -> tuple[FormSpeed, str | None]:
        """Return the timings of all variants, and the commit they were taken at.

        Args:
            collection: documents and queries.
            encoder: the model; backend and precision are those of each variant.
            form: of its vectors.
            name: of the file they are kept in.

        Raises:
            ColbenchError: no variant can run, or the process died.
        """
        speed = self.speed
        task = EncodeSpeedTask(
            encoder=encoder,
            form=form,
            variants=speed.variants,
            documents=speed.documents,
            queries=speed.queries,
            trials=speed.trials,
            batch_size=speed.batch_size,
            seed=self.settings.seed,
        )
        file, key = self.folder / f"{name}.json", self._key(collection, task)
        held = recall(file, key, _Kept.model_validate, what="timings")
        if held is not None:
            note(f"{name}: timed before")
            return held.speed, held.commit
        timed, commit = self._measure(collection, task, name), self.environment.git_commit
        if timed.other_cpu_share > BUSY:
            note(
                f"{name}: other processes used {timed.other_cpu_share:.0%} of the cores while it "
                "was timed; its times are not to be trusted, and the next run takes them again"
            )
        else:
            keep(file, key, _Kept(commit=commit, speed=timed))
        return timed, commit

    def _measure(self, collection: Collection, task: EncodeSpeedTask, name: str) -> FormSpeed:
        work = self.folder / "work"
        write_snapshot(collection, work / "collection")
        cache = self.settings.cache_dir or default_root()
        job = Job(
            entry="benchmarks.encode_speed.measure:measure_speed",
            task=task,
            bench=Bench(
                collection=work / "collection",
                cache=cache,
                work=work,
                device=self.settings.device,
                memory_bytes=int(self.settings.memory_gb * 1e9),
            ),
            about="encode_speed",
            reply=work / "reply.json",
            threads=self.environment.threads,
            seed=self.settings.seed,
            environment={ROOT_VARIABLE: str(cache)},
            default_openmp=True,  # the reference is to have its defaults
        )
        try:
            outcome = run_job(job, FormSpeed)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if isinstance(outcome, Failure):
            raise ColbenchError(f"{name}: {outcome.message}")
        return outcome

    def _key(self, collection: Collection, task: EncodeSpeedTask) -> str:
        weights = fingerprint(resolve_weights(task.encoder.model, task.encoder.revision), {})
        return work_key(collection.fingerprint, task, weights, machine(self.environment))
