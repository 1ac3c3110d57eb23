"""`colbench` in processes that are there at once: forks of one that has everything imported.

Run as a program it imports colbench and all it rests on, compiles what numba compiles, with one
thread to each library, and forks for each order it reads from standard input. A process that
colbench starts in turn, `python -m colbench…`, is forked too, where a user's run starts a new
interpreter: both do the same from their first line on, with a standard input, a session and an
environment of their own.

What only a fresh interpreter has is left to the tests that start one: thread variables that are
read at import, an empty memory, modules of one's own on the path before anything is imported.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "NUMBA_THREADING_LAYER": "workqueue",  # the one that survives a fork
    "PYTHONHASHSEED": "0",
    "HF_HUB_OFFLINE": "1",
    "COLBENCH_QUIET": "1",
}
COMMAND = "colbench.cli.main:main"
BENCHMARKS = "benchmarks.__main__:main"
"""Functions that take the words of a command line as one list."""


class Forked:
    """A process that was forked for an order.

    Attributes:
        pid: its process id.
        returncode: its exit status, negative for a signal; None while it runs.
    """

    def __init__(self, server: ForkServer, pid: int, streams: Path) -> None:
        self._server, self.pid, self._streams = server, pid, streams
        self.returncode: int | None = None

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return (self._streams / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return (self._streams / "stderr").read_text(encoding="utf-8")

    def wait(self) -> int:
        """Wait for its end and return its exit status."""
        if self.returncode is None:
            self.returncode = int(self._server.ask({"wait": self.pid}))
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL to the process alone, not to those it has started."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        if self.returncode is None:
            os.kill(self.pid, number)


class ForkServer:
    """The program, started."""

    def __init__(self, folder: Path) -> None:
        """Start it.

        Args:
            folder: takes what the forked processes write to their standard streams.
        """
        self._folder, self._count = folder, 0
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self._errors = (folder / "server.stderr").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        )

    def start(
        self,
        *arguments: object,
        function: str = COMMAND,
        env: Mapping[str, str] | None = None,
        path: Sequence[str | Path] = (),
        cwd: Path | None = None,
        largest: int | None = None,
    ) -> Forked:
        """Fork a process that calls a function.

        Args:
            arguments: of the command line, or of the function.
            function: `module:name`; `COMMAND` and `BENCHMARKS` take their arguments as one list.
            env: variables that are added to the environment.
            path: folders that modules are looked for in before all others.
            cwd: the folder it works in.
            largest: size in bytes beyond which no file can grow (RLIMIT_FSIZE).
        """
        self._count += 1
        streams = self._folder / f"process-{self._count}"
        streams.mkdir()
        words = [str(argument) for argument in arguments]
        order = {
            "function": function,
            "arguments": [words] if function in (COMMAND, BENCHMARKS) else words,
            # What a test has changed with monkeypatch reaches the process as it reaches a real one.
            "env": {**os.environ, **ENVIRONMENT, **(env or {})},
            "path": [str(folder) for folder in path],
            "cwd": str(cwd or Path.cwd()),
            "largest": largest,
            "streams": str(streams),
        }
        return Forked(self, int(self.ask(order)), streams)

    def run(self, *arguments: object, **options: Any) -> Forked:
        """Fork a process as `start` does and wait for its end."""
        forked = self.start(*arguments, **options)
        forked.wait()
        return forked

    def ask(self, order: Mapping[str, Any]) -> str:
        """Send an order and return the answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        errors = Path(self._errors.name).read_text(encoding="utf-8") if not answer else ""
        assert answer, f"the fork server died: {errors}"
        return answer

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


class _ForkingPopen(subprocess.Popen):
    """Forks `python -m colbench…` and starts everything else as it is started."""

    def _execute_child(self, args: Any, *others: Any) -> None:
        words = [os.fspath(word) for word in args] if not isinstance(args, (str, bytes)) else []
        if not (words and words[0] == sys.executable and "-m" in words[:3]):
            super()._execute_child(args, *others)
            return
        module, *arguments = words[words.index("-m") + 1 :]
        if not module.startswith("colbench."):
            super()._execute_child(args, *others)
            return
        (_, _, close_fds, _, cwd, env, _, _, _, *rest) = others
        (held_in, end_in, end_out, held_out, end_err, held_err, _, _, _, _, _, session, _) = rest
        ends = [end for end in (end_in, end_out, end_err) if end != -1]

        def work() -> None:
            for end in ends:
                os.close(end)
            for number, held in enumerate((held_in, held_out, held_err)):
                if held not in (-1, number):
                    os.dup2(held, number)
            if close_fds:  # a lock of the parent among them, which ends with the parent
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            if session:
                os.setsid()
            if cwd is not None:
                os.chdir(cwd)
            if env is not None:
                os.environ.clear()
                os.environ.update(env)
            sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
            _run_module(module, arguments)

        self.pid = _fork(work)
        self._child_created = True
        self._close_pipe_fds(held_in, end_in, end_out, held_out, end_err, held_err)


def _run_module(module: str, arguments: Sequence[str]) -> None:
    sys.argv = [module, *arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the module is imported already
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _fork(work: Callable[[], Any]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    # What is raised while Python's own hooks of a fork run is dropped, an interrupt as well.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return child
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        code = int(work() or 0)
    except SystemExit as error:
        code = int(error.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _carry_out(order: Mapping[str, Any]) -> Any:
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(Path(order["streams"]) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.path[:0] = order["path"]
    if order["largest"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"], order["largest"]))
    module, name = order["function"].split(":")
    return getattr(importlib.import_module(module), name)(*order["arguments"])


def _import_all() -> None:
    """Load and compile what a fork needs, short of what starts threads: they do not survive it."""
    import altair
    import faiss
    import ranx
    import sentence_transformers
    import transformers
    import vl_convert

    import colbench

    for module in pkgutil.walk_packages(colbench.__path__, "colbench."):
        importlib.import_module(module.name)
    assert altair.__version__ and faiss and ranx and sentence_transformers and vl_convert
    for name in ("AutoModel", "AutoTokenizer", "BertModel", "BertTokenizerFast"):
        assert getattr(transformers, name)  # imported when it is first asked for
    from colbench.cli.main import main as command
    from colbench.experiment.warm_up import compile_all

    compile_all()
    with contextlib.redirect_stdout(io.StringIO()):
        command(["run", "--show-config"])  # Hydra looks for its plug-ins once a process
    gc.freeze()  # what is here stays; a collection in a fork would copy its pages


def _measure_once() -> None:
    """Take once what every run takes again: how fast the machine is, the page's plotting library.

    Both are computed in a process that ends, for they may start threads.
    """
    from colbench.experiment import measurement
    from colbench.measures.machine import Calibration
    from colbench.report.html import page

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def compute() -> None:
            (folder / "library").write_text(str(page.plotting_library()), encoding="utf-8")
            times = measurement.calibrate()
            (folder / "times").write_text(times.model_dump_json(), encoding="utf-8")

        _, status = os.waitpid(_fork(compute), 0)
        assert status == 0
        library = type(page.inline_script(""))((folder / "library").read_text(encoding="utf-8"))
        calibration = Calibration.model_validate_json((folder / "times").read_bytes())
    page.plotting_library = lambda: library
    measurement.calibrate = lambda: calibration


def main() -> None:
    """Answer orders."""
    _import_all()
    _measure_once()
    subprocess.Popen = _ForkingPopen
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = _fork(lambda order=order: _carry_out(order))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
