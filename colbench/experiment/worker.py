"""A worker process: `python -m colbench.experiment.worker JOB.json`.

Encodes documents into the cache, builds, searches and times one system or the points of a sweep, or
times the variants of an encoder, and leaves a `Reply`.
Lives no longer than its standard input, which the conductor holds open.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import select
import sys
import threading
from pathlib import Path
from typing import NoReturn

import numpy as np

from benchmarks.encode_speed.measure import measure_speed
from colbench.collection.snapshot import read_snapshot
from colbench.encoder.cache.store import EmbeddingCache
from colbench.errors import ColbenchError, StorageError, WeightsUnavailable
from colbench.experiment.encodings import cut_off_note
from colbench.experiment.job import NO_REPLY, EncodeReply, EncodeTask, Failure, Job, Reply
from colbench.experiment.measurement import measure_system
from colbench.files import atomic_write
from colbench.retriever.base import Workbench
from colbench.retriever.registry import system_settings
from colbench.sweep.measure import measure_points


def encode(task: EncodeTask, bench: Workbench) -> EncodeReply:
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


def perform(job: Job) -> Reply:
    """Do the job; errors a user can act on become a `Failure`."""
    random.seed(job.seed)
    np.random.seed(job.seed)
    try:
        bench = Workbench(
            collection=read_snapshot(job.collection),
            folder=job.work,
            cache=EmbeddingCache(job.cache),
            systems={name: system_settings(name, values) for name, values in job.systems.items()},
            memory_bytes=job.memory_bytes,
            shared_folder=job.shared,
            device=job.device,
        )
        if job.todo.task == "encode":
            return Reply(encode=encode(job.todo, bench))
        if job.todo.task == "sweep":
            return Reply(sweep=measure_points(job.todo, bench))
        if job.todo.task == "encode_speed":
            return Reply(encode_speed=measure_speed(job.todo, bench))
        return Reply(system=measure_system(job.todo, bench))
    except ColbenchError as error:
        skipped = isinstance(error, WeightsUnavailable)
        return Reply(failure=Failure(skipped=skipped, message=str(error)))


def _end_with_the_conductor() -> None:
    sys.stdin.buffer.read()
    _exit(130)


def _exit(status: int) -> NoReturn:
    """End at once, with the processes of encoders on several devices."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(status)


def _conductor_ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _work(job_file: str) -> None:
    job = Job.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    reply = perform(job)
    try:
        with atomic_write(job.reply) as stream:
            stream.write(reply.model_dump_json())
    except StorageError:
        os._exit(130 if _conductor_ended() else NO_REPLY)


def main(job_file: str) -> None:
    """Entry point of the process."""
    threading.Thread(target=_end_with_the_conductor, daemon=True).start()
    try:
        _work(job_file)
    except Exception:
        if _conductor_ended():  # and took the files of this job with it
            _exit(130)
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # an orderly exit would wait for the thread that reads standard input


if __name__ == "__main__":
    main(sys.argv[1])
