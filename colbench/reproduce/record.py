"""`reproduction.json`, key by key: published figures beside what was measured here.

Effectiveness and its differences are fractions, as in `results.json`; a difference is measured
minus published. Costs are in the unit that `unit` names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from colbench.files import write_json
from colbench.records import Record

FILE_NAME = "reproduction.json"
REPRODUCTION_VERSION = 2

Status = Literal["reproduced", "differs", "not_run"]


class SourceInfo(Record):
    """Where a figure was published."""

    title: str = Field(description="title, or repository and file")
    url: str
    grade: Literal["primary", "transcription", "secondary"] = Field(
        description="the authors' own, somebody's copy of a paper's table, or notes about it"
    )


class SettingDifference(Record):
    """A setting that was published and is not what was measured."""

    setting: str
    published: Any
    measured: Any


class OtherFigure(Record):
    """Another published figure of the same model, dataset and metric."""

    id: str
    value: float
    source: str


class Comparison(Record):
    """One published figure. Fields from `measured` to `system` are null where nothing ran."""

    id: str
    model: str = Field(description="as published")
    dataset: str
    split: str
    metric: str = Field(description="measure, or name of a cost")
    unit: str | None = Field(description="of a cost; null for effectiveness")
    published: float
    tolerance: float | None = Field(description="absolute; null for what is never judged")
    status: Status = Field(
        description="reproduced: within the tolerance; differs; not_run: see reason"
    )
    measured: float | None = None
    low: float | None = Field(
        None,
        description="lower limit of `measured` over queries like these (bootstrap, 95 %), where "
        "the metric is the primary measure of the run; the status does not go by it",
    )
    high: float | None = Field(None, description="upper limit, as `low`")
    difference: float | None = Field(None, description="measured minus published")
    settings_that_differ: list[SettingDifference] = Field(default_factory=list)
    settings_unknown: list[str] = Field(
        default_factory=list, description="settings that the source does not give"
    )
    reason: str | None = Field(None, description="why it was not run")
    system: str | None = Field(None, description="system that measured it")
    untrained: bool = Field(
        False, description="whether its token vectors are of a model never trained for them"
    )
    run: str | None = Field(None, description="folder of the results it was measured in")
    suspect: bool = Field(
        description="the published figure is probably wrong: see note. It is not counted as "
        "differing"
    )
    note: str | None = None
    others: list[OtherFigure] = Field(
        default_factory=list, description="what else was published of the same"
    )
    source: SourceInfo


class AverageComparison(Record):
    """One published mean over collections."""

    id: str
    model: str
    metric: str
    published: float
    tolerance: float | None
    status: Literal["reproduced", "differs", "refused"] = Field(
        description="refused: a member was not measured in full, or the members are not known"
    )
    measured: float | None = None
    difference: float | None = None
    members: list[str] | None = Field(description="null where the source does not say")
    missing: list[str] = Field(description="members that were not measured in full")
    reason: str | None = Field(description="why it was refused")
    note: str | None
    source: SourceInfo


class MeasuredRun(Record):
    """Results that figures were compared with."""

    folder: str = Field(description="relative to this file where it lies below")
    collection: str
    docs: int
    queries: int
    fingerprint: str
    sampled: bool
    command: str
    created: str
    cpu: str
    git_commit: str | None


class Counts(Record):
    """How many single figures have which status."""

    reproduced: int
    differs: int = Field(description="without suspect figures")
    suspect: int = Field(description="suspect figures that differ")
    not_run: int


class Reproduction(Record):
    """The whole of `reproduction.json`."""

    schema_version: int = REPRODUCTION_VERSION
    colbench_version: str
    command: str
    created: str = Field(description="UTC time, ISO 8601")
    dataset: str = Field(description="dataset asked for, or all")
    runs: list[MeasuredRun]
    counts: Counts
    entries: list[Comparison]
    averages: list[AverageComparison]


def write_reproduction(reproduction: Reproduction, folder: Path) -> Path:
    """Write `reproduction.json` into `folder`, atomically, and return its path."""
    path = folder / FILE_NAME
    write_json(path, reproduction.model_dump(mode="json"))
    return path
