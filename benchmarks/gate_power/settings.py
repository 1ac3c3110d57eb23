"""What `experiment=gate_power` measures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from colbench.settings import Settings


class VariantSettings(Settings):
    """A run that differs from the plain one in a way that a gate should, or should not, report."""

    about: str = Field(description="what it stands for, as it is shown")
    systems: list[str] = Field(min_length=1, description="systems it touches; the others are equal")
    overrides: list[str] = Field(
        default_factory=list, description="overrides of the run, as on the command line"
    )
    fresh_vectors: bool = Field(
        False, description="encode the documents anew, in a cache of its own"
    )
    reverse_queries: bool = Field(False, description="search the queries in the opposite order")
    damage: Literal["lost_documents", "shuffled_ids"] | None = Field(
        None,
        description="what is done to the plain run's rankings: documents are missing from the "
        "index, or carry each other's ids",
    )
    share: float = Field(0.0, ge=0, le=1, description="share of the documents that damage touches")

    @model_validator(mode="after")
    def _fits(self) -> VariantSettings:
        if self.damage is None and self.share:
            raise ValueError("share is of damage: name the damage")
        if self.damage is not None and not self.share:
            raise ValueError("damage needs a share of the documents above 0")
        if self.damage is not None and (
            self.overrides or self.fresh_vectors or self.reverse_queries
        ):
            raise ValueError("damage is done to the plain run: it takes no overrides of its own")
        return self


class GatePowerSettings(Settings):
    """What `python -m benchmarks run experiment=gate_power` takes besides the usual keys."""

    datasets: list[str] = Field(min_length=1, description="options of conf/dataset")
    systems: list[str] = Field(min_length=1, description="systems that every gate looks at")
    noise: dict[str, VariantSettings] = Field(
        min_length=1, description="differences that are no regression"
    )
    degradations: dict[str, VariantSettings] = Field(
        min_length=1, description="differences that are one"
    )
    rules: str = Field("default", description="an option of conf/gate, or a file")
    sizes: list[PositiveInt] = Field([50, 100, 300], min_length=1, description="queries of a gate")
    trials: PositiveInt = Field(1000, description="resampled sets of queries of each size")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.005, description="the fixed tolerance of a mean that the gate is held against"
    )

    @model_validator(mode="after")
    def _names(self) -> GatePowerSettings:
        taken = {"plain", *self.noise} & {*self.degradations} or {"plain"} & {*self.noise}
        if taken:
            raise ValueError(f"two runs are named {', '.join(sorted(taken))}")
        return self
