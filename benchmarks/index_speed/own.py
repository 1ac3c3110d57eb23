"""Our index: one process builds it, a fresh one opens and searches it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from benchmarks.index_speed.task import BuildReply, BuildTask, SearchReply, SearchTask
from benchmarks.index_speed.vectors import VectorFiles
from colbench.errors import ColbenchError
from colbench.experiment.job import Failure, Job, Message
from colbench.experiment.spawn import run_job
from colbench.index.colbert.settings import IndexSettings, SearchSettings

BUILD = "benchmarks.index_speed.builder:build"
SEARCH = "benchmarks.index_speed.searcher:search"
_Value = TypeVar("_Value", bound=BaseModel)


def build(
    files: VectorFiles,
    settings: IndexSettings,
    *,
    folder: Path,
    work: Path,
    threads: int,
    encoder: str,
    documents: int | None = None,
) -> dict[str, Any]:
    """Build an index of the first documents, or of all; return what `builder` reports."""
    task = BuildTask(
        vectors=files.folder,
        documents=documents,
        folder=folder,
        settings=settings,
        encoder=encoder,
        threads=threads,
    )
    return _run("builder", BUILD, task, BuildReply, work, threads)


def search(
    files: VectorFiles,
    searches: Sequence[SearchSettings],
    *,
    folder: Path,
    work: Path,
    threads: int,
    k: int,
    timed: int,
    trials: int,
    warmup: int,
) -> dict[str, Any]:
    """Search with every setting; return what `searcher` reports.

    A first process searches two queries and is forgotten: the kernels are compiled by then.
    """
    task = SearchTask(
        folder=folder,
        queries=files.queries,
        query_lengths=files.query_lengths,
        searches=list(searches),
        k=k,
        timed=timed,
        trials=trials,
        warmup=warmup,
    )
    few = VectorFiles(work / "few")
    few.write_queries(list(files.read_queries()[:2]))
    first = {"queries": few.queries, "query_lengths": few.query_lengths}
    short = task.model_copy(update={**first, "timed": 1, "trials": 1, "warmup": 1})
    _run("searcher", SEARCH, short, SearchReply, work, threads)
    return _run("searcher", SEARCH, task, SearchReply, work, threads)


def _run(
    name: str, entry: str, task: Message, reply: type[_Value], work: Path, threads: int
) -> dict[str, Any]:
    about = f"index_speed: the {name}"
    job = Job(
        entry=entry, task=task, about=about, reply=work / f"{name}.reply.json", threads=threads
    )
    outcome = run_job(job, reply)
    if isinstance(outcome, Failure):
        raise ColbenchError(f"{about}: {outcome.message}")
    return outcome.model_dump(mode="json")
