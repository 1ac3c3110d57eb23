"""What the conductor and its worker processes tell each other, as JSON files.

A worker is a fresh Python process: its peak memory, caches and thread pools are its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.encode_speed.record import FormSpeed
from benchmarks.encode_speed.settings import EncodeVariant
from colbench.config.settings import LatencySettings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.results.schema import Calibration, EncodingInfo, Fidelity, IndexInfo, Latency

NO_REPLY = 3
"""Exit status of a worker that could not write its reply."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncodeTask(_Message):
    """Encode the collection's documents into the cache."""

    task: Literal["encode"] = "encode"
    encoder: EncoderSettings
    form: Form


class SystemTask(_Message):
    """Build one system, search all queries with it and time it.

    With a `steps_folder`, also search each of its stages alone and leave their runs there. `fresh`
    says that this run, in another process, encoded documents for it.
    """

    task: Literal["system"] = "system"
    name: str
    depth: int
    latency: LatencySettings
    run_file: Path
    steps_folder: Path | None = None
    fresh: bool = False


class PointTask(_Message):
    """One point of a sweep; its settings are those of the job's system of this name."""

    name: str
    depth: int
    record: Path


class SweepTask(_Message):
    """Measure the points of a sweep and leave a `PointRecord` of each.

    With a `reference_run`, also compare each with that run of the system `reference`. `fresh` as in
    a `SystemTask`.
    """

    task: Literal["sweep"] = "sweep"
    points: list[PointTask]
    measures: list[str]
    measure: str
    latency: LatencySettings
    reference: str | None
    reference_run: Path | None
    reference_depth: int
    keep_indexes: bool
    git_commit: str | None
    fresh: bool = False


class EncodeSpeedTask(_Message):
    """Time every variant of an encoder in one form, beside sentence-transformers."""

    task: Literal["encode_speed"] = "encode_speed"
    encoder: EncoderSettings
    form: Form
    variants: list[EncodeVariant]
    documents: int
    queries: int
    trials: int
    batch_size: int
    seed: int


Todo = EncodeTask | SystemTask | SweepTask | EncodeSpeedTask


class Job(_Message):
    """Everything a worker needs."""

    collection: Path
    cache: Path
    work: Path
    reply: Path
    threads: int
    device: str
    seed: int
    memory_bytes: int
    systems: dict[str, dict[str, Any]]
    todo: Todo
    shared: Path | None = None


class EncodeReply(_Message):
    """Outcome of an `EncodeTask`."""

    docs_encoded: int
    docs_cached: int
    docs_per_second: float | None
    cut_off: str | None = None


class SystemReply(_Message):
    """Outcome of a `SystemTask`."""

    facts: dict[str, Any]
    build_seconds: float
    latency_ms: Latency
    throughput_qps: float
    throughput_trials: int
    other_cpu_share: float
    calibration: Calibration
    encode_docs_per_second: float | None
    encodings: list[EncodingInfo] = []
    index: IndexInfo
    peak_rss_bytes: int
    steps: list[str] = []


class PointRecord(_Message):
    """What was measured at one point of a sweep; kept, so that it is not measured again."""

    facts: dict[str, Any]
    effectiveness: dict[str, float]
    per_query: dict[str, list[float]]
    latency_ms: Latency
    fidelity: Fidelity | None
    encodings: list[EncodingInfo] | None = None
    index: IndexInfo
    build_seconds: float
    other_cpu_share: float
    run_sha256: str
    git_commit: str | None


class SweepReply(_Message):
    """Outcome of a `SweepTask`."""

    points: int


class Failure(_Message):
    """A worker's error that the user can act on; `skipped` where only weights are missing."""

    skipped: bool
    message: str


class Reply(_Message):
    """What a worker leaves behind; exactly one field is set."""

    encode: EncodeReply | None = None
    system: SystemReply | None = None
    sweep: SweepReply | None = None
    encode_speed: FormSpeed | None = None
    failure: Failure | None = None
