"""Our index: one process builds it, a fresh one opens and searches it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.index_speed.vectors import VectorFiles
from colbench.errors import ColbenchError
from colbench.experiment.spawn import thread_environment
from colbench.files import write_json
from colbench.index.colbert.settings import IndexSettings, SearchSettings


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
    job = {
        "vectors": str(files.folder),
        "documents": documents,
        "folder": str(folder),
        "settings": settings.model_dump(mode="json"),
        "encoder": encoder,
    }
    return _run("builder", job, work, threads)


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
    job = {
        "folder": str(folder),
        "queries": str(files.queries),
        "query_lengths": str(files.query_lengths),
        "searches": [settings.model_dump(mode="json") for settings in searches],
        "k": k,
        "timed": 1,
        "trials": 1,
        "warmup": 1,
    }
    short = list(files.read_queries()[:2])
    few = VectorFiles(work / "few")
    few.write_queries(short)
    compiled = {"queries": str(few.queries), "query_lengths": str(few.query_lengths)}
    _run("searcher", {**job, **compiled}, work, threads)
    return _run(
        "searcher", {**job, "timed": timed, "trials": trials, "warmup": warmup}, work, threads
    )


def _run(module: str, job: dict[str, Any], work: Path, threads: int) -> dict[str, Any]:
    reply, job_file = work / f"{module}.reply.json", work / f"{module}.job.json"
    reply.unlink(missing_ok=True)
    write_json(job_file, {**job, "threads": threads, "reply": str(reply)})
    command = [sys.executable, "-P", "-m", f"benchmarks.index_speed.{module}"]
    environment = {**os.environ, **thread_environment(threads), "PYTHONHASHSEED": "0"}
    code = subprocess.run([*command, str(job_file)], env=environment, check=False).returncode
    if code or not reply.is_file():
        raise ColbenchError(f"index_speed: the {module} ended with status {code}; see above")
    result: dict[str, Any] = json.loads(reply.read_text(encoding="utf-8"))
    return result
