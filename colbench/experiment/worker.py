"""A worker process: `python -m colbench.experiment.worker JOB.json`.

Calls the function that the job names and leaves a `Reply`. Nothing is imported before the log is
open, for an import may fail, and nothing of the function's before the function is: its memory and
threads are its own.
Lives no longer than its standard input, which the conductor holds open.

Progress and notes go to standard error, as everywhere. What libraries write to the descriptor
itself, such as the last words of a crash, goes to the log of the job, and tracebacks do.
"""

from __future__ import annotations

import errno
import faulthandler
import inspect
import multiprocessing
import os
import random
import select
import sys
import sysconfig
import threading
import traceback
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_type_hints

from colbench.errors import ColbenchError, ProgramError, StorageError, WeightsUnavailable
from colbench.features import entry_point
from colbench.shortage import shortage

if TYPE_CHECKING:
    from colbench.experiment.job import Job, Reply

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def perform(job: Job) -> Reply:
    """Do the job; whatever is raised becomes a `Failure`, its traceback goes to the log."""
    from colbench.experiment.job import Failure, Reply

    try:
        import numpy as np

        random.seed(job.seed)
        np.random.seed(job.seed)
        function = entry_point(job.entry)
        value = function(*_arguments(function, job))
        return Reply(value=value.model_dump(mode="json"))
    except ColbenchError as error:
        skipped = isinstance(error, WeightsUnavailable)
        said = error.log if isinstance(error, ProgramError) else ""
        if said:
            with suppress(OSError), job.log.open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(said)
        failure = Failure(
            skipped=skipped,
            message=str(error),
            fatal=_out_of_space(error),
            log=job.log if said else None,
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's module may raise anything, or exit
        with suppress(OSError), job.log.open("a", encoding="utf-8", errors="replace") as stream:
            traceback.print_exc(file=stream)
        failure = Failure(
            skipped=False,
            message=_told(error),
            fatal=_out_of_space(error),
            log=job.log,
        )
    return Reply(failure=failure)


def _out_of_space(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return True
        error = error.__cause__
    return False


def _told(error: BaseException) -> str:
    """Say in one line what was raised, and where in colbench or in the user's own code."""
    lines = [line.strip() for line in str(error).splitlines()]
    message = next(filter(None, lines), "")
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, Exception) and (short := shortage(error)) is not None:
        told = short
    frames = traceback.extract_tb(error.__traceback__)
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    own = [frame for frame in frames if not any(frame.filename.startswith(p) for p in libraries)]
    if frame := next(reversed(own or frames), None):
        told += f" ({Path(frame.filename).name}, line {frame.lineno})"
    return str(ColbenchError(told))  # in one printable line


def _arguments(function: Any, job: Job) -> list[Any]:
    first = next(iter(inspect.signature(function).parameters))
    task = get_type_hints(function)[first].model_validate(job.task)
    if job.bench is None:
        return [task]
    from colbench.experiment.bench import Bench

    return [task, Bench.model_validate(job.bench).open()]


def _keep_the_conductor() -> int:
    """Return a descriptor that ends with the conductor; who reads standard input finds it empty.

    A user's module that asks for something, or stops in a debugger, gets an `EOFError` at once
    instead of waiting for ever.
    """
    conductor = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return conductor


def _end_with_the_conductor(conductor: int) -> None:
    while os.read(conductor, 1024):
        pass
    _exit(130)


def _exit(status: int) -> NoReturn:
    """End at once, with the processes of encoders on several devices and of other programs."""
    for child in multiprocessing.active_children():
        child.kill()
    if "psutil" in sys.modules:  # what measures has it, and nothing else starts programs
        import psutil

        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()
    os._exit(status)


def _conductor_ended(conductor: int) -> bool:
    return bool(select.select([conductor], [], [], 0)[0])


def _log_to(file: Path) -> None:
    """Let descriptor 2 be the log; standard error stays where it was."""
    shown = os.dup(2)
    with file.open("ab") as log:
        os.dup2(log.fileno(), 2)
    sys.stderr = os.fdopen(
        shown, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace"
    )
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    faulthandler.enable(file=2)


def _work(job_file: str, conductor: int) -> None:
    from colbench.experiment.job import NO_REPLY, Job
    from colbench.files import atomic_write

    job = Job.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    if job.modules:
        from colbench.retriever.user_modules import search_modules_in

        search_modules_in(job.modules)
    reply = perform(job)
    try:
        with atomic_write(job.reply) as stream:
            stream.write(reply.model_dump_json())
    except StorageError:
        os._exit(130 if _conductor_ended(conductor) else NO_REPLY)


def main(job_file: str) -> None:
    """Entry point of the process."""
    conductor = _keep_the_conductor()
    try:
        _log_to(Path(f"{job_file.removesuffix('.job.json')}.log"))
        threading.Thread(target=_end_with_the_conductor, args=(conductor,), daemon=True).start()
        _work(job_file, conductor)
    except Exception:
        # An interrupted conductor removes the files of its jobs, and ends.
        if _conductor_ended(conductor) or not Path(job_file).exists():
            _exit(130)
        traceback.print_exc(file=os.fdopen(2, "w", closefd=False))
        _exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # an orderly exit would wait for the thread that reads standard input


if __name__ == "__main__":
    main(sys.argv[1])
