"""What `experiment=index_speed` measures."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PositiveInt

from colbench.index.colbert.settings import SearchSettings
from colbench.settings import Settings


class GrowthSettings(Settings):
    """Building and searching at growing sizes."""

    tokens: list[PositiveInt] = Field(
        [100_000, 300_000, 1_000_000, 3_000_000], description="sizes, whole documents"
    )
    datasets: list[str] = Field(
        ["beir/scifact", "vaswani", "pydocs_full"],
        description="options of conf/dataset whose documents are mixed",
    )


class IndexSpeedSettings(Settings):
    """What `python -m benchmarks run experiment=index_speed` takes besides the usual keys."""

    searches: list[SearchSettings] = Field(description="our own ways of searching the index")
    engines: list[str] = Field([], description="options of benchmarks/conf/engine")
    engine_python: Path | None = Field(
        None,
        description="Python of the environment that has the engines; null: where systems of the "
        "kind engine look for it",
    )
    engine_timeout: float = Field(7200, gt=0, description="seconds an engine may take for one step")
    k: PositiveInt = Field(100, description="documents retrieved, and depth of the overlap")
    timed: PositiveInt = Field(40, description="queries whose latency is measured, the first ones")
    trials: PositiveInt = Field(3, description="passes over them; the fastest counts")
    warmup: PositiveInt = Field(3, description="searches before the clock counts")
    growth: GrowthSettings = Field(default_factory=lambda: GrowthSettings())
