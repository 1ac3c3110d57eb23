"""The conductor of a run.

Order of work: everything that can be wrong with the input is checked, then documents are encoded
(each encoder in its own process), then each system is measured in its own process, and only then
are the runs evaluated: ranx compiles at first use, and that must not share the machine with a
measurement.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.collection.snapshot import write_snapshot
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import ROOT_VARIABLE, collections, default_root
from colbench.errors import ColbenchError, WeightsUnavailable
from colbench.experiment.bench import Bench, EncodeReply, EncodeTask, SystemReply, SystemTask
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.evaluation import Outcome, evaluate_systems
from colbench.experiment.job import Failure, Job, Message
from colbench.experiment.output import OutputFolder, check_output
from colbench.experiment.plan import choose_depth, choose_measures, look_for_weights
from colbench.experiment.spawn import run_job
from colbench.files import ensure_writable, write_json
from colbench.index.device import check_device
from colbench.measures.latency import BUSY
from colbench.paths import remove_made
from colbench.progress import note
from colbench.report.write import write_report
from colbench.results.schema import SCHEMA_VERSION, CollectionInfo, Results
from colbench.results.store import write_results
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import system_folder
from colbench.timing import now

ENCODE = "colbench.experiment.measurement:encode_documents"
MEASURE = "colbench.experiment.measurement:measure_system"


class Runner:
    """One run from checked settings to written results.

    Args:
        settings: what to run.
        command: the command line, for the results; empty where there was none.
        prepare: changes the collection once it is loaded; for experiments about runs.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str] = (),
        prepare: Callable[[Collection], Collection] | None = None,
    ) -> None:
        self.settings = settings
        self.command = " ".join(command) or "colbench, called from Python"
        self.prepare = prepare
        self.threads = settings.threads or usable_cores()
        self.environment = describe_environment(self.threads, settings.seed)
        self.cache = settings.cache_dir or default_root()
        self.notes: list[str] = []

    def run(self) -> tuple[Results, Path]:
        """Do everything; return the results and the folder they were written to.

        Raises:
            ColbenchError: anything the user can act on, before results are written.
        """
        self._load()
        now = datetime.datetime.now(datetime.UTC)
        self.output = OutputFolder.choose(self.settings.output_dir, self.experiment, now)
        with self.output.claimed():
            write_snapshot(self.collection, self.output.work / "collection")
            results = self._results(self._measure())
            self._publish(results)
        return results, self.output.root

    def _at_work(self) -> list[str]:
        """Return the names of the systems whose models are needed."""
        return self.settings.systems

    def _load(self) -> None:
        """Check everything that can be wrong, and load the collection."""
        check_device(self.settings.device)
        ensure_writable(self.cache)
        if self.settings.output_dir is not None:
            check_output(self.settings.output_dir)
        systems = self.settings.system.with_parts(self._at_work())
        look_for_weights(systems, self.cache, strict=self.settings.strict)
        note("loading the collection")
        self.collection = load_collection(self.settings.dataset, collections(self.cache))
        if self.prepare is not None:
            self.collection = self.prepare(self.collection)
        docs = len(self.collection.documents)
        self.depth = choose_depth(self.settings.k, docs)
        self.measures, left_out = choose_measures(self.settings.measures, self.depth, docs)
        if left_out:
            self._note(f"not reported, deeper than k={self.depth}: {', '.join(left_out)}")
        for system in systems.values():
            for model in system.models():
                if model.trained_on is not None:
                    self._note(f"{model.name} was trained on {model.trained_on}")
        self.experiment = self.settings.name or self.collection.name

    def _publish(self, results: Results) -> None:
        """Write results and report, and put everything in its place."""
        staging = self.output.staging
        write_json(staging / "config.json", results.config)
        write_results(results, staging)
        write_report(results, staging)
        self.output.publish(keep_indexes=self.settings.keep_indexes)

    def _job(
        self,
        name: str,
        entry: str,
        task: Message,
        *,
        about: str,
        systems: Mapping[str, SystemSettings] | None = None,
        shared: Path | None = None,
    ) -> Job:
        """Return a job on the run's collection.

        Args:
            name: of the file of its reply.
            entry: `package.module:function` that does it.
            task: what the function is given besides a workbench.
            about: what the job is called in messages.
            systems: settings of the systems at work.
            shared: folder of indexes that other runs search too; default: the run's.
        """
        work = self.output.work
        return Job(
            entry=entry,
            task=task,
            bench=Bench(
                collection=work / "collection",
                cache=self.cache,
                work=self.output.indexes,
                device=self.settings.device,
                memory_bytes=int(self.settings.memory_gb * 1e9),
                systems=dict(systems or {}),
                shared=shared or self.settings.index_dir,
            ),
            about=about,
            reply=work / "replies" / f"{name}.json",
            threads=self.threads,
            seed=self.settings.seed,
            environment={ROOT_VARIABLE: str(self.cache)},
        )

    def _encode(self, name: str, task: EncodeTask) -> EncodeReply | Failure:
        about = f"encoding with {task.encoder.name}"
        return run_job(self._job(name, ENCODE, task, about=about), EncodeReply)

    def _measure(self) -> list[Outcome]:
        """Return what each system's worker reported, in the order of `systems`."""
        failures, encoded = self._encode_documents()
        outcomes = []
        for name in self.settings.systems:
            needed = self._encodings(self.settings.system[name])
            broken = [failures[key] for key in needed if key in failures]
            fresh = sum(encoded.get(key, 0) for key in needed)
            reply = broken[0] if broken else self._measure_system(name, fresh=fresh > 0)
            if isinstance(reply, Failure):
                self._accept(name, reply)
            elif reply.other_cpu_share > BUSY:
                self._note(
                    f"{name}: other processes used {reply.other_cpu_share:.0%} of the cores while "
                    "it was timed; its times are not to be trusted"
                )
            outcomes.append(Outcome(name, self.settings.system[name], reply, fresh))
        return outcomes

    def _encodings(self, system: SystemSettings) -> dict[str, EncodeTask]:
        """Return the encodings a system and its parts need, by a key of their settings."""
        tasks = {}
        for encoder, form in system.encodings():
            tasks[f"{encoder.model_dump_json()} {form}"] = EncodeTask(encoder=encoder, form=form)
        for part in system.parts():
            tasks.update(self._encodings(self.settings.system[part]))
        return tasks

    def _encode_documents(self) -> tuple[dict[str, Failure], dict[str, int]]:
        tasks: dict[str, EncodeTask] = {}
        for name in self.settings.systems:
            tasks.update(self._encodings(self.settings.system[name]))
        failures: dict[str, Failure] = {}
        encoded: dict[str, int] = {}
        for number, (key, task) in enumerate(tasks.items()):
            reply = self._encode(f"encode-{number}", task)
            if isinstance(reply, Failure):
                failures[key] = reply
                if not reply.skipped:
                    raise ColbenchError(reply.message)
                continue
            encoded[key] = reply.docs_encoded
            note(
                f"{task.encoder.name} {task.form.value}: {reply.docs_encoded} documents "
                f"encoded, {reply.docs_cached} from the cache"
            )
            if reply.cut_off:
                self._note(reply.cut_off)
        return failures, encoded

    def _measure_system(self, name: str, *, fresh: bool) -> SystemReply | Failure:
        task = SystemTask(
            name=name,
            depth=self.depth,
            latency=self.settings.latency,
            run_file=self.output.run_file(name),
            stages_folder=self.output.stages_folder(name) if self.settings.attribution else None,
            fresh=fresh,
        )
        number = self.settings.systems.index(name)
        systems = self.settings.system.with_parts([name])
        job = self._job(f"system-{number}", MEASURE, task, about=name, systems=systems)
        outcome = run_job(job, SystemReply)
        if not self.settings.keep_indexes:
            indexes = self.output.indexes
            remove_made(system_folder(indexes, name), inside=indexes)
        return outcome

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            note(text)

    def _accept(self, name: str, failure: Failure) -> None:
        """Go on past a system that lacks its weights; stop for any other failure."""
        if not failure.skipped:
            raise ColbenchError(f"{name}: {failure.message}")
        if self.settings.strict:
            raise WeightsUnavailable(f"{name}: {failure.message} (strict=true)")
        note(f"{name}: skipped, {failure.message}")

    def _results(self, outcomes: list[Outcome]) -> Results:
        evaluated = evaluate_systems(
            outcomes,
            self.collection,
            self.measures,
            self.output,
            depth=self.depth,
            settings=self.settings,
        )
        wanted = self.settings.reference
        if wanted is not None and evaluated.reference is None and len(evaluated.rows) > 1:
            self._note(f"no significance tests: the reference {wanted} was skipped")
        return Results(
            schema_version=SCHEMA_VERSION,
            colbench_version=__version__,
            experiment=self.experiment,
            command=self.command,
            created=now(),
            collection=CollectionInfo.of(self.collection),
            environment=self.environment,
            config=self.settings.model_dump(mode="json"),
            measures=self.measures,
            reference=evaluated.reference,
            alpha=self.settings.significance.alpha,
            test=self.settings.significance.test,
            notes=self.notes,
            queries=evaluated.examples.queries,
            documents=evaluated.examples.documents,
            systems=evaluated.rows,
        )
