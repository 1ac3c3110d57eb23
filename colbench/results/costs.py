"""What a system costs: time, bytes and encoding; mostly what depends on the machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colbench.results.origin import Record


class Distribution(Record):
    """A latency over queries, in milliseconds."""

    p50: float
    p95: float
    p99: float
    mean: float


class Latency(Record):
    """One query at a time, after warm-up; the trial with the lowest mean search time."""

    encode: Distribution = Field(description="query text → what the system searches with")
    search: Distribution = Field(description="encoded query → ranked documents")
    queries: int = Field(description="queries measured in each trial")
    trials: int = Field(description="trials run")
    encode_ms: list[float] | None = Field(
        None, description="the reported trial, query by query: the collection's first ones"
    )
    search_ms: list[float] | None = Field(None, description="as encode_ms, for the search")


class Calibration(Record):
    """Fixed work, timed just after the system with the same threads: how fast the machine was."""

    gemm_ms: float = Field(gt=0, description="product of two 1024 × 1024 float32 matrices, median")
    scan_ms: float = Field(gt=0, description="64 MiB float32 matrix times a vector, median")


class EncodingInfo(Record):
    """What it took to get the document vectors of a system from one encoder."""

    encoder: str = Field(description="its name")
    form: Literal["tokens", "pooled"] = Field(description="one vector a token, or one a text")
    backend: str = Field(description="what ran the forward pass: torch or openvino")
    precision: str = Field(description="arithmetic of the forward pass, resolved where it was auto")
    device: str = Field(description="torch device")
    docs_per_second: float | None = Field(
        description="distinct documents, or chunks of them, a second, when they were encoded"
    )
    tokens_per_second: float | None = Field(description="as docs_per_second, of tokens read")
    gflops: float | None = Field(
        description="billions of floating-point operations a second, padding not counted"
    )
    gemm_gflops: float | None = Field(
        description="the same of a large matrix product in this precision on one device, measured "
        "in this run; null where that cannot be measured, or where no document was encoded in it"
    )
    devices: int = Field(1, description="devices that shared the documents")
    tokens: int = Field(description="tokens read, of all distinct documents")
    truncated_docs: int = Field(description="distinct documents whose end was cut off")
    truncated_tokens: int = Field(description="tokens cut off")
    chunks: int | None = Field(
        None, description="chunks that documents were split into; null where none are split"
    )
    cosine: float | None = Field(
        None,
        description="mean cosine of token vectors to those of fp32, on fixed texts; for int8 alone",
    )


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
