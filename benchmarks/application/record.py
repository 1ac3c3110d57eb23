"""The schema of `application.json`, what `experiment=application` writes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from colbench.records import Record
from colbench.results.origin import CollectionInfo, Environment

FILE_NAME = "application.json"
SCHEMA_VERSION = 1


class Timed(Record):
    """Milliseconds of a call of `search` with one query, each query's fastest pass."""

    p50_ms: float
    p99_ms: float
    stages: dict[str, float] = Field(description="stage → median milliseconds")


class Building(Record):
    """Making the index."""

    seconds: float
    encoding_seconds: float = Field(description="of them, in the encoder that makes vectors up")
    peak_bytes: int = Field(description="peak resident memory of the process")
    vector_bytes: int = Field(description="files of the vectors")
    database_bytes: int = Field(description="file of texts and metadata")
    centroids: int
    other_cpu_share: float = Field(description="share of the cores that others used meanwhile")


class Filtered(Record):
    """Searching with a filter."""

    name: str
    documents: int = Field(description="that match")
    first_p50_ms: float = Field(description="p50 where the filter was not asked before")
    repeated: Timed = Field(description="where it was")
    overlap: float = Field(
        description="share of the k best of an exhaustive search with the filter that are found"
    )


class Searching(Record):
    """Opening and searching, in a process that does nothing else."""

    open_seconds: float
    peak_bytes: int = Field(description="before hybrid search")
    everything: Timed
    overlap: float
    filters: list[Filtered]
    hybrid: Timed
    hybrid_first_seconds: float = Field(description="the first search, which makes BM25")
    hybrid_peak_bytes: int = Field(description="peak resident memory after all searches")
    bm25_bytes: int
    other_cpu_share: float


class Changing(Record):
    """Adding and deleting documents, each in one commit."""

    add_first_seconds: float
    add_later_seconds: float = Field(description="median of the others")
    delete_seconds: float
    open_seconds: float = Field(description="opening the index after them")
    peak_bytes: int
    other_cpu_share: float


class Size(Record):
    """The index at one size."""

    name: str
    documents: int
    tokens: int
    building: Building
    searching: Searching
    changing: Changing


class Application(Record):
    """The whole of `application.json`."""

    schema_version: int = SCHEMA_VERSION
    colbench_version: str
    command: str
    created: str
    collection: CollectionInfo = Field(description="of the real words and token vectors")
    environment: Environment
    config: dict[str, Any]
    dims: int
    source_bytes: int = Field(description="held by the encoder that makes vectors up")
    sizes: list[Size]
