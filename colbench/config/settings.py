"""The typed configuration of a run; `conf/config.yaml` holds the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from benchmarks.encode_speed.settings import EncodeSpeedSettings
from benchmarks.gate_power.settings import GatePowerSettings
from benchmarks.index_speed.settings import IndexSpeedSettings
from colbench.collection.settings import DatasetSettings
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.gate.rules import GateRules
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.settings import Settings
from colbench.sweep.settings import SweepSettings
from colbench.train.settings import TrainSettings


class LatencySettings(Settings):
    """How latency is measured: one query at a time, after a warm-up, in several trials."""

    queries: int = Field(100, ge=1, description="queries measured, the first of the collection")
    trials: int = Field(3, ge=3, description="passes over them; the fastest counts")
    warmup: int = Field(5, ge=1, description="queries searched before the clock starts")
    max_seconds: float = Field(
        60.0, gt=0, description="budget of the first trial; fewer queries are measured past it"
    )


class SignificanceSettings(Settings):
    """Paired tests against the baseline."""

    test: Literal["student", "fisher"] = Field(
        "student", description="paired t test (ranx), or Fisher's randomisation (scipy)"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="family-wise level after Holm's correction")


class ExampleSettings(Settings):
    """What of the collection goes into the results, for their report to show."""

    queries: int = Field(
        300, ge=0, description="queries whose documents are shown, those that differ most first"
    )
    documents: int = Field(5, ge=1, description="documents shown for each system")
    characters: int = Field(300, ge=20, description="of a title, and of a text, that are shown")


class RunSettings(Settings):
    """Everything `colbench run` takes."""

    name: str | None = Field(None, description="name of the experiment; default: the collection's")
    task: Literal["systems", "sweep", "index_speed", "encode_speed", "gate_power"] = Field(
        "systems",
        description="compare systems, measure one system at every point of a grid, measure the "
        "speed of the index beside peers or of encoding by each backend and precision, or how "
        "often a gate is right",
    )
    sweep: SweepSettings | None = Field(None, description="what task=sweep varies")
    index_speed: IndexSpeedSettings | None = Field(
        None, description="what task=index_speed measures"
    )
    encode_speed: EncodeSpeedSettings | None = Field(
        None, description="what task=encode_speed measures"
    )
    gate_power: GatePowerSettings | None = Field(None, description="what task=gate_power measures")
    train: TrainSettings | None = Field(None, description="what `colbench train` does")
    dataset: DatasetSettings = Field(description="the collection")
    encoder: EncoderSettings = Field(description="encoder of systems that name none")
    cross_encoder: CrossEncoderSettings = Field(description="cross-encoder of rerankers")
    index: IndexSettings = Field(description="build parameters of systems that name none")
    search: SearchSettings = Field(description="search parameters of systems that name none")
    system: dict[str, dict[str, Any]] = Field(description="settings of the systems that can run")
    systems: list[str] = Field(min_length=1, description="names of the systems that do run")
    baseline: str | None = Field(
        None, description="system the others are tested against; default: the first that ran"
    )
    measures: list[str] = Field(min_length=1, description="ranx measures")
    k: PositiveInt | None = Field(
        None, description="documents retrieved a query; default: 1000 or the whole collection"
    )
    latency: LatencySettings = Field(default_factory=lambda: LatencySettings())
    significance: SignificanceSettings = Field(default_factory=lambda: SignificanceSettings())
    attribution: bool = Field(
        True,
        description="also search each stage of a compressed index on its own, and say where "
        "quality is lost",
    )
    examples: ExampleSettings = Field(default_factory=lambda: ExampleSettings())
    gate: GateRules | None = Field(
        None, description="hold the results against gate.baseline when they are there"
    )
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
    strict: bool = Field(False, description="fail when a system has to be skipped")
    keep_indexes: bool = Field(False, description="leave the built indexes in the output folder")
    index_dir: Path | None = Field(
        None,
        description="folder where ColBERT indexes are kept for other runs, and found again; "
        "default: each run builds its own",
    )
    output_dir: Path | None = Field(
        None,
        description="default: results/runs/<experiment>/<time>, of a sweep /<collection>",
    )
    cache_dir: Path | None = Field(None, description="embedding cache; default: the user's cache")
