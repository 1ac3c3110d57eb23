"""Starting a process: every worker, and every engine with a Python of its own, is started here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from colbench.errors import ColbenchError, StorageError
from colbench.experiment.job import NO_REPLY, Failure, Job, Reply
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
_Value = TypeVar("_Value", bound=BaseModel)


def run_process(
    command: Sequence[str],
    *,
    threads: int,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    default_openmp: bool = False,
    timeout_seconds: float | None = None,
    streams: Mapping[str, Any] | None = None,
) -> int:
    """Run a program to its end and return its exit status.

    The program is to end when its standard input does: then it cannot outlive this process, however
    that ends. A session of its own keeps Ctrl-C in the terminal from reaching it.

    Args:
        command: program and arguments.
        threads: limit of every numeric library, set before the process starts: a library that is
            not needed need not be imported to be limited, and does not count in the peak memory of
            a system that does without it.
        environment: further variables.
        without: variables of this process that it does not inherit.
        default_openmp: whether OpenMP's threads wait as they do by default.
        timeout_seconds: after this long the process is killed.
        streams: `stdout` and `stderr`, where they are not this process's own.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it took too long.
        KeyboardInterrupt: the user interrupted it.
    """
    variables = {name: value for name, value in os.environ.items() if name not in without}
    variables |= {name: str(threads) for name in _THREAD_VARIABLES}
    variables["PYTHONHASHSEED"] = "0"
    # libgomp's threads wait spinning by default. On a machine with one other busy process that made
    # a query 60 times slower; this costs a tenth on an idle one, and what is another's keeps its
    # defaults.
    if not default_openmp:
        variables["GOMP_SPINCOUNT"] = "1000"
    variables |= environment or {}
    with subprocess.Popen(
        list(command),
        env=variables,
        stdin=subprocess.PIPE,
        start_new_session=True,
        **(streams or {}),
    ) as process:
        try:
            return int(process.wait() if timeout_seconds is None else process.wait(timeout_seconds))
        except BaseException:  # interrupted: what it would still write is cleared away next
            process.kill()
            process.wait()
            raise


def run_job(job: Job, reply: type[_Value]) -> _Value | Failure:
    """Run a worker to its end and return what it reports, or its failure.

    Args:
        job: what to do.
        reply: class of what the job's function returns.

    Raises:
        ColbenchError: the worker died without a reply (killed, out of memory).
        StorageError: the worker could not write its reply.
        KeyboardInterrupt: the user interrupted it.
    """
    job_file = job.reply.with_suffix(".job.json")
    with atomic_write(job_file) as stream:
        stream.write(job.model_dump_json())
    job.reply.unlink(missing_ok=True)
    # -P: a module in the user's folder must not shadow one that the worker imports.
    code = run_process(
        [sys.executable, "-P", "-m", "colbench.experiment.worker", str(job_file)],
        threads=job.threads,
        environment={"TOKENIZERS_PARALLELISM": "true", **job.environment},
        default_openmp=job.default_openmp,
    )
    if code == NO_REPLY:
        raise StorageError(
            f"{job.about}: cannot write {job.reply}; free some space or choose another output_dir"
        )
    if not job.reply.is_file():
        raise ColbenchError(_death(job, code))
    left = Reply.model_validate_json(job.reply.read_text(encoding="utf-8"))
    return left.failure if left.failure is not None else reply.model_validate(left.value)


def _death(job: Job, code: int) -> str:
    if code == -signal.SIGKILL:
        return (
            f"{job.about}: the process was killed, most likely for want of memory; lower memory_gb "
            "or encoder.batch_tokens and run the same command again, it resumes"
        )
    return (
        f"{job.about}: the process ended with status {code}; its traceback is above, please "
        "report it"
    )
