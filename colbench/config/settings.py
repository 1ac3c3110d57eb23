"""The typed configuration of a run; `conf/config.yaml` holds the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    PositiveInt,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
    model_serializer,
)

from colbench.collection.settings import DatasetSettings
from colbench.config.systems import Systems
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.settings import Settings

_Feature = TypeVar("_Feature", bound=Settings)

_MOST_CLIENTS = 256


class LatencySettings(Settings):
    """How latency is measured: one query at a time, after a warm-up, in several trials."""

    queries: int = Field(100, ge=1, description="queries measured, the first of the collection")
    trials: int = Field(3, ge=3, description="passes over them; the fastest counts")
    warmup: int = Field(5, ge=1, description="queries searched before the clock starts")
    max_seconds: float = Field(
        60.0, gt=0, description="budget of the first trial; fewer queries are measured past it"
    )
    clients: list[int] = Field(
        [],
        max_length=16,
        description="numbers of clients that ask at once, each measured by itself, such as [1,2,4]",
    )
    load_seconds: float = Field(
        5.0, gt=0, le=600, description="how long each number of clients asks"
    )

    @field_validator("clients", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [] if given is None else [given] if type(given) is int else given

    @field_validator("clients")
    @classmethod
    def _are_some(cls, given: list[int]) -> list[int]:
        if wrong := [number for number in given if not 1 <= number <= _MOST_CLIENTS]:
            raise ValueError(f"{wrong[0]} clients: between 1 and {_MOST_CLIENTS} can be measured")
        if twice := [number for number in given if given.count(number) > 1]:
            raise ValueError(f"{twice[0]} stands there twice: write each number once")
        return sorted(given)


class SignificanceSettings(Settings):
    """Paired tests against the reference."""

    test: Literal["student", "fisher"] = Field(
        "student", description="paired t test (ranx), or Fisher's randomisation (scipy)"
    )
    alpha: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="level after Holm's correction: of the primary measure's tests, and of all "
        "others together",
    )
    margin: float = Field(
        0.005,
        gt=0,
        lt=1,
        description="smallest difference that matters: one that the interval keeps below it is "
        "none, one that it leaves open is told as such",
    )


class ExampleSettings(Settings):
    """What of the collection goes into the results, for their report to show."""

    queries: int = Field(
        300, ge=0, description="queries whose documents are shown, those that differ most first"
    )
    documents: int = Field(5, ge=1, description="documents shown for each system")
    characters: int = Field(300, ge=20, description="of a title, and of a text, that are shown")


class RunSettings(Settings):
    """Everything `colbench run` takes.

    What features take is in `features`, under the key that it has on the command line.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = Field(None, description="name of the experiment; default: the collection's")
    task: str = Field(
        "systems", description="compare systems, or the name of a feature that has a task"
    )
    dataset: DatasetSettings = Field(description="the collection")
    encoder: EncoderSettings = Field(description="encoder of systems that name none")
    cross_encoder: CrossEncoderSettings = Field(description="cross-encoder of rerankers")
    system: Systems = Field(description="settings of the systems that can run")
    systems: list[str] = Field(min_length=1, description="names of the systems that do run")
    reference: str | None = Field(
        None, description="system the others are tested against; default: the first that ran"
    )
    measures: list[str] = Field(min_length=1, description="ranx measures")
    k: PositiveInt | None = Field(
        None, description="documents retrieved per query; default: 1000 or the whole collection"
    )
    latency: LatencySettings = Field(default_factory=lambda: LatencySettings())
    significance: SignificanceSettings = Field(default_factory=lambda: SignificanceSettings())
    attribution: bool = Field(
        True,
        description="also search each stage of a compressed index on its own, and say where "
        "quality is lost",
    )
    slices: list[str] = Field(
        default=[],
        max_length=20,
        description="groups of queries that every measure is also reported by: length, relevant "
        "(documents), metadata.<column of the queries>",
    )
    examples: ExampleSettings = Field(default_factory=lambda: ExampleSettings())
    threads: PositiveInt | None = Field(None, description="threads; default: the usable cores")
    device: str = Field(
        "auto",
        description="where MaxSim scans and index builds run: cpu, cuda, cuda:1, …; auto takes a "
        "CUDA device where there is one. Encoders have their own encoder.device; other searches "
        "run on the CPU",
    )
    seed: int = Field(0, ge=0, description="seed of everything random")
    memory_gb: float = Field(
        4.0, gt=0, description="bound on the document vectors a system holds in memory, GB"
    )
    strict: bool = Field(False, description="end at once when a system is skipped or fails")
    keep_indexes: bool = Field(False, description="leave the built indexes in the output folder")
    index_dir: Path | None = Field(
        None,
        description="folder where ColBERT indexes are kept for other runs, and found again; or one "
        "index, as an application has it, to be measured as it stands; default: each run builds "
        "its own",
    )
    output_dir: Path | None = Field(
        None,
        description="default: results/runs/<experiment>/<time>, of a sweep /<collection>",
    )
    cache_dir: Path | None = Field(None, description="embedding cache; default: the user's cache")
    features: dict[str, SerializeAsAny[Settings]] = Field(
        default={}, description="settings of features, by their keys"
    )

    def feature(self, kind: type[_Feature]) -> _Feature | None:
        """Return the settings of a feature, by their class; None where it is not used."""
        return next((one for one in self.features.values() if isinstance(one, kind)), None)

    @field_serializer("system")
    def _running(self, system: Systems) -> dict[str, Any]:
        """Spell out what runs, and what that is made of; the rest is in no result."""
        running = system.with_parts(self.systems)
        return {name: settings.model_dump(mode="json") for name, settings in running.items()}

    @model_serializer(mode="wrap")
    def _as_composed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Put the settings of features where the command line has them."""
        values: dict[str, Any] = handler(self)
        own = values.pop("features", {})
        return {**values, **own}
