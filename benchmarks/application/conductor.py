"""The whole of `experiment=application`, size after size.

A finished part lies in `<output>/.parts` and is not measured again by the same command, so a run
that was interrupted goes on where it stopped. Only one process works at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from benchmarks.application.made_up import Source
from benchmarks.application.record import (
    FILE_NAME,
    Application,
    Building,
    Changing,
    Searching,
    Size,
)
from benchmarks.application.report import write_application_report
from benchmarks.application.settings import ApplicationSettings
from benchmarks.application.task import (
    BuildReply,
    BuildTask,
    ChangeReply,
    ChangeTask,
    SearchReply,
    SearchTask,
)
from colbench import __version__
from colbench.collection.load import load_collection
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import Form
from colbench.errors import ColbenchError, ConfigError
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.job import Failure, Job, Message
from colbench.experiment.measurement import other_processes
from colbench.experiment.spawn import run_job
from colbench.experiment.store import keep, recall, work_key
from colbench.locks import only_run
from colbench.paths import remove_made
from colbench.progress import note
from colbench.results.checksummed import write_checksummed
from colbench.results.origin import CollectionInfo
from colbench.retriever.systems.colbert import ColbertSettings
from colbench.timing import now

_FEW = 500
"""Documents of an index that is made and searched first: kernels are compiled by then."""

_Value = TypeVar("_Value", bound=BaseModel)


class Conductor:
    """One run from checked settings to written results."""

    def __init__(self, settings: RunSettings, command: Sequence[str]) -> None:
        application = settings.feature(ApplicationSettings)
        if application is None:
            raise ConfigError("task=application needs application: use experiment=application")
        if settings.device not in ("auto", "cpu"):
            raise ConfigError(
                f"device={settings.device!r}: task=application measures the CPU; choose cpu"
            )
        self.settings = settings
        self.wanted = application
        colbert = settings.system["colbert"]
        assert isinstance(colbert, ColbertSettings)
        self.index = colbert.index
        self.command = " ".join(command)
        self.threads = settings.threads or usable_cores()
        self.root = settings.output_dir or Path("results/runs/application/latest")
        self.work = self.root / ".parts"
        self.source = Source(self.work / "source")

    def run(self) -> tuple[Application, Path]:
        """Measure what is not measured yet, and write everything.

        Raises:
            StorageError: the folder cannot be written, or another run is writing to it.
        """
        with only_run(self.root, self.work):
            return self._run()

    def _run(self) -> tuple[Application, Path]:
        collection = load_collection(self.settings.dataset)
        cache = EmbeddingCache(self.settings.cache_dir)
        encoder = load_encoder(self.settings.encoder, Form.TOKENS, cache_root=cache.root)
        pool, dims = self.wanted.pool, self.wanted.dims
        of = work_key(encoder.fingerprint, collection.fingerprint, pool, dims)
        if not self.source.holds(of):
            note("encoding real texts")
            self.source.prepare(collection, encoder, pool, dims, of)
        results = Application(
            colbench_version=__version__,
            command=self.command,
            created=now(),
            collection=CollectionInfo.of(collection),
            environment=describe_environment(self.threads, self.settings.seed),
            config=self._config(),
            dims=self.source.matrix("pool").shape[1],
            source_bytes=sum(self.source.matrix(name).nbytes for name in ("pool", "noise")),
            sizes=[self._size(documents) for documents in self.wanted.documents],
        )
        write_checksummed(self.root / FILE_NAME, results.model_dump(mode="json"))
        write_application_report(results, self.root)
        return results, self.root

    def _config(self) -> dict[str, Any]:
        config = self.settings.model_dump(mode="json")
        return {
            **{key: config[key] for key in ("dataset", "encoder", "threads", "seed")},
            "index": self.index.model_dump(mode="json"),
            "application": self.wanted.model_dump(mode="json"),
        }

    def _size(self, documents: int) -> Size:
        """Return a size, measured now or by an earlier run that was alike in what is relevant."""
        measured = self.wanted.model_dump(exclude={"documents"})
        key = work_key(self.source.digest, measured, self.index, self.threads, documents)
        file = self.work / f"{documents}.json"
        held = recall(file, key, Size.model_validate, what="a part of a measurement")
        if held is not None:
            note(f"{documents:,} documents: measured before")
            return held
        self._measure(min(_FEW, documents), first=True)
        size = self._measure(documents)
        keep(file, key, size.model_dump(mode="json"))
        return size

    def _measure(self, documents: int, *, first: bool = False) -> Size:
        wanted, folder = self.wanted, self.work / "index"
        remove_made(folder, inside=self.work)
        common = {
            "source": self.source.folder,
            "folder": folder,
            "documents": documents,
            "tokens": wanted.tokens,
            "query_tokens": wanted.query_tokens,
        }
        if not first:
            note(f"{documents:,} documents: making the index")
        with other_processes() as while_building:
            built = self._job("build", BuildTask(**common, settings=self.index), BuildReply)
        searching = SearchTask(
            **common,
            k=wanted.k,
            queries=2 if first else wanted.queries,
            filtered=1 if first else wanted.filtered,
            judged=1 if first else wanted.judged,
            trials=1 if first else wanted.trials,
        )
        if not first:
            note(f"{documents:,} documents: searching")
        with other_processes() as while_searching:
            searched = self._job("search", searching, SearchReply)
        changing = ChangeTask(
            **common, changed=min(wanted.changed, documents), additions=wanted.additions
        )
        if not first:
            note(f"{documents:,} documents: adding and deleting")
        with other_processes() as while_changing:
            changed = self._job("change", changing, ChangeReply)
        shutil.rmtree(folder)
        adding, *later = changed.add_seconds
        return Size(
            name=f"{documents:,} documents",
            documents=documents,
            tokens=documents * wanted.tokens,
            building=Building(**built.model_dump(), other_cpu_share=while_building[0]),
            searching=Searching(**searched.model_dump(), other_cpu_share=while_searching[0]),
            changing=Changing(
                add_first_seconds=adding,
                add_later_seconds=float(np.median(later)),
                other_cpu_share=while_changing[0],
                **changed.model_dump(exclude={"add_seconds"}),
            ),
        )

    def _job(self, name: str, task: Message, reply: type[_Value]) -> _Value:
        about = f"application: {name}"
        job = Job(
            entry=f"benchmarks.application.workers:{name}",
            task=task,
            about=about,
            reply=self.work / f"{name}.reply.json",
            threads=self.threads,
        )
        outcome = run_job(job, reply)
        if isinstance(outcome, Failure):
            raise ColbenchError(f"{about}: {outcome.message}")
        return outcome
