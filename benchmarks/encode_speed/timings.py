"""The timings of one collection and form: taken in a process of their own, or found again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from pydantic import ValidationError

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
from colbench.errors import ColbenchError, StorageError
from colbench.experiment.bench import Bench
from colbench.experiment.job import Failure, Job
from colbench.experiment.spawn import run_job
from colbench.measures.latency import BUSY
from colbench.progress import note
from colbench.results.origin import Environment
from colbench.results.sealed import read_sealed, write_sealed


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
        held = _read(file, key)
        if held is not None:
            note(f"{name}: timed before")
            return held
        found, commit = self._measure(collection, task, name), self.environment.git_commit
        if found.other_cpu_share > BUSY:
            note(
                f"{name}: other processes used {found.other_cpu_share:.0%} of the cores while it "
                "was timed; its times are not to be trusted, and the next run takes them again"
            )
        else:
            content = {"key": key, "commit": commit, "speed": found.model_dump(mode="json")}
            write_sealed(file, content)
        return found, commit

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
            default_openmp=True,  # the yardstick is to have its defaults
        )
        try:
            outcome = run_job(job, FormSpeed)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if isinstance(outcome, Failure):
            raise ColbenchError(f"{name}: {outcome.message}")
        return outcome

    def _key(self, collection: Collection, task: EncodeSpeedTask) -> str:
        e = self.environment
        machine = [e.platform, e.cpu, e.cores, e.threads, e.accelerator, e.packages, e.python]
        weights = fingerprint(resolve_weights(task.encoder.model, task.encoder.revision), {})
        relevant = [collection.fingerprint, task.model_dump(mode="json"), weights, machine]
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def _read(file: Path, key: str) -> tuple[FormSpeed, str | None] | None:
    """Return kept timings; None where they are not there, are of something else or damaged."""
    if not file.is_file():
        return None
    try:
        held: dict[str, Any] = read_sealed(file, what="timings", renew="they are taken again")
        if held["key"] != key:
            return None
        return FormSpeed.model_validate(held["speed"]), held["commit"]
    except StorageError as error:
        note(str(error))
    except (ValidationError, KeyError):
        note(f"{file} is of another colbench: timings are taken again")
    return None
