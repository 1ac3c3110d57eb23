"""A worker process: `python -m colbench.experiment.worker JOB.json`.

Encodes documents into the cache, or builds, searches and times one system, and leaves a `Reply`.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import time
from pathlib import Path

import numpy as np

from colbench.collection.model import Collection
from colbench.collection.snapshot import read_snapshot
from colbench.encoder.cache import EmbeddingCache
from colbench.errors import ColbenchError, WeightsUnavailable
from colbench.experiment.job import (
    EncodeReply,
    EncodeTask,
    Failure,
    Job,
    Reply,
    SystemReply,
    SystemTask,
)
from colbench.files import atomic_write
from colbench.index.size import IndexSize
from colbench.measures.latency import measure_latency
from colbench.measures.memory import peak_rss_bytes
from colbench.progress import note
from colbench.results.schema import Distribution, IndexInfo, Latency
from colbench.retriever.base import Retriever, Workbench
from colbench.retriever.registry import make_system, system_settings
from colbench.run.model import Run, fetch_depth
from colbench.run.trec import write_trec


def encode(task: EncodeTask, bench: Workbench) -> EncodeReply:
    """Encode all documents that the cache does not hold yet."""
    stats = bench.embed(task.encoder, task.form).stats
    return EncodeReply(
        docs_encoded=stats.encoded, docs_cached=stats.cached, docs_per_second=stats.docs_per_second
    )


def measure_system(task: SystemTask, bench: Workbench) -> SystemReply:
    """Build one system, write its run, then time it.

    The peak memory is read after everything else, so it covers build, batch and single searches.
    """
    system = make_system(task.name, bench)
    collection = bench.collection
    started = time.perf_counter()
    system.build()
    build_seconds = time.perf_counter() - started
    texts = [query.text for query in collection.queries]
    depth = fetch_depth(collection, task.depth)
    note(f"{task.name}: searching {len(texts)} queries")
    system.search(system.encode(texts[:2]), depth)
    started = time.perf_counter()
    hits = system.search(system.encode(texts), depth)
    batch_seconds = time.perf_counter() - started
    write_trec(Run.from_hits(task.name, collection, hits, task.depth), task.run_file)
    latency = _time_queries(task, system, texts, depth)
    speeds = [s.docs_per_second for s in bench.encodings if s.docs_per_second]
    return SystemReply(
        facts=system.facts(),
        build_seconds=build_seconds,
        latency_ms=latency,
        throughput_qps=len(texts) / batch_seconds,
        encode_docs_per_second=min(speeds) if speeds else None,
        index=_index_info(system.size(), collection),
        peak_rss_bytes=peak_rss_bytes(),
    )


def _time_queries(task: SystemTask, system: Retriever, texts: list[str], depth: int) -> Latency:
    note(f"{task.name}: timing single queries")
    report = measure_latency(
        lambda text: system.encode([text]),
        lambda encoded: system.search(encoded, depth),
        texts[: task.latency.queries],
        trials=task.latency.trials,
        warmup=task.latency.warmup,
        max_seconds=task.latency.max_seconds,
    )
    return Latency(
        encode=Distribution.model_validate(dataclasses.asdict(report.encode)),
        search=Distribution.model_validate(dataclasses.asdict(report.search)),
        queries=report.queries,
        trials=report.trials,
    )


def _index_info(size: IndexSize, collection: Collection) -> IndexInfo:
    return IndexInfo(
        vectors=size.vectors,
        dims=size.dims,
        bytes=size.bytes,
        bytes_per_doc=size.bytes / len(collection.documents),
        bytes_per_vector=size.bytes / size.vectors if size.vectors else None,
        files=size.files,
    )


def _set_up(job: Job) -> Workbench:
    random.seed(job.seed)
    np.random.seed(job.seed)
    return Workbench(
        collection=read_snapshot(job.collection),
        folder=job.work,
        cache=EmbeddingCache(job.cache),
        systems={name: system_settings(name, values) for name, values in job.systems.items()},
        memory_bytes=job.memory_bytes,
    )


def perform(job: Job) -> Reply:
    """Do the job; errors a user can act on become a `Failure`."""
    try:
        bench = _set_up(job)
        if job.todo.task == "encode":
            return Reply(encode=encode(job.todo, bench))
        return Reply(system=measure_system(job.todo, bench))
    except ColbenchError as error:
        skipped = isinstance(error, WeightsUnavailable)
        return Reply(
            failure=Failure(skipped=skipped, message=str(error), exit_code=error.exit_code)
        )


def main(job_file: str) -> None:
    """Entry point of the process."""
    job = Job.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    try:
        reply = perform(job)
    except KeyboardInterrupt:
        sys.exit(130)
    with atomic_write(job.reply) as stream:
        stream.write(reply.model_dump_json())


if __name__ == "__main__":
    main(sys.argv[1])
