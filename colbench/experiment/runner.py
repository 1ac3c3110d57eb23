"""The conductor of a run.

Order of work: everything that can be wrong with the input is checked, then documents are encoded
(each encoder in its own process), then each system is measured in its own process, and only then
are the runs evaluated: ranx compiles at first use, and that must not share the machine with a
measurement.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.collection.snapshot import write_snapshot
from colbench.config.compose import selected_systems
from colbench.config.settings import RunSettings
from colbench.encoder.cache import default_root
from colbench.errors import ColbenchError, ConfigError, WeightsUnavailable
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.evaluation import Outcome, evaluate_systems
from colbench.experiment.job import EncodeTask, Failure, Job, SystemReply, SystemTask
from colbench.experiment.output import OutputFolder
from colbench.experiment.spawn import run_job
from colbench.files import write_json
from colbench.measures.catalogue import cutoff
from colbench.progress import note
from colbench.report.write import write_report
from colbench.results.schema import SCHEMA_VERSION, CollectionInfo, Results, SampleInfo
from colbench.results.store import write_results
from colbench.retriever.base import SystemSettings

_DEFAULT_DEPTH = 1000


class Runner:
    """One run from checked settings to written results."""

    def __init__(self, settings: RunSettings, command: Sequence[str]) -> None:
        self.settings = settings
        self.command = " ".join(command)
        self.systems = selected_systems(settings)
        self.threads = settings.threads or usable_cores()
        self.notes: list[str] = []

    def run(self) -> tuple[Results, Path]:
        """Do everything; return the results and the folder they were written to.

        Raises:
            ColbenchError: anything the user can act on, before results are written.
        """
        note("loading the collection")
        self.collection = load_collection(self.settings.dataset)
        self.depth = self._depth()
        self.measures = self._measures()
        now = datetime.datetime.now(datetime.UTC)
        self.experiment = self.settings.name or self.collection.name
        self.output = OutputFolder.make(self.settings.output_dir, self.experiment, now)
        with self.output.claimed():
            write_snapshot(self.collection, self.output.work / "collection")
            results = self._results(self._measure())
            staging = self.output.staging
            write_json(staging / "config.json", self.settings.model_dump(mode="json"))
            write_results(results, staging)
            write_report(results, staging)
            self.output.publish(keep_indexes=self.settings.keep_indexes)
        return results, self.output.root

    def _depth(self) -> int:
        docs = len(self.collection.documents)
        if self.settings.k is None:
            return min(_DEFAULT_DEPTH, docs)
        if self.settings.k > docs:
            raise ConfigError(
                f"k={self.settings.k} is larger than the collection ({docs} documents): "
                f"set k={docs} or less, or leave it out"
            )
        return self.settings.k

    def _measures(self) -> list[str]:
        """Leave out measures that look deeper than k: their values would be capped."""
        docs = len(self.collection.documents)
        deep = [m for m in self.settings.measures if min(cutoff(m) or 0, docs) > self.depth]
        if deep:
            self.notes.append(
                f"not reported, as they look deeper than k={self.depth}: {', '.join(deep)}"
            )
            note(self.notes[-1])
        kept = [measure for measure in self.settings.measures if measure not in deep]
        if not kept:
            raise ConfigError(f"every measure looks deeper than k={self.depth}: raise k")
        return kept

    def _job(self, name: str, todo: EncodeTask | SystemTask, systems: Sequence[str] = ()) -> Job:
        work = self.output.work
        return Job(
            collection=work / "collection",
            cache=self.settings.cache_dir or default_root(),
            work=work / "indexes",
            reply=work / "replies" / f"{name}.json",
            threads=self.threads,
            seed=self.settings.seed,
            memory_bytes=int(self.settings.memory_gb * 1e9),
            systems={name: self.systems[name].model_dump(mode="json") for name in systems},
            todo=todo,
        )

    def _measure(self) -> list[Outcome]:
        """Return what each system's worker reported, in the order of `systems`."""
        failures, encoded = self._encode_documents()
        outcomes = []
        for name in self.settings.systems:
            needed = self._encodings(self.systems[name])
            broken = [failures[key] for key in needed if key in failures]
            reply = broken[0] if broken else self._measure_system(name)
            if isinstance(reply, Failure):
                self._accept(name, reply)
            fresh = sum(encoded.get(key, 0) for key in needed)
            outcomes.append(Outcome(name, self.systems[name], reply, fresh))
        return outcomes

    def _encodings(self, system: SystemSettings) -> dict[str, EncodeTask]:
        """Return the encodings a system and its parts need, by a key of their settings."""
        tasks = {}
        for encoder, form in system.encodings():
            tasks[f"{encoder.model_dump_json()} {form}"] = EncodeTask(encoder=encoder, form=form)
        for part in system.parts():
            tasks.update(self._encodings(self.systems[part]))
        return tasks

    def _with_parts(self, name: str) -> list[str]:
        """Return a system and every system it is made of."""
        parts = [inner for part in self.systems[name].parts() for inner in self._with_parts(part)]
        return [name, *dict.fromkeys(parts)]

    def _encode_documents(self) -> tuple[dict[str, Failure], dict[str, int]]:
        tasks: dict[str, EncodeTask] = {}
        for name in self.settings.systems:
            tasks.update(self._encodings(self.systems[name]))
        failures: dict[str, Failure] = {}
        encoded: dict[str, int] = {}
        for number, (key, task) in enumerate(tasks.items()):
            reply = run_job(self._job(f"encode-{number}", task))
            if reply.failure is not None:
                failures[key] = reply.failure
                if not reply.failure.skipped:
                    raise ColbenchError(reply.failure.message)
            elif reply.encode is not None:
                encoded[key] = reply.encode.docs_encoded
                note(
                    f"{task.encoder.name} {task.form.value}: {reply.encode.docs_encoded} documents "
                    f"encoded, {reply.encode.docs_cached} from the cache"
                )
        return failures, encoded

    def _measure_system(self, name: str) -> SystemReply | Failure:
        task = SystemTask(
            name=name,
            depth=self.depth,
            latency=self.settings.latency,
            run_file=self.output.run_file(name),
        )
        number = self.settings.systems.index(name)
        reply = run_job(self._job(f"system-{number}", task, self._with_parts(name)))
        outcome = reply.system or reply.failure
        if outcome is None:
            raise ColbenchError(f"{name}: the worker's reply is empty; please report it")
        return outcome

    def _accept(self, name: str, failure: Failure) -> None:
        """Go on past a system that lacks its weights; stop for any other failure."""
        if not failure.skipped:
            raise ColbenchError(f"{name}: {failure.message}")
        if self.settings.strict:
            raise WeightsUnavailable(f"{name}: {failure.message} (strict=true)")
        note(f"{name}: skipped, {failure.message}")

    def _results(self, outcomes: list[Outcome]) -> Results:
        rows, baseline = evaluate_systems(
            outcomes,
            self.collection,
            self.measures,
            self.output,
            depth=self.depth,
            baseline=self.settings.baseline,
            significance=self.settings.significance,
        )
        return Results(
            schema_version=SCHEMA_VERSION,
            colbench_version=__version__,
            experiment=self.experiment,
            command=self.command,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            collection=describe_collection(self.collection),
            environment=describe_environment(self.threads, self.settings.seed),
            config=self.settings.model_dump(mode="json"),
            measures=self.measures,
            baseline=baseline,
            alpha=self.settings.significance.alpha,
            test=self.settings.significance.test,
            notes=self.notes,
            systems=rows,
        )


def describe_collection(collection: Collection) -> CollectionInfo:
    """Describe a collection for the results."""
    sampled = collection.sampled
    return CollectionInfo(
        name=collection.name,
        docs=len(collection.documents),
        queries=len(collection.queries),
        judgments=collection.judgments,
        fingerprint=collection.fingerprint,
        sampled=sampled is not None,
        sample=SampleInfo(docs=sampled.docs, queries=sampled.queries, seed=sampled.seed)
        if sampled
        else None,
        notes=list(collection.notes),
    )
