"""`gate.json`, key by key: what a gate found.

Effectiveness and its differences are fractions, as in `results.json`; every difference is candidate
minus baseline, every ratio candidate over baseline.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from colbench.compare.record import Change, MovedQuery
from colbench.records import Record
from colbench.results.origin import CollectionInfo

GATE_VERSION = 2

Verdict = Literal["regressed", "improved", "unchanged", "inconclusive"]


class GateSide(Record):
    """Where one side of a gate comes from."""

    path: str = Field(description="file or folder, as it was given")
    experiment: str
    command: str = Field(description="the command line that made it")
    created: str = Field(description="UTC time at which the run ended, ISO 8601")
    git_commit: str | None = Field(description="commit of the working tree it ran in")
    accepted: str | None = Field(
        None, description="UTC time at which it became a baseline; null for plain results"
    )
    reason: str | None = Field(None, description="why it was accepted")


class MeasureVerdict(Record):
    """One system on one measure."""

    system: str
    measure: str
    verdict: Verdict
    judged_by: Literal["test", "identity"] = Field(
        description="identity: the system is deterministic and must be identical to the baseline"
    )
    baseline: float = Field(description="mean over queries")
    candidate: float = Field(description="mean over queries")
    difference: float
    low: float | None = Field(None, description="one-sided lower limit at level 1 - alpha")
    high: float | None = Field(None, description="one-sided upper limit at level 1 - alpha")
    p_drop: float | None = Field(None, description="one-sided, uncorrected: no drop")
    p_holm: float | None = Field(None, description="p_drop, Holm-corrected over all tests")
    p_rise: float | None = Field(None, description="one-sided, uncorrected: no rise")
    p_rise_holm: float | None = Field(None, description="p_rise, Holm-corrected over all tests")
    smallest_drop: float = Field(description="what the rules declare to matter")
    queries: int
    lower: int = Field(description="queries on which the candidate is worse")
    higher: int = Field(description="queries on which it is better")
    more_queries: int | None = Field(
        None,
        description="how many more queries would decide, if these are typical; null where decided "
        "or where nothing can be said",
    )
    reason: str = Field(description="the verdict in words")


class Guard(Record):
    """A promise about single queries, or that a system can be measured at all."""

    guard: Literal["identity", "lost_queries", "must_find", "runs"]
    system: str
    passed: bool
    finding: str = Field(description="what was found, as a sentence")
    queries: list[str] = Field(default_factory=list, description="ids of the queries it failed on")


class CostVerdict(Record):
    """One cost of one system."""

    system: str
    cost: str = Field(description="a key of the rules' costs")
    verdict: Verdict
    baseline: float | None = Field(description="bytes, or latency over calibration")
    candidate: float | None = Field(description="bytes, or latency over calibration")
    ratio: float | None
    allowed: float = Field(description="largest ratio that passes")
    reason: str = Field("", description="why it cannot be said, where it cannot")


class WorstQueries(Record):
    """The queries that lost most in one system."""

    system: str
    measure: str
    queries: list[MovedQuery] = Field(description="the largest loss first; A is the baseline")


class SystemChanges(Record):
    """Settings of a system, and what it chose itself, that are not the baseline's."""

    system: str
    changes: list[Change]


class GateReport(Record):
    """The whole of `gate.json`."""

    gate_version: int = GATE_VERSION
    colbench_version: str
    status: Literal["pass", "regression", "unjudged"]
    candidate: GateSide
    baseline: GateSide
    collection: CollectionInfo = Field(description="what the candidate searched")
    rules: dict[str, Any] = Field(description="the rules in full")
    unjudged: list[str] = Field(description="why something could not be judged; empty for a pass")
    verdicts: list[MeasureVerdict]
    guards: list[Guard]
    costs: list[CostVerdict]
    untrained: list[str] = Field(
        default_factory=list,
        description="systems whose token vectors are of a model never trained for them",
    )
    notes: list[str] = Field(description="what a reader must know")
    worst: list[WorstQueries] = Field(description="of the systems that lost")
    config: list[Change] = Field(description="full configuration, but for where files are kept")
    environment: list[Change]
    systems: list[SystemChanges]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regression, 2 cannot be judged."""
        return {"pass": 0, "regression": 1, "unjudged": 2}[self.status]
