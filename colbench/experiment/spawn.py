"""Starting a process: every worker, and every engine with a Python of its own, is started here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydantic import BaseModel

from colbench.errors import StorageError
from colbench.experiment.job import NO_REPLY, Failure, Job, Reply
from colbench.files import atomic_write
from colbench.processes import thread_limits
from colbench.shortage import address_space, careful_threads, out_of_memory, told_by

_NO_PROCESS = "raise the limits of processes and memory (ulimit -u, -v) or end other programs"
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
    that ends. A session of its own keeps Ctrl-C in the terminal from reaching it; what it has
    started in that session, as the program of a system, is ended after it, however it ended.

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
    variables |= thread_limits(threads, default_openmp=default_openmp)
    variables |= careful_threads() | dict(environment or {})
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
        finally:
            _end_session(process.pid)


def _end_session(leader: int) -> None:
    """End what is left of a session; its id is no other's as long as something is."""
    for process in psutil.pids():
        with suppress(OSError):
            if os.getsid(process) == leader:
                os.kill(process, signal.SIGKILL)


def run_job(job: Job, reply: type[_Value]) -> _Value | Failure:
    """Run a worker to its end and return what it reports, or its failure.

    Args:
        job: what to do.
        reply: class of what the job's function returns.

    Returns:
        What the job's function returned; a `Failure` where it raised an error, or its process died.

    Raises:
        StorageError: the worker could not write its reply.
        KeyboardInterrupt: the user interrupted it.
    """
    job_file = job.reply.with_suffix(".job.json")
    with atomic_write(job_file) as stream:
        stream.write(job.model_dump_json())
    for earlier in (job.reply, job.log):
        earlier.unlink(missing_ok=True)
    # -P: a module in the user's folder must not shadow one that the worker imports.
    try:
        code = run_process(
            [sys.executable, "-P", "-m", "colbench.experiment.worker", str(job_file)],
            threads=job.threads,
            environment={"TOKENIZERS_PARALLELISM": "true", **job.environment},
            default_openmp=job.default_openmp,
        )
    except OSError as error:
        told = f"its process could not be started: {error.strerror or error}; {_NO_PROCESS}"
        return Failure(skipped=False, message=told)
    if code == NO_REPLY:
        raise StorageError(
            f"{job.about}: cannot write {job.reply}; free some space or choose another output_dir"
        )
    if not job.reply.is_file():
        return Failure(skipped=False, message=_death(job, code), log=job.log)
    left = Reply.model_validate_json(job.reply.read_text(encoding="utf-8"))
    return left.failure if left.failure is not None else reply.model_validate(left.value)


def _death(job: Job, code: int) -> str:
    """Say in one line how a process ended that left no reply."""
    if code == -signal.SIGKILL:
        return (
            "the process was killed, most likely for want of memory; lower memory_gb or "
            "encoder.batch_tokens and run the same command again, it resumes"
        )
    ended = f"the process ended with status {code} and without a reply"
    if code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        ended = f"the process was ended by {signal.Signals(-code).name} ({name})"
        if (limit := address_space()) is not None:
            ended += f", most likely out of memory: ulimit -v allows {limit / 1e6:,.0f} MB"
    told = last_words(job.log)
    if (short := _about_memory(job.log)) is not None:
        return f"{ended}: {out_of_memory(short)}"
    return f"{ended}: {told}" if told else ended


def _about_memory(log: Path) -> str | None:
    """Return the last line of a log that is about want of memory."""
    return next(filter(told_by, reversed(_end(log))), None)


_WORDS = re.compile(
    r"[\w.]+(Error|Exception|Exit|Interrupt)\b|terminate called|what\(\):|.*\bassert", re.IGNORECASE
)
_FRAMES = ("Fatal Python", "File ", "Thread 0x", "Current thread", "Stack (most", "Extension mod")
_LONGEST_LINE = 300
_END = 1 << 16


def last_words(log: Path) -> str:
    """Return the line of a log that says most likely why its process ended; empty for none.

    That is the last one that names an error, else the last one but for the frames of a stack.
    """
    lines = _end(log)
    frames = (
        "Fatal Python error",
        "File ",
        "Thread 0x",
        "Current thread",
        "Stack (most",
        "Extension modules",
        "<no ",
    )
    told = [line for line in lines if not line.startswith(frames)]
    named = [line for line in told if _WORDS.match(line)]
    return next(reversed(named or told), "")[:_LONGEST_LINE]


def _end(log: Path) -> list[str]:
    """Return the last lines of a log; none where it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(log.stat().st_size - _END, 0))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
