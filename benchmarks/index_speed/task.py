"""What the conductor of `experiment=index_speed` and its builders and searchers exchange."""

from __future__ import annotations

from pathlib import Path

from colbench.experiment.job import Message
from colbench.index.colbert.settings import IndexSettings, SearchSettings


class BuildTask(Message):
    """Build an index of the first `documents` of a folder of vectors, or of all of them."""

    vectors: Path
    documents: int | None
    folder: Path
    settings: IndexSettings
    encoder: str
    threads: int


class BuildReply(Message):
    """Outcome of a `BuildTask`."""

    seconds: float
    peak_rss_bytes: int
    index_bytes: int
    bytes_per_vector: float
    tokens: int
    documents: int
    centroids: int
    dims: int
    code_bytes: int


class SearchTask(Message):
    """Open an index and search it with every setting; the first `timed` queries are timed."""

    folder: Path
    queries: Path
    query_lengths: Path
    searches: list[SearchSettings]
    k: int
    timed: int
    trials: int
    warmup: int


class StageTimes(Message):
    """A stage of a search: medians over the timed queries; no items where it counts none."""

    ms: float
    items: float | None


class Searched(Message):
    """One setting: each timed query's least milliseconds, documents of all, times of stages."""

    ms: list[float]
    docs: list[list[int]]
    stages: dict[str, StageTimes]


class SearchReply(Message):
    """Outcome of a `SearchTask`."""

    open_seconds: float
    peak_rss_bytes: int
    searches: list[Searched]
