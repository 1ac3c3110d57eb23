"""`comparison.json`, key by key: two results side by side, A the earlier or reference, B the other.

Effectiveness and its differences are fractions, as in `results.json`; every difference is B minus
A and every ratio B over A.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from colbench.measures.significance import Verdict
from colbench.records import Record
from colbench.results.origin import CollectionInfo

COMPARISON_VERSION = 2


class Side(Record):
    """One of the two results."""

    path: str = Field(description="file or folder, as it was given")
    experiment: str
    command: str = Field(description="the command line that made it")
    created: str = Field(description="UTC time at which the run ended, ISO 8601")


class Change(Record):
    """A setting or a fact that is not the same in both."""

    key: str = Field(description="path of keys, joined by dots")
    kind: Literal["changed", "removed", "added"] = Field(
        description="changed, only in A (removed) or only in B (added)"
    )
    a: Any = Field(description="value in A; null where there is none")
    b: Any = Field(description="value in B; null where there is none")


class MeasureChange(Record):
    """One measure of a pair of systems. Fields after `difference` are null without a test."""

    measure: str
    a: float = Field(description="mean over queries")
    b: float = Field(description="mean over queries")
    difference: float = Field(description="b minus a")
    low: float | None = Field(None, description="lower limit of the bootstrap interval")
    high: float | None = Field(None, description="upper limit of the bootstrap interval")
    p_value: float | None = Field(None, description="two-sided, uncorrected")
    p_holm: float | None = Field(
        None,
        description="Holm-corrected over its family: the primary measure of all pairs, or all "
        "others",
    )
    significant: bool | None = Field(
        None, description="p_holm at most alpha, and enough queries differ"
    )
    wins: int | None = Field(None, description="queries on which B is better")
    ties: int | None = None
    losses: int | None = Field(None, description="queries on which A is better")
    primary: bool | None = Field(None, description="whether it is the primary measure")
    verdict: Verdict | None = Field(None, description="as in results.json, of B")
    more_queries: int | None = Field(None, description="as in results.json")


class CostChange(Record):
    """One cost of a pair of systems."""

    cost: str = Field(description="as in results.json, with the unit")
    is_time: bool = Field(description="whether another machine or a busy one would change it")
    a: float | None
    b: float | None
    ratio: float | None = Field(description="b over a; null where either is missing or a is 0")


class FirstDocument(Record):
    """The document a system ranks first."""

    id: str
    title: str
    grade: int | None = Field(description="its judgment for the query; null without one")


class MovedQuery(Record):
    """A query on which the systems differ."""

    id: str
    text: str | None = Field(description="null where the results do not hold it")
    a: float
    b: float
    difference: float = Field(description="b minus a")
    first_a: FirstDocument | None = Field(description="null where the results do not hold it")
    first_b: FirstDocument | None = Field(description="null where the results do not hold it")


class PairComparison(Record):
    """A system of A and one of B."""

    a: str = Field(description="the system in A")
    b: str = Field(description="the system in B")
    identical: bool | None = Field(
        description="whether the run files have one checksum; null where that says nothing, as of "
        "systems of different names, which stand in the files"
    )
    settings: list[Change] = Field(
        description="settings of the system; what it chose itself begins with 'metadata.'"
    )
    effectiveness: list[MeasureChange]
    costs: list[CostChange]
    times_comparable: bool = Field(
        description="whether both were timed on one kind of machine, with as many threads, and "
        "neither beside a busy process"
    )
    moved_by: str | None = Field(description="measure of drops and rises; null without values")
    drops: list[MovedQuery] = Field(description="queries that lose most, the largest loss first")
    rises: list[MovedQuery] = Field(description="queries that gain most, the largest gain first")
    untrained: bool = Field(
        False,
        description="whether the token vectors of either are untrained: of a model never "
        "trained for late interaction",
    )
    notes: list[str] = Field(description="what a reader must know of its effectiveness")
    cost_notes: list[str] = Field(description="what a reader must know of its costs")


class Unpaired(Record):
    """A system that is not measured in both."""

    system: str
    reason: str


class Comparison(Record):
    """The whole of `comparison.json`."""

    schema_version: int = COMPARISON_VERSION
    colbench_version: str
    a: Side
    b: Side
    collection: CollectionInfo = Field(description="what both searched")
    measures: list[str] = Field(description="measures of both")
    primary: str | None = Field(
        None, description="the measure that the comparison is about; the others are secondary"
    )
    test: str = Field(description="paired test: student or fisher (randomisation)")
    alpha: float = Field(description="level of each family of tests")
    level: float = Field(description="level of each interval, which is not corrected")
    resamples: int = Field(description="draws of a bootstrap")
    notes: list[str] = Field(description="what a reader must know")
    config: list[Change] = Field(description="full configuration, but for where files are kept")
    environment: list[Change]
    pairs: list[PairComparison]
    unpaired: list[Unpaired] = Field(description="systems measured in one of the two at most")
