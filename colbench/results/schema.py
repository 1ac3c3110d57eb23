"""`results.json`, key by key.

`SCHEMA_VERSION` counts breaking changes: a reader upgrades a file of the version before
(`colbench.results.upgrade`), refuses one of any other and says how to renew it. Effectiveness
values are fractions in [0, 1] unless the measure says otherwise (DCG); times are milliseconds or
seconds as the key says; sizes are bytes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from colbench.encoder.cache.embeddings import EncodingInfo as EncodingInfo
from colbench.measures.latency import Distribution as Distribution
from colbench.measures.latency import Latency as Latency
from colbench.measures.load import LoadLevel as LoadLevel
from colbench.measures.machine import Calibration as Calibration
from colbench.measures.significance import Significance as Significance
from colbench.records import Record
from colbench.results.origin import CollectionInfo as CollectionInfo
from colbench.results.origin import Environment as Environment
from colbench.results.slices import Slice as Slice


class IndexInfo(Record):
    """What a search needs on disk."""

    vectors: int = Field(description="stored vectors, 0 for a lexical index")
    dims: int = Field(description="dimensions of a vector")
    bytes: int = Field(description="all files together")
    bytes_per_doc: float = Field(description="bytes over documents of the collection")
    bytes_per_vector: float | None = Field(
        description="bytes of the indexes that hold vectors, over vectors; null without vectors"
    )
    files: dict[str, int] = Field(description="file → bytes; every file a search needs")
    fixed_bytes: int | None = Field(
        None,
        description="those of `bytes_per_vector`, over all vectors, that are not the vectors' own: "
        "headers, offsets, lists, graphs, manifests; null without vectors, and where not known",
    )


SCHEMA_VERSION = 2


class AttributionStage(Record):
    """A system's search cut off after one stage; the first is the reference of the others."""

    stage: str = Field(description="stage; its TREC run is stages/<system>/<stage>.trec")
    effectiveness: dict[str, float] = Field(description="measure → mean over queries")
    change: dict[str, float] | None = Field(
        None, description="measure → difference to the stage before; null for the first"
    )
    rbo: float = Field(
        description="rank-biased overlap with the first stage: p = 0.99, extrapolated, mean"
    )
    intersection: dict[str, float] = Field(
        description="k → share of the first stage's k best documents that are among this stage's; "
        "for 10, 100 and the depth, as far as the depth goes"
    )


class Fidelity(Record):
    """How near a system's documents are to those of another one, whatever their relevance."""

    reference: str = Field(description="the system they are held against, exact MaxSim as a rule")
    rbo: float = Field(description="rank-biased overlap: p = 0.99, extrapolated, mean over queries")
    intersection: dict[str, float] = Field(
        description="k → share of the reference's k best documents that are among this system's"
    )


class QueryInfo(Record):
    """A query that was evaluated."""

    id: str
    text: str
    relevant: int = Field(description="documents judged relevant: a grade above 0")
    judged: dict[str, int] | None = Field(
        None,
        description="document id → grade, of those documents in `Results.documents` that are "
        "judged for it; null for a query whose documents are not shown",
    )
    relevant_docs: dict[str, int] | None = Field(
        None,
        description="document id → grade of its relevant documents, the highest grades first, 50 "
        "at most; null in results of an earlier colbench",
    )
    metadata: dict[str, str | int | float | bool] | None = Field(
        None, description="column → value, of the columns that slices are by; null without such"
    )


class DocumentInfo(Record):
    """A document that the report shows."""

    id: str
    title: str = Field(
        "", description="its beginning; empty where it is left out, as `text` may be"
    )
    text: str = Field("", description="the beginning of it")


class SweepInfo(Record):
    """A sweep: each system of the results but its references is a variant of one system."""

    system: str = Field(description="the system whose settings are varied")
    axes: dict[str, list[Any]] = Field(description="setting → values")
    variants: dict[str, dict[str, Any]] = Field(description="system → setting → value")
    references: list[str] = Field(description="systems measured beside the variants")
    measure: str = Field(description="the effectiveness that fronts and advice are about")
    front_latency: list[str] = Field(
        description="systems that no other one beats in both effectiveness and p50 of a query, "
        "those timed beside a busy process left out; results of an earlier colbench: of a search"
    )
    front_bytes: list[str] = Field(
        description="systems that no other one beats in both effectiveness and bytes of the index"
    )
    advice: list[str] = Field(description="what to choose, in words")


class SystemResult(Record):
    """One row of the comparison. A system that was not measured has only the first five fields."""

    name: str
    status: Literal["ok", "skipped", "failed"] = Field(
        description="skipped: its weights cannot be had here; failed: it ended in an error"
    )
    reason: str | None = Field(None, description="why it was not measured, and what to do")
    log: str | None = Field(
        None, description="what its process said before it failed, relative to this file"
    )
    config: dict[str, Any] = Field(description="resolved settings of this system")
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="choices the system made itself, such as its engine"
    )
    effectiveness: dict[str, float] | None = Field(None, description="measure → mean over queries")
    intervals: dict[str, tuple[float, float]] | None = Field(
        None,
        description="the primary measure → limits of its mean over queries: bootstrap (BCa), 95 %; "
        "null with a single query and in results of an earlier colbench",
    )
    ranks: dict[str, tuple[int, int]] | None = Field(
        None,
        description="measure → best and worst rank among the systems that the paired tests of all "
        "pairs leave open, Holm-corrected over the pairs of a measure; null with a single system "
        "and in results of an earlier colbench",
    )
    depth: int | None = Field(None, description="documents asked for per query")
    latency_ms: Latency | None = None
    load: list[LoadLevel] | None = Field(
        None,
        description="several clients at once, an entry for each of `latency.clients`; null where "
        "none were wanted",
    )
    throughput_qps: float | None = Field(
        None, description="queries per second, encoded and searched as one batch; the fastest trial"
    )
    throughput_trials: int | None = Field(
        None, description="batches run: as many as trials, fewer where the time budget was spent"
    )
    other_cpu_share: float | None = Field(
        None,
        description="share of the cores that other processes used while this system was timed; "
        "timings taken beside a busy process are worth little",
    )
    calibration: Calibration | None = Field(
        None, description="what latencies are divided by to be held against those of another day"
    )
    build_seconds: float | None = Field(
        None, description="from cached document vectors, or texts, to a searchable index"
    )
    encode_docs_per_second: float | None = Field(
        None,
        description="speed at which the documents were encoded, when they were; over all "
        "encodings where a system needs several",
    )
    docs_encoded: int | None = Field(
        None, description="documents encoded in this run; 0 when all came from the cache"
    )
    encodings: list[EncodingInfo] | None = Field(
        None, description="how its documents were encoded, an entry for each encoder"
    )
    attribution: list[AttributionStage] | None = Field(
        None,
        description="where quality is lost, stage by stage; null for a system that is not taken "
        "apart, or where that was not wanted",
    )
    index: IndexInfo | None = None
    model_bytes: int | None = Field(
        None,
        description="weight files of the models that a query goes through, 0 without a model; null "
        "in results of an earlier colbench",
    )
    peak_rss_bytes: int | None = Field(
        None, description="peak resident memory of the system's own process"
    )
    significance: dict[str, Significance] | None = Field(
        None, description="measure → test against the reference; null for the reference itself"
    )
    per_query: dict[str, list[float]] | None = Field(
        None, description="measure → value of each query, in the order of `Results.queries`"
    )
    first_relevant: list[int | None] | None = Field(
        None,
        description="rank of the first relevant document, null where none was retrieved; in the "
        "order of `Results.queries`",
    )
    relevant_ranks: list[list[int]] | None = Field(
        None,
        description="rank of each document of `QueryInfo.relevant_docs`, 0 where it was not "
        "retrieved; in the order of `Results.queries`",
    )
    rankings: list[str] | None = Field(
        None,
        description="digest of the ranked document ids of each query, 12 hexadecimal digits of a "
        "sha256; in the order of `Results.queries`",
    )
    top: list[list[int]] | None = Field(
        None,
        description="the best documents of each query, as numbers into `Results.documents`, in the "
        "order of `Results.queries`; none for a query whose documents are not shown",
    )
    fidelity: Fidelity | None = Field(None, description="overlap with exact search")
    run_file: str | None = Field(None, description="TREC run, relative to this file")
    run_sha256: str | None = Field(None, description="checksum of the run file")
    per_query_file: str | None = Field(None, description="per-query values, relative to this file")

    @property
    def untrained(self) -> bool:
        """Whether it scores token vectors of a model never trained for late interaction."""
        return any(encoding.untrained for encoding in self.encodings or [])

    @property
    def why_not(self) -> str:
        """Why it was not measured, in words: `skipped: …` or `failed: …`."""
        log = f" (log: {self.log})" if self.log else ""
        return f"{self.status}: {self.reason}{log}"

    @classmethod
    def of(
        cls, name: str, config: dict[str, Any], measured: BaseModel, **others: Any
    ) -> SystemResult:
        """Return the row of a system that ran.

        Args:
            name: of the system.
            config: its resolved settings.
            measured: what its worker left: each field that a row has, too, is taken over.
            others: further fields, in place of those of `measured` where both have one.
        """
        taken = {field: value for field, value in measured if field in cls.model_fields}
        return cls(**{"name": name, "status": "ok", "config": config, **taken, **others})


class Results(Record):
    """The whole of `results.json`."""

    schema_version: int = Field(description="version of this schema")
    colbench_version: str
    experiment: str = Field(description="name of the experiment, or of the collection without one")
    command: str = Field(description="the command line that made it")
    created: str = Field(description="UTC time at which the run ended, ISO 8601")
    collection: CollectionInfo
    environment: Environment
    config: dict[str, Any] = Field(description="full resolved configuration")
    measures: list[str] = Field(description="measures in the order of the tables")
    reference: str | None = Field(description="system the significance tests compare with")
    primary: str | None = Field(
        None,
        description="the measure that the comparison is about, the first one; the others are "
        "secondary. Null in results of an earlier colbench, which corrected over all",
    )
    margin: float = Field(0.005, description="smallest difference of a measure that matters")
    alpha: float = Field(
        description="level of the significance tests: of those of the primary measure, and of all "
        "others together"
    )
    test: str = Field(description="paired test: student or fisher (randomisation)")
    notes: list[str] = Field(default_factory=list, description="what a reader must know")
    queries: list[QueryInfo] = Field(
        default_factory=list, description="the queries evaluated, in the collection's order"
    )
    documents: list[DocumentInfo] = Field(
        default_factory=list, description="the documents that a report shows"
    )
    slices: list[Slice] = Field(
        default_factory=list, description="every measure by group of queries, where that was wanted"
    )
    sweep: SweepInfo | None = Field(
        None, description="set where the systems are variants of one system"
    )
    systems: list[SystemResult]
