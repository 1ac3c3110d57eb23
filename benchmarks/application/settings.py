"""What `experiment=application` measures."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from colbench.settings import Settings


class ApplicationSettings(Settings):
    """What `python -m benchmarks run experiment=application` takes besides the usual keys."""

    documents: list[PositiveInt] = Field(
        [100_000, 1_000_000], min_length=1, description="sizes of the indexes"
    )
    tokens: int = Field(24, ge=2, description="token vectors of a document")
    query_tokens: PositiveInt = Field(16, description="token vectors of a query")
    dims: PositiveInt = Field(128, description="dimensions of a token vector")
    pool: PositiveInt = Field(
        131_072, description="real token vectors around which those of documents lie"
    )
    k: PositiveInt = Field(10, description="documents retrieved, and depth of the overlap")
    queries: PositiveInt = Field(200, description="queries that are timed")
    filtered: PositiveInt = Field(50, description="of them, with each filter")
    judged: PositiveInt = Field(20, description="of them, held against an exhaustive search")
    trials: PositiveInt = Field(3, description="passes over the queries; the fastest counts")
    changed: PositiveInt = Field(1000, description="documents of an addition and of a deletion")
    additions: int = Field(5, ge=2, description="additions; the first is reported by itself")
