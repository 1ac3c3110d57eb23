"""Operations in real processes, which are there at once and can be killed at any moment.

Run as a program it has everything imported and no threads, and forks for each order it reads from
standard input. A worker of `colbench run` is forked as well, where a user's run starts a new
interpreter: both do the same from their first line of colbench on. Two slow computations that write
nothing are left out: the calibration, and the bundling of the page's plotting library.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import operations

from colbench.errors import ColbenchError

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "NUMBA_THREADING_LAYER": "workqueue",  # the one that survives a fork
    "PYTHONHASHSEED": "0",
    "HF_HUB_OFFLINE": "1",
    "COLBENCH_QUIET": "1",
}


class Victims:
    """The program, started."""

    def __init__(self) -> None:
        path = os.pathsep.join(sys.path)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        # Several processes write to it, and it is emptied between operations.
        fcntl.fcntl(self._errors, fcntl.F_SETFL, os.O_APPEND)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        )

    def start(self, name: str, folder: Path, largest: int | None = None) -> int:
        """Start an operation and return its process id.

        Args:
            name: of the operation.
            folder: it works in.
            largest: size in bytes beyond which no file can grow (RLIMIT_FSIZE).
        """
        self._errors.truncate(0)
        return int(self._ask({"name": name, "folder": str(folder), "largest": largest}))

    def wait(self, pid: int) -> int:
        """Wait for an operation to end; return its exit status, negative for a signal."""
        return int(self._ask({"name": "wait", "pid": pid}))

    def run(self, name: str, folder: Path) -> float:
        """Do an operation to its end, which must be a good one; return what it took in seconds."""
        started = time.monotonic()
        code = self.wait(self.start(name, folder))
        assert code == 0, f"{name} ended with {code}: {self.errors()}"
        return time.monotonic() - started

    def errors(self) -> str:
        """Return what was written to standard error since the last start."""
        self._errors.seek(0)
        return self._errors.read()

    def _ask(self, order: dict[str, Any]) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the program died: {self.errors()}"
        return answer

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


class _ForkedWorker:
    """In place of the `subprocess.Popen` that starts a worker."""

    def __init__(
        self, command: list[str], *, env: Any, stdin: int, start_new_session: bool
    ) -> None:
        assert stdin == subprocess.PIPE and start_new_session
        held, self._end = os.pipe()
        self.pid = _fork(lambda: self._work(command[-1], held, env))
        os.close(held)

    def _work(self, job_file: str, held: int, env: dict[str, str]) -> None:
        from colbench.experiment import worker

        os.setsid()
        os.close(self._end)
        os.dup2(held, 0)
        sys.stdin = os.fdopen(0, encoding="utf-8")
        os.environ.update(env)
        Path(job_file).with_suffix(".pid").write_text(str(os.getpid()), encoding="utf-8")
        worker.main(job_file)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def __enter__(self) -> _ForkedWorker:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._end)


def _fork(work: Any) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    except SystemExit as error:
        os._exit(int(error.code or 0))
    except ColbenchError as error:  # what the command line does with errors of the library
        print(f"colbench: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _operation(order: dict[str, Any]) -> None:
    sys.stdout = io.StringIO()  # the other one is for answers to orders
    if order["largest"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    operations.perform(order["name"], Path(order["folder"]))


def _import() -> None:
    """Load and compile what a fork needs, short of what starts threads: they do not survive it."""
    import faiss
    import ranx
    import torch
    import vl_convert

    assert faiss and ranx and torch and vl_convert
    from colbench.experiment import measurement, spawn
    from colbench.measures.calibration import Calibration
    from colbench.measures.effectiveness import warm_up
    from colbench.report.html import page
    from colbench.report.html.embed import inline_script

    spawn.subprocess = type("", (), {"Popen": _ForkedWorker, "PIPE": subprocess.PIPE})
    measurement.calibrate = lambda: Calibration(gemm_ms=1.0, scan_ms=1.0)
    page.plotting_library = lambda: inline_script("window.vegaEmbed = null;")
    os.environ["COLBENCH_QUIET"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        for name in ("encode", "prepare-add", "add", "compact"):
            operations.perform(name, Path(folder))
    warm_up()


def main() -> None:
    """Answer orders."""
    _import()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        order = json.loads(line)
        if order["name"] == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(order["pid"], 0)[1])
        else:
            answer = _fork(lambda order=order: _operation(order))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
