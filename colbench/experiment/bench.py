"""A workbench as a job describes it, and the tasks of a run that need one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SerializeAsAny, field_validator

from colbench.collection.snapshot import read_snapshot
from colbench.config.settings import LatencySettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import EncoderSettings, Form
from colbench.experiment.job import Message
from colbench.results.schema import Calibration, EncodingInfo, IndexInfo, Latency, LoadLevel
from colbench.retriever.base import SystemSettings, Workbench
from colbench.retriever.registry import system_settings


class Bench(Message):
    """Everything a `Workbench` is made from.

    Attributes:
        collection: folder of the snapshot.
        cache: folder of the document vectors.
        work: folder where indexes are written.
        device: of MaxSim scans and index builds.
        memory_bytes: bound on what a system may hold in memory.
        systems: settings of the systems at work; each is written whole, and read through the class
            of its kind.
        shared: folder of indexes that other runs search too.
    """

    collection: Path
    cache: Path
    work: Path
    device: str
    memory_bytes: int
    systems: dict[str, SerializeAsAny[SystemSettings]] = Field(default={})
    shared: Path | None = None

    @field_validator("systems", mode="before")
    @classmethod
    def _of_their_kinds(cls, systems: Any) -> Any:
        return {
            name: system_settings(name, value) if isinstance(value, Mapping) else value
            for name, value in systems.items()
        }

    def open(self) -> Workbench:
        """Read the collection and return the workbench."""
        return Workbench(
            collection=read_snapshot(self.collection),
            folder=self.work,
            cache=EmbeddingCache(self.cache),
            systems=self.systems,
            memory_bytes=self.memory_bytes,
            shared_folder=self.shared,
            device=self.device,
        )


class EncodeTask(Message):
    """Encode the collection's documents into the cache.

    Attributes:
        encoder: the model.
        form: what it returns for a text.
        also: the other form of the same model, to come out of the same forward passes.
    """

    encoder: EncoderSettings
    form: Form
    also: EncodeTask | None = None

    @property
    def key(self) -> str:
        """What tells it from other tasks."""
        return f"{self.encoder.model_dump_json()} {self.form}"


class EncodeReply(Message):
    """Outcome of an `EncodeTask`.

    Attributes:
        docs_encoded: distinct documents encoded now.
        docs_cached: those that were in the cache.
        docs_per_second: speed of encoding, when they were encoded.
        cut_off: what of documents and queries is not read, in words.
        advice: how the next encoding can be faster, in words.
        also: outcome of the other form, where it came out of the same passes.
    """

    docs_encoded: int
    docs_cached: int
    docs_per_second: float | None
    cut_off: list[str] = Field(default=[])
    advice: str | None = None
    also: EncodeReply | None = None


class SystemTask(Message):
    """Build one system, search all queries with it and time it.

    With a `stages_folder`, also search each of its stages alone and leave their runs there. `fresh`
    says that this run, in another process, encoded documents for it.
    """

    name: str
    depth: int
    latency: LatencySettings
    run_file: Path
    stages_folder: Path | None = None
    fresh: bool = False


class SystemReply(Message):
    """Outcome of a `SystemTask`; of a system that was not timed here, without times."""

    metadata: dict[str, Any]
    build_seconds: float | None = None
    latency_ms: Latency | None = None
    load: list[LoadLevel] | None = None
    throughput_qps: float | None = None
    throughput_trials: int | None = None
    other_cpu_share: float | None = None
    calibration: Calibration | None = None
    encode_docs_per_second: float | None = None
    encodings: list[EncodingInfo] = Field(default=[])
    index: IndexInfo | None = None
    model_bytes: int | None = None
    peak_rss_bytes: int | None = None
    stages: list[str] = Field(default=[])
    notes: list[str] = Field(default=[])
