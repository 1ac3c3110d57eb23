"""What a gate tolerates: the typed form of `conf/gate/*.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt

from colbench.errors import did_you_mean
from colbench.retriever.registry import kinds
from colbench.settings import Settings


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands there twice")
    return names


def _kinds(names: list[str]) -> list[str]:
    for name in names:
        if name not in kinds():
            raise ValueError(f"no kind of system '{name}': {did_you_mean(name, kinds())}")
    return names


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_different)]
Share = Annotated[float, Field(ge=0)]


class CostRules(Settings):
    """Largest growth of each cost, as a share of the baseline's: 0.2 allows a fifth more.

    A cost that is null is not gated.
    """

    index_bytes: Share | None = Field(0.0, description="bytes of the index")
    bytes_per_vector: Share | None = Field(0.0, description="bytes over stored vectors")
    peak_rss_bytes: Share | None = Field(0.25, description="peak memory of the system's process")
    encode_latency: Share | None = Field(
        0.5, description="p50 of encoding a query, over the matrix product timed beside it"
    )
    search_latency: Share | None = Field(
        0.5, description="p50 of a search, over the scan timed beside it"
    )
    least_ms: float = Field(0.2, ge=0, description="a latency below this is not gated: it is noise")
    rounding: Share = Field(
        0.001,
        description="growth of sizes allowed where machine or package versions differ: an index "
        "follows the last bits of its vectors",
    )


class LostQueries(Settings):
    """Queries that the baseline answers (a relevant document in the top ten) and no longer so."""

    at_most: int = Field(3, ge=0, description="queries that may fall out")
    share: float = Field(
        0.0, ge=0, le=1, description="the same as a share of all queries; the larger limit counts"
    )


class MustFind(Settings):
    """A query that has to find its documents, whatever the averages say."""

    name: str = Field(description="what it stands for, as it is shown")
    query: str = Field(description="id of a query of the collection")
    documents: list[str] = Field(min_length=1, description="ids of documents, all to be found")
    within: PositiveInt = Field(10, description="ranks among which they have to be")
    systems: Names | None = Field(None, description="systems it holds for; default: all gated")


class GateRules(Settings):
    """The rules of a gate."""

    baseline: Path | None = Field(
        None, description="baseline file, results.json or run folder; for colbench run"
    )
    systems: Names | None = Field(
        None, description="systems to gate; default: all that the baseline measured"
    )
    measures: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        min_length=1, description="measure → smallest drop of its mean that matters"
    )
    alpha: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="probability of any false alarm among all systems and measures (Holm)",
    )
    resamples: int = Field(10_000, ge=1000, description="draws of the bootstrap and of the signs")
    seed: int = Field(0, ge=0, description="of the draws")
    exact: Annotated[list[str], AfterValidator(_kinds)] = Field(
        default_factory=lambda: ["bm25", "colbert_exact"],
        description="kinds of systems without approximation: with the same settings, package "
        "versions and, where they hold vectors, machine, they must be identical: a lexical index "
        "in its rankings, one of vectors in the values of every query",
    )
    inconclusive: Literal["pass", "fail"] = Field(
        "pass",
        description="what becomes of a gate in which a drop of effectiveness is neither shown nor "
        "excluded",
    )
    lost_queries: LostQueries | None = Field(
        default_factory=lambda: LostQueries(), description="null: not guarded"
    )
    must_find: list[MustFind] = Field(default_factory=list, description="critical queries")
    costs: CostRules = Field(default_factory=lambda: CostRules())
