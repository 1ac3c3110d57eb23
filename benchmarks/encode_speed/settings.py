"""What `experiment=encode_speed` measures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from colbench.encoder.settings import Form
from colbench.settings import Settings


class EncodeVariant(Settings):
    """One way to run the forward pass of an encoder."""

    backend: Literal["torch", "openvino"]
    precision: Literal["fp32", "bf16", "fp16", "int8"]

    @property
    def name(self) -> str:
        """Backend and precision, as they are shown."""
        return f"{self.backend} {self.precision}"


class EncodeSpeedSettings(Settings):
    """What `python -m benchmarks run experiment=encode_speed` takes besides the usual keys."""

    datasets: list[str] | None = Field(
        None, min_length=1, description="options of conf/dataset; null takes the run's dataset"
    )
    forms: list[Form] = Field(
        [Form.DENSE, Form.TOKENS],
        min_length=1,
        description="dense is searched exactly by inner product, tokens by exhaustive MaxSim",
    )
    variants: list[EncodeVariant] = Field(
        min_length=1, description="what is compared; effectiveness is tested against the first"
    )
    documents: PositiveInt = Field(
        512, description="documents whose encoding is timed, drawn at random"
    )
    queries: PositiveInt = Field(
        100, description="queries that are encoded one at a time, the first ones"
    )
    trials: PositiveInt = Field(
        3, description="rounds; in each, every variant and the reference encode all of them in turn"
    )
    batch_size: PositiveInt = Field(
        32, description="batch of the reference; 32 is the default of sentence-transformers"
    )
    measure: str = Field("ndcg@10", description="effectiveness over the whole collection")

    @model_validator(mode="after")
    def _once(self) -> EncodeSpeedSettings:
        names = [variant.name for variant in self.variants]
        for what, values in (
            ("variants", names),
            ("forms", [form.value for form in self.forms]),
            ("datasets", self.datasets or []),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} names {', '.join(twice)} more than once")
        return self
