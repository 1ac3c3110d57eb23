"""What the conductor of a sweep and its worker exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.config.settings import LatencySettings
from colbench.experiment.job import Message
from colbench.results.schema import EncodingInfo, Fidelity, IndexInfo, Latency


class PointTask(Message):
    """One point of a sweep; its settings are those of the bench's system of this name."""

    name: str
    depth: int
    record: Path


class SweepTask(Message):
    """Measure the points of a sweep and leave a `PointRecord` of each.

    With a `reference_run`, also compare each with that run of the system `reference`. `fresh` as in
    a `SystemTask`.
    """

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


class PointRecord(Message):
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


class SweepReply(Message):
    """Outcome of a `SweepTask`."""

    points: int
