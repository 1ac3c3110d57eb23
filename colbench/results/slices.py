"""Records of effectiveness by group of queries."""

from __future__ import annotations

from pydantic import Field

from colbench.measures.significance import Significance
from colbench.records import Record


class SliceValue(Record):
    """One measure of one system over the queries of a group."""

    mean: float = Field(description="over the queries of the group")
    low: float | None = Field(
        None, description="lower limit of the mean: bootstrap (BCa), 95 %; null with a single query"
    )
    high: float | None = Field(None, description="upper limit, as `low`")
    against: Significance | None = Field(
        None,
        description="paired test against the reference over these queries; Holm-corrected over "
        "the groups and systems of all slices: for the primary measure, and for all others; null "
        "for the reference and without one",
    )


class SliceGroup(Record):
    """Queries that have something in common."""

    label: str = Field(description="what they have in common")
    queries: int = Field(description="how many they are")
    too_few: str | None = Field(
        None, description="said where they are too few for a test to show any difference"
    )
    systems: dict[str, dict[str, SliceValue]] = Field(description="system → measure → value")


class Slice(Record):
    """The queries by one property: each is in exactly one group."""

    by: str = Field(description="length, relevant, or metadata. and a column of the queries")
    groups: list[SliceGroup]
    notes: list[str] = Field(default_factory=list, description="what the groups leave unsaid")
