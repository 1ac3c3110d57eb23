"""The schema of `index_speed.json`, what `experiment=index_speed` writes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from colbench.records import Record
from colbench.results.schema import CollectionInfo, Environment

FILE_NAME = "index_speed.json"
SCHEMA_VERSION = 2


class StageCost(Record):
    """One stage of a search: medians over the timed queries."""

    stage: str
    ms: float
    items: float | None = Field(description="centroids or documents that come out of it")
    megabytes: float = Field(description="bytes it must at least move, in units of 10^6")
    megaoperations: float = Field(description="multiplications and additions, in units of 10^6")
    floor_ms: float = Field(description="the larger of both at the machine's measured rates")


class SearchResult(Record):
    """One engine with one search setting."""

    name: str
    parameters: dict[str, Any]
    error: str | None = Field(None, description="why it could not be searched so")
    p50_ms: float | None = None
    p95_ms: float | None = None
    overlap: float | None = Field(
        None, description="share of exact MaxSim's k best documents that are found; timed queries"
    )
    overlap_all: float | None = Field(None, description="the same over all queries")
    ndcg: float | None = Field(None, description="nDCG@10 over the timed queries")
    ndcg_all: float | None = Field(None, description="nDCG@10 over all queries")
    stages: list[StageCost] = Field(default_factory=list)


class EngineResult(Record):
    """One engine: one index, several searches."""

    engine: str
    about: str
    version: str | None = None
    error: str | None = Field(None, description="why it was not measured")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the build")
    build_seconds: float | None = None
    build_peak_bytes: int | None = Field(None, description="peak resident memory of the build")
    build_others: float | None = Field(
        None, description="share of the cores that other processes used during the build"
    )
    search_others: float | None = Field(None, description="the same during the searches")
    index_bytes: int | None = Field(None, description="files that a search reads")
    bytes_per_vector: float | None = None
    open_seconds: float | None = None
    search_peak_bytes: int | None = Field(
        None, description="peak resident memory of a process that only opens and searches"
    )
    searches: list[SearchResult] = Field(default_factory=list)


class GrowthPoint(Record):
    """Our index at one size."""

    tokens: int
    documents: int
    centroids: int
    build_seconds: float
    p50_ms: float


class Machine(Record):
    """What the machine can do, measured in the same run."""

    fp32_gigaops: float = Field(description="matrix product in float32, 10^9 operations a second")
    int8_gigaops: float | None = Field(description="matrix product of bytes")
    gigabytes_per_second: float = Field(description="copying memory, bytes read and written")
    product_fp32_ms: float = Field(
        description="product of every document token with the timed queries in one block, no "
        "maximum, no ranking: milliseconds a query"
    )
    product_bf16_ms: float = Field(description="the same in bfloat16")


class IndexSpeed(Record):
    """The whole of `index_speed.json`."""

    schema_version: int = SCHEMA_VERSION
    colbench_version: str
    command: str
    created: str
    collection: CollectionInfo
    environment: Environment
    config: dict[str, Any]
    tokens: int
    dims: int
    k: int
    timed: int
    trials: int
    exact_ndcg: float
    exact_ndcg_all: float
    machine: Machine
    engines: list[EngineResult]
    growth: list[GrowthPoint]
    growth_search: str = Field(description="search setting of the growth")
    build_exponent: float | None = Field(description="e in build seconds ~ tokens^e")
    search_exponent: float | None = Field(description="e in p50 ~ tokens^e")
