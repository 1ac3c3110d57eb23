"""What the conductor of a sweep and its worker exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from colbench.config.settings import LatencySettings
from colbench.experiment.job import Message
from colbench.results.schema import EncodingInfo, Fidelity, IndexInfo, Latency


class VariantTask(Message):
    """One variant of a sweep; its settings are those of the bench's system of this name."""

    name: str
    depth: int
    record: Path


class SweepTask(Message):
    """Measure the variants of a sweep and leave a `VariantRecord` of each.

    With a `reference_run`, also compare each with that run of the system `reference`. `fresh` as in
    a `SystemTask`. The names of the variants at work stand in the file `at_work`, a JSON list: what
    the process ends of is their failure and not that of the others.
    """

    variants: list[VariantTask]
    measures: list[str]
    measure: str
    latency: LatencySettings
    reference: str | None
    reference_run: Path | None
    reference_depth: int
    keep_indexes: bool
    git_commit: str | None
    fresh: bool = False
    at_work: Path | None = None


class VariantRecord(Message):
    """What was measured of one variant of a sweep; kept, so that it is not measured again."""

    metadata: dict[str, Any]
    effectiveness: dict[str, float]
    per_query: dict[str, list[float]]
    latency_ms: Latency
    fidelity: Fidelity | None
    encodings: list[EncodingInfo] | None = None
    index: IndexInfo | None
    model_bytes: int | None = None
    build_seconds: float
    other_cpu_share: float
    run_sha256: str
    git_commit: str | None
    notes: list[str] = Field(default=[])


class SweepReply(Message):
    """Outcome of a `SweepTask`."""

    variants: int
