"""The schema of `encode_speed.json`, what `experiment=encode_speed` writes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from colbench.records import Record
from colbench.results.origin import CollectionInfo, Environment
from colbench.results.schema import Significance

FILE_NAME = "encode_speed.json"
SCHEMA_VERSION = 2


class Speed(Record):
    """How fast one way of encoding is, on the timed documents and queries."""

    docs_per_second: float = Field(gt=0, description="median over the rounds")
    rounds: list[float] = Field(description="documents per second in each round")
    tokens_per_second: float = Field(description="tokens read, at the median")
    gflops: float = Field(
        description="billions of floating-point operations a second at the median, padding not "
        "counted"
    )
    query_p50_ms: float = Field(
        description="median time of encoding one query, in the round in which it is lowest"
    )


class VariantSpeed(Record):
    """One backend with one precision."""

    backend: str
    precision: str
    device: str | None = Field(None, description="torch device; null where it was not measured")
    reason: str | None = Field(None, description="why it was not measured")
    speed: Speed | None = None
    to_reference: float | None = Field(
        None, description="times as fast as the reference: median of the ratios of each round"
    )
    to_first: float | None = Field(
        None, description="the same, to the first variant; null where that was not measured"
    )
    gemm_gflops: float | None = Field(
        None, description="of a large matrix product in this precision, the fastest in this process"
    )

    @property
    def name(self) -> str:
        """Backend and precision, as they are shown."""
        return f"{self.backend} {self.precision}"


class FormSpeed(Record):
    """All variants of one encoder in one form, and the reference implementation, timed in turn in
    one process."""

    encoder: str
    form: Literal["tokens", "dense"]
    documents: int = Field(description="documents timed")
    tokens: int = Field(description="tokens of them that are read")
    limit: int = Field(description="tokens of a document that are read at most")
    queries: int = Field(description="queries timed, one at a time")
    trials: int = Field(description="rounds")
    batch_size: int = Field(description="of the reference implementation")
    other_cpu_share: float = Field(
        description="share of the cores that other processes used meanwhile"
    )
    reference: Speed = Field(
        description="encode_document and encode_query of sentence-transformers, fp32, on torch"
    )
    variants: list[VariantSpeed]


class Effect(Record):
    """What one variant is worth over the whole collection."""

    commit: str | None = Field(None, description="commit that it was measured at")
    value: float = Field(description="mean of the measure over all queries")
    cosine: float | None = Field(
        None, description="mean cosine of token vectors to those of fp32; for int8 alone"
    )
    test: Significance | None = Field(
        None, description="against the first variant; null for that itself"
    )


class FormResult(Record):
    """Speed and effectiveness of one encoder in one form."""

    speed: FormSpeed
    commit: str | None = Field(description="commit that the speed was measured at")
    system: str = Field(description="system that searched")
    effects: dict[str, Effect] = Field(
        description="name of a variant → its effectiveness; without those that cannot run"
    )


class CollectionResult(Record):
    """Everything measured on one collection."""

    collection: CollectionInfo
    forms: list[FormResult]


class EncodeSpeed(Record):
    """The whole of `encode_speed.json`."""

    schema_version: int = SCHEMA_VERSION
    colbench_version: str
    command: str
    created: str
    environment: Environment
    config: dict[str, Any]
    measure: str = Field(description="of the effectiveness")
    test: str = Field(description="paired test: student or fisher (randomisation)")
    alpha: float = Field(description="its level, Holm-corrected over the variants of a table")
    collections: list[CollectionResult]
