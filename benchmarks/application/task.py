"""What the conductor of `experiment=application` and its workers exchange."""

from __future__ import annotations

from pathlib import Path

from benchmarks.application.record import Filtered, Timed
from colbench.experiment.job import Message
from colbench.index.colbert.settings import IndexSettings


class Task(Message):
    """What all workers are told."""

    source: Path
    folder: Path
    documents: int
    tokens: int
    query_tokens: int


class BuildTask(Task):
    """Make the index of so many documents."""

    settings: IndexSettings


class BuildReply(Message):
    """Outcome of a `BuildTask`."""

    seconds: float
    encoding_seconds: float
    peak_bytes: int
    vector_bytes: int
    database_bytes: int
    centroids: int


class SearchTask(Task):
    """Search the index in every way."""

    k: int
    queries: int
    filtered: int
    judged: int
    trials: int


class SearchReply(Message):
    """Outcome of a `SearchTask`."""

    open_seconds: float
    peak_bytes: int
    everything: Timed
    overlap: float
    hybrid: Timed
    hybrid_first_seconds: float
    hybrid_peak_bytes: int
    bm25_bytes: int
    filters: list[Filtered]


class ChangeTask(Task):
    """Add and delete."""

    changed: int
    additions: int


class ChangeReply(Message):
    """Outcome of a `ChangeTask`."""

    add_seconds: list[float]
    delete_seconds: float
    open_seconds: float
    peak_bytes: int
