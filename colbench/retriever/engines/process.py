"""An engine at work in its own Python environment, from colbench's side."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import psutil
from numpy.typing import NDArray
from pydantic import ValidationError

from colbench.errors import PackagesUnavailable, ProcessFailed
from colbench.measures.machine import peak_rss_bytes_of
from colbench.processes import limited_environment
from colbench.retriever.engines.declaration import Declaration
from colbench.retriever.engines.replies import Found, Opened, Reply, Started, Timed
from colbench.vectors import Vectors

_HARNESS = Path(__file__).resolve().parent / "harness.py"
_WATCHED = 0.25
"""Seconds between two looks at the memory of an engine that is at work."""

_FAMILY = 8
"""Looks of which one is at the processes that it started, too: finding them takes milliseconds."""

_REMEDIES = {
    "start": "try its import in its environment",
    "build": "raise build_timeout",
    "open": "raise build_timeout",
    "search": "raise query_timeout",
}

_CHUNK = 1 << 16
_ANSWER_BYTES = 1 << 20
"""Bytes of an answer, and as many again for each `_DOCUMENT_BYTES` per document asked for."""

_DOCUMENT_BYTES = 64
_LOG_BYTES = 1 << 16
_LONGEST_LINE = 300

_Reply = TypeVar("_Reply", bound=Reply)


class EngineError(ProcessFailed):
    """An engine raised an error; its process goes on."""


@dataclass(frozen=True)
class Limits:
    """What an engine may take before it is ended.

    Attributes:
        start_seconds: for its imports, torch from a cold disk among them.
        build_seconds: for a build, and for opening an index.
        query_seconds: for a query.
        memory_bytes: that no file backs; None for nine tenths of the machine's.
    """

    start_seconds: float = 300.0
    build_seconds: float = 7200.0
    query_seconds: float = 60.0
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Answer:
    """What an engine found for a query.

    Attributes:
        docs: int64 document numbers, each once, in any order.
        scores: float32, theirs.
        nanoseconds: of the engine's own call, on the clock of its process.
    """

    docs: NDArray[np.int64]
    scores: NDArray[np.float32]
    nanoseconds: int


class EngineProcess:
    """An engine that was started; every method waits for its answer.

    Args:
        engine: what its file declares.
        python: interpreter of the environment that has it.
        threads: limit of every library.
        seed: of everything random.
        limits: beyond which it is ended.
        default_openmp: whether OpenMP's threads wait as they do by default, and not as in the
            processes of other systems (see `colbench.processes`).
        log: descriptor that gets the end of what it said, where it fails.

    Raises:
        PackagesUnavailable: the interpreter cannot be started, or lacks a module that the engine
            imports.
        ProcessFailed: it fails at once.
    """

    def __init__(
        self,
        engine: Declaration,
        python: Path,
        *,
        threads: int,
        seed: int = 0,
        limits: Limits | None = None,
        default_openmp: bool = False,
        log: int | None = None,
    ) -> None:
        self.engine = engine
        self._log = log
        self._looks = 0
        self._limits = limits or Limits()
        self._memory = self._limits.memory_bytes or psutil.virtual_memory().total * 9 // 10
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self._rest = b""
        # Colbench's own modules are not to be found there.
        without = ("PYTHONPATH", "PYTHONHOME", "GOMP_SPINCOUNT")
        try:
            self._process = subprocess.Popen(
                [str(python), "-s", str(_HARNESS), str(engine.file)],
                env=limited_environment(threads, without=without, default_openmp=default_openmp),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                bufsize=0,
                start_new_session=True,  # Ctrl-C in the terminal is not for it
            )
        except OSError as error:
            self._said.close()
            told = f"cannot start {python}: {error.strerror or error}"
            raise PackagesUnavailable(f"{told}; {engine.advice()}") from None
        request = {"threads": threads, "seed": seed, "package": engine.package}
        try:
            started = self._ask("start", request, Started, self._limits.start_seconds)
        except BaseException:
            self.close()
            raise
        self.versions: dict[str, str] = started.versions

    @property
    def pid(self) -> int:
        """Id of its process."""
        return self._process.pid

    def build(self, vectors: Path, lengths: Path, folder: Path, given: Mapping[str, Any]) -> float:
        """Let it write an index and return the seconds it took.

        Args:
            vectors: `.npy` file, float16 (tokens, dims).
            lengths: `.npy` file, int64 (documents,), tokens of each, at least one.
            folder: of the index; it is made where missing.
            given: build settings that are not the defaults.

        Raises:
            ProcessFailed: it failed, was killed, or took too long or too much memory.
        """
        paths = {"vectors": str(vectors), "lengths": str(lengths), "folder": str(folder)}
        request = {**paths, "settings": self.engine.settings("build", given)}
        return self._ask("build", request, Timed, self._limits.build_seconds).ns / 1e9

    def open(self, folder: Path) -> tuple[float, dict[str, int]]:
        """Let it open an index; return the seconds that took, and the bytes of each file it reads.

        Raises:
            ProcessFailed: as of `build`.
        """
        request = {"folder": str(folder)}
        opened = self._ask("open", request, Opened, self._limits.build_seconds)
        return opened.ns / 1e9, opened.files

    def search(self, query: Vectors, k: int, given: Mapping[str, Any], *, documents: int) -> Answer:
        """Let it search the open index for one query.

        Args:
            query: float32 (tokens, dims).
            k: documents wanted.
            given: search settings that are not the defaults.
            documents: in the index.

        Raises:
            ProcessFailed: as of `build`, or it names a document that the index does not have, one
                twice, or a score that is no number.
        """
        rows = np.ascontiguousarray(query, dtype="<f4")
        request = {"k": k, "settings": self.engine.settings("search", given)}
        found = self._ask(
            "search",
            {**request, "shape": rows.shape},
            Found,
            self._limits.query_seconds,
            payload=rows.tobytes(),
            most=_ANSWER_BYTES + _DOCUMENT_BYTES * documents,
        )
        return Answer(*self._checked(found, documents), found.ns)

    def _checked(
        self, found: Found, documents: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        docs, scores = np.array([], dtype=np.int64), np.array([], dtype=np.float32)
        problem = None
        if len(found.docs) != len(found.scores):
            problem = f"named {len(found.docs)} documents and {len(found.scores)} scores"
        elif wrong := [doc for doc in found.docs if not 0 <= doc < documents]:
            problem = f"named document {wrong[0]}; there are {documents}, from 0 on"
        else:
            docs = np.array(found.docs, dtype=np.int64)
            with np.errstate(over="ignore"):
                scores = np.array(found.scores, dtype=np.float32)
            ordered = np.sort(docs)
            if len(twice := ordered[1:][ordered[1:] == ordered[:-1]]):
                problem = f"named document {twice[0]} more than once"
            elif len(bad := np.flatnonzero(~np.isfinite(scores))):
                problem = f"gave document {docs[bad[0]]} the score {found.scores[bad[0]]}"
        if problem is not None:
            self._show_log()
            raise ProcessFailed(f"{self.engine.name}: a search {problem}")
        return docs, scores

    def peak_bytes(self) -> int | None:
        """Return the peak resident memory of its process and of those it started."""
        return peak_rss_bytes_of(self.pid)

    def close(self) -> None:
        """End it."""
        self._kill()
        self._said.close()

    def _kill(self) -> int:
        """End the process, with all that it started, and return its exit status."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return self._process.wait()

    def _ask(
        self,
        action: str,
        request: Mapping[str, Any],
        reply: type[_Reply],
        seconds: float,
        *,
        payload: bytes = b"",
        most: int = _ANSWER_BYTES,
    ) -> _Reply:
        """Send a request and return the answer."""
        what = f"{self.engine.name}: {action}"
        line = json.dumps({"action": action, **request, "bytes": len(payload)}).encode()
        deadline = time.monotonic() + seconds
        try:
            self._send(line + b"\n" + payload, deadline)
            answer = self._receive(deadline, most)
            self._check_memory()
        except _Stopped as stopped:
            code = self._process.poll()
            if stopped.reason is None and code is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = self._process.wait(1.0)
            self._kill()
            raise ProcessFailed(self._death(action, stopped.reason, code, seconds)) from None
        try:
            left = Reply.model_validate_json(answer) if b'"error"' in answer[:10] else None
            if left is None:
                return reply.model_validate_json(answer)
        except ValidationError as error:
            self._kill()
            self._show_log()
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            problem = f"{key}: {first['msg']}" if key else first["msg"]
            raise ProcessFailed(f"{what} was answered with something else: {problem}") from None
        self._show_log()
        told = f"{what} failed: {left.error}"
        if left.missing and action == "start":
            raise PackagesUnavailable(f"{told}; {self.engine.advice()}")
        raise EngineError(told)

    def _send(self, message: bytes, deadline: float) -> None:
        stream = self._process.stdin
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        left = memoryview(message)
        while left:
            self._wait(stream, selectors.EVENT_WRITE, deadline)
            try:
                left = left[os.write(stream.fileno(), left[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise _Stopped(None) from None

    def _receive(self, deadline: float, most: int) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        parts, size = [self._rest], len(self._rest)
        while b"\n" not in parts[-1]:
            self._wait(stream, selectors.EVENT_READ, deadline)
            part = os.read(stream.fileno(), _CHUNK)
            if not part:
                raise _Stopped(None)
            parts.append(part)
            size += len(part)
            if size > most:
                raise _Stopped("answer")
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _wait(self, stream: IO[bytes], event: int, deadline: float) -> None:
        """Return once a stream is ready, with an eye on the clock and on the memory."""
        with selectors.DefaultSelector() as selector:
            selector.register(stream, event)
            while not selector.select(_WATCHED):
                if time.monotonic() > deadline:
                    raise _Stopped("time")
                if self._process.poll() is not None and not selector.select(0):
                    raise _Stopped(None)  # what it started holds the pipe open
                self._check_memory()

    def _check_memory(self) -> None:
        """Stop where it holds more than it may in memory that no file backs."""
        held, self._looks = 0, self._looks + 1
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(self.pid)]
            if self._looks % _FAMILY == 0:
                family += family[0].children(recursive=True)
            for member in family:
                with contextlib.suppress(psutil.Error):
                    info = member.memory_info()
                    held += info.rss - getattr(info, "shared", 0)
        if held > self._memory:
            raise _Stopped("memory")

    def _death(self, action: str, reason: str | None, code: int | None, seconds: float) -> str:
        """Say in one line why an engine that was ended, or has ended, did not answer."""
        what = f"{self.engine.name}: {action}"
        last = self._show_log()
        if reason == "time":
            return f"{what} did not end within {seconds:g} s: {_REMEDIES[action]}"
        if reason == "memory":
            held = f"it held more than {self._memory / 1e9:.3g} GB"
            return f"{what}: memory limit: {held}; raise memory_gb"
        if reason == "answer":
            return f"{what} was answered with something else: a line without end"
        if code is not None and code == -signal.SIGKILL:
            return f"{what}: it was killed, most likely for want of memory; free some and run again"
        if code is not None and code < 0:
            name = signal.strsignal(-code) or f"signal {-code}"
            return f"{what}: it was ended by {signal.Signals(-code).name} ({name}): {last}"
        return f"{what}: it ended with status {code}: {last}"

    def _show_log(self) -> str:
        """Put the end of what it said into this process's log, and return its last line."""
        size = os.fstat(self._said.fileno()).st_size
        end = os.pread(self._said.fileno(), _LOG_BYTES, max(size - _LOG_BYTES, 0))
        if self._log is not None:
            with contextlib.suppress(OSError):
                os.write(self._log, end)
        text = end.decode("utf-8", errors="replace")
        # What follows is the stack that Python shows as it is ended by a signal.
        before = text.partition("Fatal Python error")[0] or text
        lines = [line.strip() for line in before.splitlines() if line.strip()]
        return lines[-1][:_LONGEST_LINE] if lines else "it said nothing"


class _Stopped(Exception):
    """An engine will not answer: for want of time or memory, or because it has ended."""

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
