"""What a conductor and its worker processes exchange, as JSON files.

A worker is a fresh Python process: its peak memory, caches and thread pools are its own. A job
names the function that does it, so that neither side knows what there is to be done. This module
imports nothing that a worker might do without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializeAsAny

NO_REPLY = 3
"""Exit status of a worker that could not write its reply."""


class Message(BaseModel):
    """Base of everything that is exchanged."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Job(Message):
    """A function to call in a process of its own.

    Attributes:
        entry: `package.module:function`. It takes the task, and a workbench where the job has one,
            and returns a pydantic model; the annotation of its first parameter is the class of the
            task.
        task: what the function is given; plain values once the job was read from its file.
        bench: description of a workbench (`experiment.bench.Bench`).
        about: what the job is called in messages.
        reply: file of the reply.
        threads: of every numeric library.
        seed: of everything random.
        environment: further variables of the process.
        modules: folders in which kinds of systems are looked for, see `retriever.user_modules`.
        default_openmp: whether OpenMP's threads wait as they do by default, see `spawn`.
    """

    entry: str
    task: SerializeAsAny[Message] | dict[str, Any]
    bench: SerializeAsAny[Message] | dict[str, Any] | None = None
    about: str
    reply: Path
    threads: int
    seed: int = 0
    environment: dict[str, str] = {}
    modules: list[Path] = []
    default_openmp: bool = False

    @property
    def log(self) -> Path:
        """What the worker and the libraries in it write besides progress; tracebacks too."""
        return self.reply.with_suffix(".log")


class Failure(Message):
    """Why a worker did not do its job.

    Attributes:
        skipped: whether only weights are missing.
        message: the reason, in one line.
        fatal: whether nothing else can go on either: there is no space to write to.
        log: file with the rest of it, of an error that colbench did not expect.
    """

    skipped: bool
    message: str
    fatal: bool = False
    log: Path | None = None


class Reply(Message):
    """What a worker leaves behind: what the function returned, or its failure."""

    value: dict[str, Any] | None = None
    failure: Failure | None = None
