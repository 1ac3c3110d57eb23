"""Encoding documents and measuring one system, each inside a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from colbench.collection.model import Collection
from colbench.experiment.bench import EncodeReply, EncodeTask, SystemReply, SystemTask
from colbench.experiment.encodings import cut_off_note, encoding_infos
from colbench.experiment.environment import usable_cores
from colbench.experiment.output import stage_path
from colbench.hits import Hits
from colbench.index.size import IndexSize
from colbench.measures.latency import Latency, measure_latency
from colbench.measures.machine import calibrate, peak_rss_bytes
from colbench.progress import note
from colbench.results.schema import IndexInfo
from colbench.retriever.base import Retriever, Workbench
from colbench.retriever.registry import make_system, module_metadata
from colbench.run.model import Run, fetch_depth
from colbench.run.trec import write_trec
from colbench.timing import Stopwatch, seconds


def encode_documents(task: EncodeTask, bench: Workbench) -> EncodeReply:
    """Encode all documents that the cache does not hold yet."""
    stats = bench.embed(task.encoder, task.form).stats
    return EncodeReply(
        docs_encoded=stats.encoded,
        docs_cached=stats.cached,
        docs_per_second=stats.docs_per_second,
        cut_off=cut_off_note(
            task.encoder.name,
            limit=bench.encoder(task.encoder, task.form).document_limit,
            documents=stats.encoded + stats.cached,
            truncated=stats.truncated_docs,
            tokens=stats.tokens,
            truncated_tokens=stats.truncated_tokens,
        ),
    )


def measure_system(task: SystemTask, bench: Workbench) -> SystemReply:
    """Build one system, write its run, time it, then search its stages.

    Loading models and opening cached vectors is in no time. The peak memory is read after the
    timings, so it covers preparation, build, batch and single searches, and before the calibration
    and the search of the stages, one of which may be a scan of everything.
    """
    collection = bench.collection
    depth = fetch_depth(collection, task.depth)
    bench.spare_hits = depth - task.depth
    system = make_system(task.name, bench)
    system.prepare()
    with other_processes() as others:
        build_seconds = seconds(system.build)
        texts = [query.text for query in collection.queries]
        note(f"{task.name}: searching {len(texts)} queries")
        hits, times = _batches(task, system, texts, depth)
        write_trec(Run.from_hits(task.name, collection, hits, task.depth), task.run_file)
        note(f"{task.name}: timing single queries")
        latency = _single_queries(task, system, texts, depth)
        peak = peak_rss_bytes()
        calibration = calibrate()
        encodings = encoding_infos(bench.encodings, fresh=task.fresh)
    reply = SystemReply(
        metadata={**system.metadata(), **module_metadata(system.settings.kind)},
        build_seconds=build_seconds
        if system.counted_build_seconds is None
        else system.counted_build_seconds,
        latency_ms=latency,
        throughput_qps=len(texts) / min(times),
        throughput_trials=len(times),
        other_cpu_share=others[0],
        calibration=calibration,
        encode_docs_per_second=_encoding_speed(bench),
        encodings=encodings,
        index=index_info(system.size(), collection),
        peak_rss_bytes=peak,
    )
    return reply.model_copy(update={"stages": _search_stages(task, system, texts, depth)})


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
        watch = Stopwatch()
        hits = system.search(system.encode(texts), depth)
        times.append(watch.seconds)
        first = first or hits
    return first, times


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
    )


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
    """Return documents per second over all encodings the system needs, one after the other."""
    speeds = [stats.docs_per_second for stats in bench.encodings]
    if not speeds or None in speeds:
        return None
    return 1 / sum(1 / speed for speed in speeds if speed)


def index_info(size: IndexSize, collection: Collection) -> IndexInfo:
    """Return the size of an index as the results hold it."""
    return IndexInfo(
        vectors=size.vectors,
        dims=size.dims,
        bytes=size.bytes,
        bytes_per_doc=size.bytes / len(collection.documents),
        bytes_per_vector=size.vector_bytes / size.vectors if size.vectors else None,
        files=size.files,
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
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))
