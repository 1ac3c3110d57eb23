"""Running an engine in its own Python environment, from colbench's side."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, overload

from pydantic import ValidationError

from benchmarks.engines.reply import BuildReply, SearchReply, VersionReply
from benchmarks.engines.settings import EngineData, EngineSettings
from colbench.errors import ColbenchError, ConfigError
from colbench.experiment.spawn import run_process
from colbench.files import write_json

_SCRIPTS = Path(__file__).resolve().parent
_IMPORT_SECONDS = 300.0  # torch from a cold disk
_Reply = TypeVar("_Reply", bound=VersionReply)


@overload
def run_engine(
    python: Path,
    settings: EngineSettings,
    action: Literal["build"],
    data: EngineData,
    *,
    folder: Path,
    work: Path,
    threads: int,
    timeout_seconds: float,
    seed: int = 0,
) -> BuildReply: ...


@overload
def run_engine(
    python: Path,
    settings: EngineSettings,
    action: Literal["search"],
    data: EngineData,
    *,
    folder: Path,
    work: Path,
    threads: int,
    timeout_seconds: float,
    seed: int = 0,
    k: int = 100,
    trials: int = 3,
    warmup: int = 3,
    timed: int | None = None,
) -> SearchReply: ...


def run_engine(
    python: Path,
    settings: EngineSettings,
    action: Literal["build", "search"],
    data: EngineData,
    *,
    folder: Path,
    work: Path,
    threads: int,
    timeout_seconds: float,
    seed: int = 0,
    k: int = 100,
    trials: int = 3,
    warmup: int = 3,
    timed: int | None = None,
) -> BuildReply | SearchReply:
    """Let an engine build an index, or open it and search it with all its settings.

    Args:
        python: interpreter of the environment that has the engine.
        settings: which engine, and how it builds and searches.
        action: what to do.
        data: the vectors; a search reads only the queries.
        folder: the index, which a build writes.
        work: folder for the job and its reply.
        threads: limit of every library.
        timeout_seconds: after this long the process is killed.
        seed: of the clustering and everything else random.
        k: documents wanted for each query.
        trials: passes over the queries that are timed, at least one.
        warmup: searches with each setting before the clock counts.
        timed: queries that take part in every trial, the first ones; the others are searched once.
            None times all.

    Raises:
        ConfigError: the script or the interpreter is not there.
        ColbenchError: the engine failed, was killed or took too long; one line with its own
            overrides.
    """
    paths = {**data.model_dump(mode="json"), "folder": str(folder)}
    job = {"action": action, **paths, "threads": threads, "seed": seed}
    job |= {"build": settings.build, "search": [s.model_dump() for s in settings.search]}
    job |= {"k": k, "trials": trials, "warmup": warmup, "timed": timed}
    reply: type[BuildReply | SearchReply] = BuildReply if action == "build" else SearchReply
    return _do(python, settings, job, reply, work, timeout_seconds)


def engine_available(python: Path, settings: EngineSettings) -> str | None:
    """Say why an engine cannot be used and how to make its environment; None if it can."""
    advice = (
        "make its environment with: python3.11 -m venv engines && "
        f"engines/bin/pip install {settings.requirement}"
    )
    job = {"action": "version", "threads": 1, "seed": 0}
    with tempfile.TemporaryDirectory(prefix="colbench-engine-") as work:
        try:
            version = _do(python, settings, job, VersionReply, Path(work), _IMPORT_SECONDS).version
        except ColbenchError as error:
            return f"{error}; {advice}"
    _, exact, wanted = settings.requirement.partition("==")
    if exact and version != wanted.strip():
        return f"{settings.name} is version {version} and not {wanted.strip()}; {advice}"
    return None


def _do(
    python: Path,
    settings: EngineSettings,
    job: dict[str, Any],
    reply: type[_Reply],
    work: Path,
    timeout_seconds: float,
) -> _Reply:
    """Run the engine's script to its end and read what it reports."""
    script = _SCRIPTS / settings.script
    if not script.is_file():
        raise ConfigError(f"engine {settings.name} has no script {script}; correct its 'script'")
    job_file = work / f"{settings.name}.{job['action']}.job.json"
    reply_file = work / f"{settings.name}.{job['action']}.reply.json"
    reply_file.unlink(missing_ok=True)
    write_json(job_file, {**job, "reply": str(reply_file)})
    what = f"{settings.name}: {job['action']}"
    with tempfile.TemporaryFile() as complaints:
        command = [str(python), "-s", str(script), str(job_file)]
        code = _run(command, job["threads"], complaints, what, timeout_seconds)
        if not reply_file.is_file():
            raise ColbenchError(_death(what, code, complaints))
    try:
        return reply.model_validate_json(reply_file.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ColbenchError(f"{what} left a wrong reply: {key}: {first['msg']}") from None


def _run(
    command: list[str], threads: int, complaints: IO[bytes], what: str, timeout_seconds: float
) -> int:
    try:
        return run_process(
            command,
            threads=threads,
            without=["PYTHONPATH"],  # colbench's own modules are not to be found there
            default_openmp=True,
            timeout_seconds=timeout_seconds,
            streams={"stdout": subprocess.DEVNULL, "stderr": complaints},
        )
    except subprocess.TimeoutExpired:
        raise ColbenchError(
            f"{what} did not end within {timeout_seconds:g} s; allow it more time"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot start {command[0]}: {error.strerror}") from None


def _death(what: str, code: int, complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    if code == -signal.SIGKILL:
        return f"{what} was killed, most likely for want of memory; free some and run it again"
    if code < 0:
        return f"{what} ended with signal {-code}: {last}"
    return f"{what} failed: {last}"
