"""Encoding documents and measuring one system, each inside a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import psutil

from colbench.collection.model import Collection
from colbench.encoder.backends.precision import told_of_auto
from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings, EncodeStats
from colbench.encoder.cut_off import CutOff
from colbench.encoder.loading.weights import resolve_weights, weight_bytes
from colbench.errors import ColbenchError
from colbench.experiment.bench import EncodeReply, EncodeTask, SystemReply, SystemTask
from colbench.experiment.encodings import encoding_infos
from colbench.experiment.environment import usable_cores
from colbench.experiment.output import stage_path
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.measures.latency import BUSY, Latency, measure_latency
from colbench.measures.load import LoadLevel, answers_alone, measure_load
from colbench.measures.machine import calibrate
from colbench.progress import note
from colbench.report.formats import counted
from colbench.results.schema import IndexInfo
from colbench.retriever.base import Retriever, Workbench
from colbench.retriever.registry import make_system, module_metadata
from colbench.run.model import Run, fetch_depth
from colbench.run.trec import write_trec
from colbench.timing import Stopwatch, seconds


def encode_documents(task: EncodeTask, bench: Workbench) -> EncodeReply:
    """Encode all documents that the cache does not hold yet, in the other form, too, if asked."""
    both = _both_forms(task, bench)
    if both is None:
        return _reply(task, bench, bench.embed(task.encoder, task.form))
    first, second = both
    assert task.also is not None
    also = _reply(task.also, bench, second)
    return _reply(task, bench, first).model_copy(update={"also": also})


def _both_forms(task: EncodeTask, bench: Workbench) -> tuple[Embeddings, Embeddings] | None:
    """Return the vectors of both forms; None where each is to be encoded by itself."""
    if task.also is None:
        return None
    bench.encoder(task.encoder, task.form)
    try:  # what is wrong with the other form is told in its own turn
        bench.chunks(task.also.encoder, task.also.form)
    except ColbenchError:
        return None
    return bench.embed_in_both_forms((task.encoder, task.form), (task.also.encoder, task.also.form))


def _reply(task: EncodeTask, bench: Workbench, embeddings: Embeddings) -> EncodeReply:
    stats = embeddings.stats
    encoder = bench.encoder(task.encoder, task.form)
    return EncodeReply(
        docs_encoded=stats.encoded,
        docs_cached=stats.cached,
        docs_per_second=stats.docs_per_second,
        cut_off=_cut_off(encoder, stats, bench),
        advice=told_of_auto(encoder.settings, encoder.arithmetic) if stats.encoded else None,
    )


def _cut_off(encoder: Encoder, stats: EncodeStats, bench: Workbench) -> list[str]:
    """Say what of the documents and of the queries an encoder does not read."""
    documents = CutOff(
        texts=stats.encoded + stats.cached,
        tokens=stats.tokens,
        truncated=stats.truncated_docs,
        truncated_tokens=stats.truncated_tokens,
    )
    queries = bench.read_of_queries(encoder)
    told = [
        documents.told(
            name=encoder.settings.name,
            limit=encoder.document_limit,
            kind="documents",
            remedy="encoder.long_documents=chunk keeps them",
        ),
        queries.told(
            name=encoder.settings.name,
            limit=encoder.query_limit,
            kind="queries",
            remedy="a larger encoder.query_length keeps them",
        ),
    ]
    return [text for text in told if text]


def measure_system(task: SystemTask, bench: Workbench) -> SystemReply:
    """Build one system, write its run, time it, then search its stages.

    Loading models and opening cached vectors is in no time. The peak memory is read after the
    timings, so it covers preparation, build, batch and single searches, and before the calibration,
    the load of several clients and the search of the stages, one of which may be a scan of
    everything. Of a system that
    searched elsewhere only the run is taken.
    """
    collection = bench.collection
    depth = fetch_depth(collection, task.depth)
    bench.spare_hits = depth - task.depth
    system = make_system(task.name, bench)
    with closing(system):
        system.prepare()
        texts = [query.text for query in collection.queries]
        with other_processes() as others:
            build_seconds = seconds(system.build)
            run = system.finished_run()
            if run is not None:
                run = run.cut(task.name, task.depth)
                write_trec(run, task.run_file)
                return SystemReply(
                    metadata=_metadata(system), notes=search_notes(system, texts, run)
                )
            note(f"{task.name}: searching {counted(len(texts), 'query', 'queries')}")
            hits, times = _batches(task, system, texts, depth)
            run = Run.from_hits(task.name, collection, hits, task.depth)
            write_trec(run, task.run_file)
            note(f"{task.name}: timing single queries")
            latency = _single_queries(task, system, texts, depth)
            peak = system.peak_memory()
            calibration = calibrate()
            encodings = encoding_infos(bench.encodings, fresh=task.fresh)
        load = _levels(task, system, texts, depth)
        size = system.size()
        reply = SystemReply(
            metadata=_metadata(system),
            build_seconds=build_seconds
            if system.counted_build_seconds is None
            else system.counted_build_seconds,
            latency_ms=latency,
            load=load or None,
            throughput_qps=len(texts) / min(times),
            throughput_trials=len(times),
            other_cpu_share=others[0],
            calibration=calibration,
            encode_docs_per_second=_encoding_speed(bench),
            encodings=encodings,
            index=None if size is None else index_info(size, collection),
            model_bytes=model_bytes(task.name, bench),
            peak_rss_bytes=peak,
            notes=[*search_notes(system, texts, run), *load_notes(task.name, load)],
        )
        return reply.model_copy(update={"stages": _search_stages(task, system, texts, depth)})


def _metadata(system: Retriever) -> dict[str, Any]:
    return {**system.metadata(), **module_metadata(system.settings.kind)}


def search_notes(system: Retriever, texts: Sequence[str], run: Run) -> list[str]:
    """Return what a reader must know of a search: queries that found nothing, and why.

    Args:
        system: that searched.
        texts: of the queries.
        run: what it found.
    """
    nothing = sum(not len(ranking) for ranking in run.rankings.values())
    found = [f"{run.name}: {nothing} of {len(texts)} queries found nothing"] if nothing else []
    return [*found, *system.notes(texts)]


def _batches(
    task: SystemTask, system: Retriever, texts: list[str], depth: int
) -> tuple[list[Hits], list[float]]:
    """Search all queries as one batch, again and again while the latency budget lasts.

    Returns:
        The hits of the first pass (every pass gives the same) and the seconds of each.
    """
    system.search(system.encode(texts[:2]), depth)
    times: list[float] = []
    first: list[Hits] = []
    while len(times) < task.latency.trials and sum(times) < task.latency.max_seconds:
        watch, uncounted = Stopwatch(), system.uncounted_nanoseconds()
        hits = system.search(system.encode(texts), depth)
        times.append(watch.seconds - (system.uncounted_nanoseconds() - uncounted) / 1e9)
        first = first or _one_a_query(hits, len(texts))
    return first, times


def _one_a_query(hits: object, queries: int) -> list[Hits]:
    """Return the results of a search.

    Raises:
        TypeError: they are not what `Retriever.search` promises, as a system of the user's may do.
    """
    found = type(hits).__name__
    if isinstance(hits, list):
        kinds = {type(one).__name__ for one in hits}
        if len(hits) == queries and all(isinstance(one, Hits) for one in hits):
            return hits
        found = f"{len(hits)} of {', '.join(sorted(kinds)) or 'nothing'}"
    raise TypeError(f"search must return a list of {queries} Hits, one a query, not {found}")


def _single_queries(
    task: SystemTask, system: Retriever, texts: Sequence[str], depth: int
) -> Latency:
    return measure_latency(
        lambda text: system.encode([text]),
        lambda encoded: system.search(encoded, depth),
        texts[: task.latency.queries],
        trials=task.latency.trials,
        warmup=task.latency.warmup,
        max_seconds=task.latency.max_seconds,
        clock=lambda: time.perf_counter_ns() - system.uncounted_nanoseconds(),
    )


def _levels(
    task: SystemTask, system: Retriever, texts: Sequence[str], depth: int
) -> list[LoadLevel]:
    """Let several clients search at once, for each number of them that is wanted."""
    settings = task.latency
    if not settings.clients:
        return []

    def answer(text: str) -> bytes:
        (hits,) = _one_a_query(system.search(system.encode([text]), depth), 1)
        return hits.docs.tobytes()

    alone = answers_alone(answer, texts, settings.load_seconds)
    levels = []
    for clients in settings.clients:
        note(f"{task.name}: under load, {counted(clients, 'client')}")
        with other_processes() as others:
            level = measure_load(
                answer,
                texts,
                clients=clients,
                seconds=settings.load_seconds,
                warmup=settings.warmup,
                alone=alone,
                one_at_a_time=not system.concurrent,
            )
        levels.append(level.model_copy(update={"other_cpu_share": others[0]}))
    return levels


def load_notes(name: str, levels: Sequence[LoadLevel]) -> list[str]:
    """Return what a reader must know of figures under load, a line each.

    >>> load_notes("mine", [LoadLevel(clients=4, queries=0, seconds=0, error="ValueError: no")])
    ['mine: no figures under the load of 4 clients: ValueError: no']
    """
    notes = []
    if any(level.one_at_a_time for level in levels):
        notes.append(
            f"{name}: under load, queries were answered one at a time: it is not known to be safe "
            "to search from several threads here"
        )
    for level in levels:
        load = f"the load of {counted(level.clients, 'client')}"
        if level.error is not None:
            notes.append(f"{name}: no figures under {load}: {level.error}")
        if level.differing:
            notes.append(
                f"{name}: {level.differing} of {level.checked} answers under {load} ranked other "
                "documents than one by one: the system is not safe to search from several threads, "
                "or does not always answer alike"
            )
    busy = [level.other_cpu_share or 0 for level in levels]
    if busy and max(busy) > BUSY:
        notes.append(
            f"{name}: other processes used up to {max(busy):.0%} of the cores while it was under "
            "load; its figures are not to be trusted"
        )
    return notes


def _search_stages(
    task: SystemTask, system: Retriever, texts: Sequence[str], depth: int
) -> list[str]:
    """Write the run of each stage where that is wanted, and return the stages."""
    # A system that is not taken apart is spared the encoding of its queries.
    if task.stages_folder is None or type(system).stages is Retriever.stages:
        return []
    note(f"{task.name}: searching each stage on its own")
    stages = system.stages(system.encode(texts), depth)
    for stage, hits in stages.items():
        run = Run.from_hits(f"{task.name}-{stage}", system.bench.collection, hits, task.depth)
        write_trec(run, stage_path(task.stages_folder, stage))
    return list(stages)


def _encoding_speed(bench: Workbench) -> float | None:
    """Return documents per second over all encodings the system needs, one after the other.

    Two forms that came out of the same forward passes count once.
    """
    together: set[str] = set()
    speeds = []
    for stats in bench.encodings:
        if stats.encoder not in together:
            speeds.append(stats.docs_per_second)
        if stats.one_pass:
            together.add(stats.encoder)
    if not speeds or None in speeds:
        return None
    return 1 / sum(1 / speed for speed in speeds if speed)


def model_bytes(system: str, bench: Workbench) -> int | None:
    """Return the size of the weights that a query of a system goes through; each model counts once.

    None where a model has no folder of weights, as one that a module of a user makes.
    """
    waiting, folders = [system], set()
    while waiting:
        settings = bench.systems[waiting.pop()]
        waiting += settings.parts()
        for model in settings.models_used(given=bench.collection.given is not None):
            try:
                folders.add(resolve_weights(model.model, model.revision, bench.cache.root))
            except ColbenchError:
                return None
    return sum(map(weight_bytes, folders))


def index_info(size: IndexSize, collection: Collection) -> IndexInfo:
    """Return the size of an index as the results hold it."""
    return IndexInfo(
        vectors=size.vectors,
        dims=size.dims,
        bytes=size.bytes,
        bytes_per_doc=size.bytes / len(collection.documents),
        bytes_per_vector=size.vector_bytes / size.vectors if size.vectors else None,
        files=size.files,
        fixed_bytes=size.fixed_bytes,
    )


@contextmanager
def other_processes() -> Iterator[list[float]]:
    """Fill the yielded list, at the end, with the share of the cores that others used meanwhile.

    Two busy threads on two cores slow down many times over when a third takes one of them, so a
    timing is worth as much as the idleness of its machine.
    """
    cores = usable_cores()
    share: list[float] = []
    watch, machine, own = Stopwatch(), _busy_seconds(), _own_seconds()
    yield share
    wall = watch.seconds
    others = (_busy_seconds() - machine) - (_own_seconds() - own)
    share.append(min(max(others / (wall * cores), 0.0), 1.0))


def _own_seconds() -> float:
    """Return the processor time of this process and of its children, ended or not."""
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            used = child.cpu_times()
            spent += used.user + used.system + used.children_user + used.children_system
    return spent


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))
