"""An engine at work in its own Python environment, from colbench's side."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from numpy.typing import NDArray
from pydantic import ValidationError

from colbench.errors import PackagesUnavailable, ProgramError
from colbench.measures.machine import peak_rss_bytes_of
from colbench.processes import thread_limits
from colbench.retriever.engines.declaration import Declaration
from colbench.retriever.engines.replies import Found, Opened, Refused, Reply, Started, Timed
from colbench.retriever.program import Program
from colbench.vectors import Vectors

_HARNESS = Path(__file__).resolve().parent / "harness.py"
_FAMILY = 4
"""Looks at the memory of which one is at the processes that it started, too: to find them takes
milliseconds."""

_REMEDIES = {
    "start": "try its import in its environment",
    "build": "raise build_timeout_seconds",
    "open": "raise build_timeout_seconds",
    "search": "raise timeout_seconds",
}
_Reply = TypeVar("_Reply", bound=Reply)


class EngineError(ProgramError):
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

    Raises:
        PackagesUnavailable: the engine imports a module that the interpreter lacks.
        ProgramError: it cannot be started, or fails at once.
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
    ) -> None:
        self.engine = engine
        self._limits = limits or Limits()
        self._memory = self._limits.memory_bytes or psutil.virtual_memory().total * 9 // 10
        self._looks = 0
        # Colbench's own modules are not to be found there.
        variables = {
            **thread_limits(threads, default_openmp=default_openmp),
            "PYTHONPATH": "",
            "PYTHONHOME": "",
        }
        self._program = Program(
            [str(python), "-s", str(_HARNESS), str(engine.file)],
            None,
            variables,
            name=f"the engine {engine.name}",
            look=self._check_memory,
        )
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
        return self._program.pid

    def build(self, vectors: Path, lengths: Path, folder: Path, given: Mapping[str, Any]) -> float:
        """Let it write an index and return the seconds it took.

        Args:
            vectors: `.npy` file, float16 (tokens, dims).
            lengths: `.npy` file, int64 (documents,), tokens of each, at least one.
            folder: of the index; it is made where missing.
            given: build settings that are not the defaults.

        Raises:
            ProgramError: it failed, was killed, or took too long or too much memory.
        """
        paths = {"vectors": str(vectors), "lengths": str(lengths), "folder": str(folder)}
        request = {**paths, "settings": self.engine.settings("build", given)}
        return self._ask("build", request, Timed, self._limits.build_seconds).ns / 1e9

    def open(self, folder: Path) -> tuple[float, dict[str, int]]:
        """Let it open an index; return the seconds that took, and the bytes of each file it reads.

        Raises:
            ProgramError: as of `build`.
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
            ProgramError: as of `build`, or it names a document that the index does not have, one
                twice, or a score that is no number.
        """
        rows = np.ascontiguousarray(query, dtype="<f4")
        request = {
            "k": k,
            "settings": self.engine.settings("search", given),
            "shape": rows.shape,
            "bytes": rows.nbytes,
        }
        seconds = self._limits.query_seconds
        found = self._ask("search", request, Found, seconds, payload=rows.tobytes())
        return Answer(*self._checked(found, documents), found.ns)

    def _checked(
        self, found: Found, documents: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if len(found.docs) != len(found.scores):
            self._program.fail(f"{len(found.docs)} documents and {len(found.scores)} scores")
        if wrong := [doc for doc in found.docs if not 0 <= doc < documents]:
            self._program.fail(f"a search found document {wrong[0]} of {documents}, from 0 on")
        docs = np.array(found.docs, dtype=np.int64)
        ordered = np.sort(docs)
        if len(twice := ordered[1:][ordered[1:] == ordered[:-1]]):
            self._program.fail(f"a search found document {twice[0]} more than once")
        with np.errstate(over="ignore"):
            scores = np.array(found.scores, dtype=np.float32)
        if len(bad := np.flatnonzero(~np.isfinite(scores))):
            score = found.scores[bad[0]]
            self._program.fail(f"a search gave document {docs[bad[0]]} the score {score}")
        return docs, scores

    def peak_bytes(self) -> int | None:
        """Return the peak resident memory of its process and of those it started."""
        return peak_rss_bytes_of(self.pid)

    def close(self) -> None:
        """End it."""
        self._program.close(at_once=True)

    def _ask(
        self,
        action: str,
        request: Mapping[str, Any],
        reply: type[_Reply],
        seconds: float,
        *,
        payload: bytes = b"",
    ) -> _Reply:
        """Send a request and return the answer."""
        question = {"action": action, **request}
        answer = self._program.ask(question, seconds, payload, remedy=_REMEDIES[action])
        self._check_memory()
        kind = Refused if isinstance(answer, dict) and "error" in answer else reply
        try:
            checked = kind.model_validate(answer)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(map(str, first["loc"]))
            problem = f"{key}: {first['msg']}" if key else first["msg"]
            self._program.fail(f"{action}: an answer that is none: {problem}")
        if isinstance(checked, Refused):
            told = f"the engine {self.engine.name}: {action}: {checked.error}"
            if checked.missing and action == "start":
                raise PackagesUnavailable(f"{told}; {self.engine.advice()}")
            raise EngineError(told, log=self._program.said())
        assert isinstance(checked, reply)
        return checked

    def _check_memory(self) -> None:
        """End it where it holds more than it may in memory that no file backs."""
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
            most = f"{self._memory / 1e9:.3g} GB"
            self._program.fail(f"memory limit: it held more than {most}: raise memory_gb")
