"""Running one job in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from colbench.encoder.cache.store import ROOT_VARIABLE
from colbench.errors import ColbenchError, StorageError
from colbench.experiment.job import NO_REPLY, Job, Reply, Todo
from colbench.files import atomic_write

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def thread_environment(threads: int) -> Mapping[str, str]:
    """Return environment variables that limit every numeric library to `threads`.

    Set before the process starts: a library that is not needed need not be imported to be limited,
    and does not count in the peak memory of a system that does without it.
    """
    return {name: str(threads) for name in _THREAD_VARIABLES}


def run_job(job: Job) -> Reply:
    """Run a worker to its end and return what it reports.

    Raises:
        ColbenchError: the worker died without a reply (killed, out of memory).
        StorageError: the worker could not write its reply.
        KeyboardInterrupt: the user interrupted it.
    """
    job_file = job.reply.with_suffix(".job.json")
    with atomic_write(job_file) as stream:
        stream.write(job.model_dump_json())
    job.reply.unlink(missing_ok=True)
    environment = {
        **os.environ,
        **thread_environment(job.threads),
        ROOT_VARIABLE: str(job.cache),
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "true",
    }
    # libgomp's threads wait spinning by default. On a machine with one other busy process that made
    # a query 60 times slower; this costs a tenth on an idle one, and a yardstick has its defaults.
    if job.todo.task != "encode_speed":
        environment["GOMP_SPINCOUNT"] = "1000"
    # -P: a module in the user's folder must not shadow one that the worker imports.
    command = [sys.executable, "-P", "-m", "colbench.experiment.worker", str(job_file)]
    # The worker ends when its standard input does: it cannot outlive this process, however that
    # ends. Its own session keeps Ctrl-C in the terminal from reaching it.
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            code = process.wait()
        except BaseException:  # interrupted: what the worker would still write is cleared away next
            process.kill()
            process.wait()
            raise
    if code == NO_REPLY:
        raise StorageError(
            f"{_called(job.todo)}: cannot write {job.reply}; free some space or choose another "
            "output_dir"
        )
    if not job.reply.is_file():
        raise ColbenchError(_death(job, code))
    return Reply.model_validate_json(job.reply.read_text(encoding="utf-8"))


def _death(job: Job, code: int) -> str:
    what = _called(job.todo)
    if code == -signal.SIGKILL:
        return (
            f"{what}: the process was killed, most likely for want of memory; lower memory_gb or "
            "encoder.batch_tokens and run the same command again, it resumes"
        )
    return f"{what}: the process ended with status {code}; its traceback is above, please report it"


def _called(todo: Todo) -> str:
    if todo.task == "encode":
        return f"encoding with {todo.encoder.name}"
    return todo.name if todo.task == "system" else todo.task
