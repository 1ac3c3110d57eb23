"""The schema of `gate_power.json`, what `experiment=gate_power` writes.

Shares are of the resampled sets of queries; effectiveness and its differences are fractions.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from colbench.records import Record
from colbench.results.origin import CollectionInfo, Environment

FILE_NAME = "gate_power.json"
SCHEMA_VERSION = 2


class Detection(Record):
    """How often a variant raises an alarm with so many queries."""

    queries: int
    tests: float = Field(description="share with at least one verdict 'regressed'")
    gate: float = Field(
        description="share with such a verdict, too many lost queries, or a deterministic system "
        "that is not identical"
    )
    tolerance: float = Field(description="share with a mean that dropped by more than tolerance")


class VariantResult(Record):
    """One variant on one collection."""

    variant: str
    about: str
    kind: Literal["noise", "exchanged", "degradation"] = Field(
        description="exchanged: a degradation whose values are exchanged with the plain run's for "
        "a random half of the queries: rankings differ as much, and neither is better"
    )
    systems: list[str] = Field(description="systems it touches")
    differences: dict[str, dict[str, float]] = Field(
        description="system → measure → mean difference over all queries; empty for exchanged"
    )
    verdicts: dict[str, dict[str, str]] = Field(
        description="system → measure → verdict over all queries; empty for exchanged"
    )
    lost: dict[str, int] = Field(description="system → answered queries that fell out")
    identity: dict[str, int] = Field(
        description="system that the gate holds to identity → queries on which it is not identical"
    )
    detections: list[Detection] = Field(description="one per number of queries")


class EqualPower(Record):
    """One way to judge beside a fixed tolerance that detects as much: which cries wolf more?"""

    queries: int
    rule: Literal["tests", "gate", "fixed"] = Field(
        description="the gate's tests, the whole gate, or the declared tolerance"
    )
    power: float = Field(description="mean share of degradations that raise an alarm")
    noise: float = Field(description="false alarms, mean over noise")
    exchanged: float | None = Field(
        description="false alarms, mean over exchanged degradations; null for the whole gate, "
        "whose guards are promises about single queries"
    )
    equal_tolerance: float | None = Field(
        description="fixed tolerance with the same power; null for the declared one itself"
    )
    equal_noise: float | None = Field(description="its false alarms over noise")
    equal_exchanged: float | None = Field(
        description="its false alarms over exchanged degradations"
    )


class CollectionPower(Record):
    """Everything measured on one collection."""

    collection: CollectionInfo
    commits: list[str] = Field(description="commits that its runs were made at")
    plain: dict[str, dict[str, float]] = Field(description="system → measure → mean, plain run")
    variants: list[VariantResult]
    equal_power: list[EqualPower]


class GatePower(Record):
    """The whole of `gate_power.json`."""

    schema_version: int = SCHEMA_VERSION
    colbench_version: str
    command: str
    created: str
    environment: Environment
    config: dict[str, Any]
    rules: dict[str, Any] = Field(description="the gate's rules")
    trials: int
    tolerance: float
    collections: list[CollectionPower]
