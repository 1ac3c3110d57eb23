"""A worker process: `python -m colbench.experiment.worker JOB.json`.

Calls the function that the job names and leaves a `Reply`. Nothing is imported before the function
is: its memory and threads are its own.
Lives no longer than its standard input, which the conductor holds open.
"""

from __future__ import annotations

import inspect
import multiprocessing
import os
import random
import select
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import numpy as np

from colbench.errors import ColbenchError, StorageError, WeightsUnavailable
from colbench.experiment.job import NO_REPLY, Failure, Job, Reply
from colbench.features import entry_point
from colbench.files import atomic_write


def perform(job: Job) -> Reply:
    """Do the job; errors a user can act on become a `Failure`."""
    random.seed(job.seed)
    np.random.seed(job.seed)
    try:
        function = entry_point(job.entry)
        value = function(*_arguments(function, job))
    except ColbenchError as error:
        skipped = isinstance(error, WeightsUnavailable)
        return Reply(failure=Failure(skipped=skipped, message=str(error)))
    return Reply(value=value.model_dump(mode="json"))


def _arguments(function: Any, job: Job) -> list[Any]:
    first = next(iter(inspect.signature(function).parameters))
    task = get_type_hints(function)[first].model_validate(job.task)
    if job.bench is None:
        return [task]
    from colbench.experiment.bench import Bench

    return [task, Bench.model_validate(job.bench).open()]


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
