"""The conductor of a run.

Order of work: everything that can be wrong with the input is checked, then documents are encoded
(each encoder in its own process), then each system is measured in its own process, and only then
are the runs evaluated: ranx compiles at first use, and that must not share the machine with a
measurement.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from colbench import __version__
from colbench.collection.load import load_collection
from colbench.collection.model import Collection
from colbench.collection.settings import VectorsSettings
from colbench.collection.snapshot import write_snapshot
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import ROOT_VARIABLE, collections, default_root
from colbench.encoder.settings import Form
from colbench.errors import ColbenchError, StorageError, WeightsUnavailable
from colbench.experiment.bench import Bench, EncodeReply, EncodeTask, SystemReply, SystemTask
from colbench.experiment.environment import describe_environment, usable_cores
from colbench.experiment.evaluation import Outcome, evaluate_systems
from colbench.experiment.exact import NAME as EXACT_NAME
from colbench.experiment.exact import ExactReply, ExactTask
from colbench.experiment.finished import (
    FinishedSystem,
    code_digest,
    read_finished,
    weights_state,
    write_finished,
)
from colbench.experiment.here import run_here
from colbench.experiment.job import Failure, Job, Message
from colbench.experiment.output import UNFINISHED, OutputFolder, check_output
from colbench.experiment.plan import (
    choose_depth,
    choose_measures,
    in_both_forms,
    look_for_weights,
    unsearchable,
)
from colbench.experiment.spawn import run_job
from colbench.experiment.store import machine, work_key
from colbench.files import atomic_write, ensure_writable, write_json
from colbench.index.device import check_device
from colbench.measures.catalogue import ignores_order, level_note
from colbench.measures.latency import BUSY
from colbench.paths import clear_made, remove_made
from colbench.progress import note
from colbench.report.write import write_report
from colbench.results.grouping import check_slices
from colbench.results.schema import SCHEMA_VERSION, CollectionInfo, Results
from colbench.results.sliced import sliced
from colbench.results.store import write_results
from colbench.results.verdicts import too_few_queries
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import own_module, system_folder
from colbench.retriever.user_modules import module_folders
from colbench.timing import now

ENCODE = "colbench.experiment.measurement:encode_documents"
MEASURE = "colbench.experiment.measurement:measure_system"
EXACT = "colbench.experiment.exact:search_exactly"


class Runner:
    """One run from checked settings to written results.

    Args:
        settings: what to run.
        command: the command line, for the results; empty where there was none.
        prepare: changes the collection once it is loaded; for experiments about runs.
        collection: what to search, where it is in memory already.
    """

    def __init__(
        self,
        settings: RunSettings,
        command: Sequence[str] = (),
        prepare: Callable[[Collection], Collection] | None = None,
        collection: Collection | None = None,
    ) -> None:
        self.settings = settings
        self.command = " ".join(command) or "colbench, called from Python"
        self.prepare = prepare
        self.loaded = collection
        self.threads = settings.threads or usable_cores()
        self.environment = describe_environment(self.threads, settings.seed)
        self.cache = settings.cache_dir or default_root()
        self.notes: list[str] = []
        self._advised: set[str] = set()
        self._encoded_along: dict[str, EncodeReply] = {}
        self._cut_off: dict[str, list[str]] = {}
        self.exact: tuple[str, Path] | None = None

    def run(self) -> tuple[Results, Path]:
        """Do everything; return the results and the folder they were written to.

        A system that fails is a row of the results; what has finished is kept until a run of equal
        settings ends without a failure.

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
            if all(system.status != "failed" for system in results.systems):
                self._forget()
        return results, self.output.root

    def _at_work(self) -> list[str]:
        """Return the names of the systems whose models are needed."""
        return self.settings.systems

    def _load(self) -> None:
        """Check everything that can be wrong, and load the collection."""
        check_device(self.settings.device)
        # What is there is used where it can only be read; what is missing is told in its turn.
        for kept in (self.cache, self.settings.index_dir):
            if kept is not None:
                ensure_writable(kept, or_readable=True)
        if self.settings.output_dir is not None:
            check_output(self.settings.output_dir)
        systems = self.settings.system.with_parts(self._at_work())
        vectors = isinstance(self.settings.dataset, VectorsSettings)
        if self.loaded is not None:
            vectors = self.loaded.given is not None
        if not vectors:
            look_for_weights(systems, self.cache, strict=self.settings.strict)
        if self.loaded is None:
            note("loading the collection")
        self.collection = self.loaded or load_collection(
            self.settings.dataset, collections(self.cache)
        )
        if self.prepare is not None:
            self.collection = self.prepare(self.collection)
        check_slices(self.settings.slices, self.collection.queries)
        if vectors:
            systems = {
                name: one
                for name, one in systems.items()
                if unsearchable({name: one}, name, self.collection) is None
            }
            look_for_weights(systems, self.cache, strict=self.settings.strict, given=True)
        docs = len(self.collection.documents)
        self.depth = choose_depth(self.settings.k, docs)
        self.measures, left_out = choose_measures(self.settings.measures, self.depth, docs)
        if not self.collection.is_judged:
            self.measures, left_out = [], []
        if left_out:
            self._note(f"not reported, deeper than k={self.depth}: {', '.join(left_out)}")
        whole = [name for name in self.measures if ignores_order(name, self.depth, docs)]
        if whole and len(self.settings.systems) > 1:
            self._note(
                f"{', '.join(whole)}: of all {docs} documents at once, whatever their order, and "
                "so reported and not tested"
            )
        if levels := level_note(self.measures):
            self._note(levels)
        for system in systems.values():
            for model in system.models_used(given=vectors):
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
            modules=module_folders(),
        )

    def _encode(self, name: str, task: EncodeTask) -> EncodeReply | Failure:
        """Encode documents in a process of its own, or take what the other form's left."""
        if task.key in self._encoded_along:
            return self._encoded_along.pop(task.key)
        about = f"encoding with {task.encoder.name}"
        reply = run_job(self._job(name, ENCODE, task, about=about), EncodeReply)
        if isinstance(reply, EncodeReply):
            if task.also is not None and reply.also is not None:
                self._encoded_along[task.also.key] = reply.also
            if reply.advice is not None and reply.advice not in self._advised:
                self._advised.add(reply.advice)
                note(reply.advice)
        return reply

    def _measure(self) -> list[Outcome]:
        """Return what each system's worker reported, in the order of `systems`."""
        impossible = {
            name: failure
            for name in self.settings.systems
            if (failure := self._impossible(self.settings.system.with_parts([name]), name))
        }
        held = {
            name: None if name in impossible else self._recall(name)
            for name in self.settings.systems
        }
        failures, encoded = self._encode_documents(
            [name for name, finished in held.items() if finished is None and name not in impossible]
        )
        outcomes = []
        for name, finished in held.items():
            needed = self._encodings(self.settings.system[name])
            fresh = sum(encoded.get(key, 0) for key in needed)
            reply: SystemReply | Failure
            log = None
            if name in impossible:
                reply = impossible[name]
            elif finished is not None:
                reply, fresh = finished.reply, finished.docs_encoded
                for text in finished.notes:
                    self._note(text)
                self._note(f"{name}: measured before, at commit {(finished.commit or '?')[:12]}")
            elif broken := [failures[key] for key in needed if key in failures]:
                reply = broken[0]
            else:
                reply = self._measure_system(name, fresh=fresh > 0)
                if isinstance(reply, SystemReply):
                    cut_off = [text for key in needed for text in self._cut_off.get(key, [])]
                    self._keep(name, reply, fresh, cut_off)
            if isinstance(reply, Failure):
                log = self._accept(name, reply)
            else:
                self._remark(name, reply)
            outcomes.append(Outcome(name, self.settings.system[name], reply, fresh, log))
        self.exact = self._exact_run(outcomes)
        return outcomes

    def _impossible(self, systems: Mapping[str, SystemSettings], name: str) -> Failure | None:
        """Return why a system is skipped that cannot search this collection."""
        reason = unsearchable(systems, name, self.collection)
        return None if reason is None else Failure(skipped=True, message=reason)

    def _exact_run(self, outcomes: Sequence[Outcome]) -> tuple[str, Path] | None:
        """Return the run that overlap is held against, and what it is called.

        Only where vectors are given: a system that is this very search has it, else it is made.
        """
        given = self.collection.given
        if given is None:
            return None
        for outcome in outcomes:
            values = outcome.settings.model_dump()
            alike = values["kind"] == "colbert_exact" and values["precision"] == "fp16"
            alike = alike and given.documents.dtype == "float16"
            if alike and isinstance(outcome.reply, SystemReply):
                return outcome.name, self.output.run_file(outcome.name)
        task = ExactTask(depth=self.depth, run_file=self.output.work / "exact.trec")
        reply = run_job(self._job("exact", EXACT, task, about=EXACT_NAME), ExactReply)
        if isinstance(reply, Failure):
            self._accept(EXACT_NAME, reply)
            self._note(f"no overlap is reported, for {EXACT_NAME} failed: {reply.message}")
            return None
        return EXACT_NAME, task.run_file

    def _remark(self, name: str, reply: SystemReply) -> None:
        """Say what a reader of a system's numbers must know."""
        for text in reply.notes:
            self._note(text)
        if reply.other_cpu_share is not None and reply.other_cpu_share > BUSY:
            self._note(
                f"{name}: other processes used {reply.other_cpu_share:.0%} of the cores while "
                "it was timed; its times are not to be trusted"
            )

    def _finished(self, name: str) -> Path:
        """Return the folder where a system is kept once it is measured, by all it depends on."""
        systems = self.settings.system.with_parts([name])
        key = work_key(
            name,
            {part: one.model_dump(mode="json") for part, one in systems.items()},
            weights_state(
                [
                    model
                    for one in systems.values()
                    for model in one.models_used(given=self.collection.given is not None)
                ]
            ),
            code_digest(),
            [own_module(one.kind) for one in systems.values()],
            [one.outside() for one in systems.values()],
            self.collection.fingerprint,
            self.depth,
            self.settings.model_dump(
                mode="json",
                include={"latency", "attribution", "memory_gb", "device", "seed", "keep_indexes"},
            ),
            machine(self.environment),
        )
        return self.output.unfinished / key[:24]

    def _recall(self, name: str) -> FinishedSystem | None:
        """Return a system that an earlier run has measured, its runs put in their places."""
        if self.settings.keep_indexes:  # its index went with that run
            return None
        if self._is_here(name):  # nothing says whether it is what it was
            return None
        return read_finished(
            self._finished(name), self.output.run_file(name), self.output.stages_folder(name)
        )

    def _is_here(self, name: str) -> bool:
        """Return whether a system, or a part of it, can be measured in this process alone."""
        return any(one.in_process for one in self.settings.system.with_parts([name]).values())

    def _keep(self, name: str, reply: SystemReply, docs_encoded: int, notes: list[str]) -> None:
        if self._is_here(name):
            return
        write_finished(
            self._finished(name),
            reply,
            self.output.run_file(name),
            self.output.stages_folder(name),
            commit=self.environment.git_commit,
            measured=now(),
            docs_encoded=docs_encoded,
            notes=notes,
        )

    def _forget(self) -> None:
        """Remove what a run that did not end well has left: this one did."""
        folder = self.output.unfinished
        if self.output.latest is None:  # nobody else's: this run holds the folder
            clear_made(folder, UNFINISHED)
            return
        for name in self.settings.systems:
            remove_made(self._finished(name), inside=folder)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def _encodings(self, system: SystemSettings) -> dict[str, EncodeTask]:
        """Return the encodings a system and its parts need, by a key of their settings."""
        tasks = {}
        for encoder, form in system.encodings():
            if form is Form.TOKENS and self.collection.given is not None:
                continue
            task = EncodeTask(encoder=encoder, form=form)
            tasks[task.key] = task
        for part in system.parts():
            tasks.update(self._encodings(self.settings.system[part]))
        return tasks

    def _encode_documents(
        self, systems: Sequence[str]
    ) -> tuple[dict[str, Failure], dict[str, int]]:
        tasks: dict[str, EncodeTask] = {}
        for name in systems:
            tasks.update(self._encodings(self.settings.system[name]))
        return self._encode_tasks(tasks)

    def _encode_tasks(
        self, tasks: Mapping[str, EncodeTask], prefix: str = ""
    ) -> tuple[dict[str, Failure], dict[str, int]]:
        """Return the failures of encodings, and how many documents the others encoded, by key."""
        failures: dict[str, Failure] = {}
        encoded: dict[str, int] = {}
        for number, task in enumerate(in_both_forms(tasks.values())):
            key = task.key
            reply = self._encode(f"encode-{prefix}{number}", task)
            if isinstance(reply, Failure):
                if reply.fatal:
                    raise StorageError(reply.message)
                if not reply.skipped:
                    told = f"encoding with {task.encoder.name}: {reply.message}"
                    reply = reply.model_copy(update={"message": told})
                    if self.settings.strict:
                        self._accept(task.encoder.name, reply)
                failures[key] = reply
                continue
            encoded[key] = reply.docs_encoded
            note(
                f"{task.encoder.name} {task.form.value}: {reply.docs_encoded} documents "
                f"encoded, {reply.docs_cached} from the cache"
            )
            self._cut_off[key] = reply.cut_off
            for text in reply.cut_off:
                self._note(text)
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
        outcome = (run_here if self._is_here(name) else run_job)(job, SystemReply)
        if not self.settings.keep_indexes:
            indexes = self.output.indexes
            remove_made(system_folder(indexes, name), inside=indexes)
        return outcome

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            note(text)

    def _accept(self, name: str, failure: Failure) -> Path | None:
        """Go on past a system that was not measured, unless nothing may, or can, be left out.

        Returns:
            the staged log of its process, where there is one.

        Raises:
            WeightsUnavailable: in a strict run, for want of weights.
            StorageError: there is no space left.
            ColbenchError: in a strict run, any other failure.
        """
        strict = " (strict=true)" if self.settings.strict else ""
        if failure.fatal:
            raise StorageError(f"{name}: {failure.message}")
        if failure.skipped:
            if strict:
                raise WeightsUnavailable(f"{name}: {failure.message}{strict}")
            note(f"{name}: skipped, {failure.message}")
            return None
        log = self._kept_log(name, failure)
        if strict:
            where = f"; log: {log}" if log else ""
            raise ColbenchError(f"{name}: {failure.message}{strict}{where}")
        note(f"{name}: failed, {failure.message}")
        return log

    def _kept_log(self, name: str, failure: Failure) -> Path | None:
        """Put the log of a failure where it outlives the run; None for one without."""
        if failure.log is None or not failure.log.is_file() or not failure.log.stat().st_size:
            return None
        log = self.output.log_file(name)
        if self.settings.strict:
            log = self.output.unfinished / log.name
        try:
            with failure.log.open("rb") as told, atomic_write(log, "wb") as stream:
                shutil.copyfileobj(told, stream)
        except (OSError, StorageError):  # the reason is told without it
            return None
        return log

    def _results(self, outcomes: list[Outcome]) -> Results:
        evaluated = evaluate_systems(
            outcomes,
            self.collection,
            self.measures,
            self.output,
            depth=self.depth,
            settings=self.settings,
            exact=self.exact,
        )
        wanted = self.settings.reference
        status = {row.name: row.status for row in evaluated.rows}.get(wanted or "", "ok")
        if (
            self.measures
            and evaluated.reference is None
            and len(evaluated.rows) > 1
            and status != "ok"
        ):
            word = "was skipped" if status == "skipped" else "failed"
            self._note(f"no significance tests: the reference {wanted} {word}")
        results = Results(
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
            primary=next(iter(self.measures), None),
            margin=self.settings.significance.margin,
            alpha=self.settings.significance.alpha,
            test=self.settings.significance.test,
            notes=self.notes,
            queries=evaluated.examples.queries,
            documents=evaluated.examples.documents,
            systems=evaluated.rows,
        )
        if self.settings.slices and not self.measures:
            self._note("no slices: without judgments there is nothing to report by group")
        if few := too_few_queries(results):
            self._note(few)
        return sliced(results.model_copy(update={"notes": list(self.notes)}), self.settings.slices)
