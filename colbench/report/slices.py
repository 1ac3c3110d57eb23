"""Effectiveness by group of queries: a table for each slice, and all values for other programs."""

from __future__ import annotations

from typing import Any

from colbench.report.formats import count, fraction, p_value, points
from colbench.report.rows import SYSTEM, dagger, name_cell
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Paragraph,
    Prose,
    Section,
    Table,
    names,
    numbers,
    texts,
)
from colbench.results.grouping import LENGTH, RELEVANT
from colbench.results.schema import Results, Slice, SystemResult
from colbench.results.slices import SliceGroup, SliceValue
from colbench.results.verdicts import primary_measure, told

HEADING = "By group of queries"

_BY: dict[str, Prose] = {LENGTH: "By length", RELEVANT: "By relevant documents"}


def slice_sections(results: Results) -> list[Block]:
    """Return a section for each slice, and how to read them; nothing without slices."""
    if not results.slices:
        return []
    parts: list[Block] = [_section(one, results) for one in results.slices]
    legend = "Each query is in one group of a slice; intervals are bootstrap (BCa), not corrected."
    if results.reference is not None:
        legend += (
            f" points: difference to {results.reference} over the group's queries, × 100. p (Holm) "
            "is corrected over the groups and systems of all slices, apart from the tests of all "
            f"queries: † p (Holm) ≤ {results.alpha:g}."
        )
    return [*parts, Paragraph(legend, "legend")]


def _section(one: Slice, results: Results) -> Section:
    small = [f"{group.label}: {group.too_few}" for group in one.groups if group.too_few]
    blocks: list[Block] = [_table(one, results)] if one.groups else []
    if remarks := [*one.notes, *small]:
        blocks.append(Bullets(remarks, minor=True))
    return Section(_BY.get(one.by, ("By ", Code(one.by))), blocks)


def _table(one: Slice, results: Results) -> Table:
    primary = primary_measure(results) or ""
    others = [measure for measure in results.measures if measure != primary]
    against = "to the reference over these queries, × 100"
    columns = [
        *texts("group", about="what its queries have in common"),
        *names("system", about=SYSTEM.about),
        *numbers(count, "queries", about="in the group"),
        *numbers(fraction, primary, direction="higher", priority=0, about="the primary measure"),
        Column(title="95 % CI", priority=1, optional=True, about="of the mean"),
        *numbers(points, "points", direction="higher", priority=1, optional=True, about=against),
        Column(title="CI of points", priority=2, optional=True, about=against),
        *numbers(p_value, "p (Holm)", direction="lower", priority=2, optional=True),
        *(
            column
            for measure in others
            for column in (
                *numbers(fraction, measure, direction="higher", priority=4),
                Column(title=f"{measure} 95 % CI", priority=5, optional=True, about="of the mean"),
            )
        ),
        *texts("verdict", optional=True, priority=6, about="what test and interval show"),
    ]
    rows = [
        [
            group.label,
            name_cell(system, "reference" if system.name == results.reference else ""),
            group.queries,
            *_primary(values.get(primary)),
            *(cell for measure in others for cell in _mean(values.get(measure))),
            _verdict(values.get(primary), results),
        ]
        for group in one.groups
        for system, values in _systems(group, results)
    ]
    return Table(f"By {one.by}", columns, rows).compact()


def _systems(
    group: SliceGroup, results: Results
) -> list[tuple[SystemResult, dict[str, SliceValue]]]:
    """Return the systems of a group, in the order of the results."""
    return [(s, group.systems[s.name]) for s in results.systems if s.name in group.systems]


def _mean(value: SliceValue | None) -> list[Cell]:
    if value is None:
        return [Cell(), Cell()]
    if value.low is None or value.high is None:
        return [Cell(value.mean), Cell()]
    told = f"{fraction(value.low)} to {fraction(value.high)}"
    return [Cell(value.mean), Cell(value.low, text=told)]


def _primary(value: SliceValue | None) -> list[Cell]:
    test = value.against if value is not None else None
    if test is None:
        return [*_mean(value), Cell(), Cell(), Cell()]
    limits = Cell()
    if test.low is not None and test.high is not None:
        limits = Cell(test.low, text=f"{points(test.low)} to {points(test.high)}")
    p = Cell(test.p_holm, mark="" if test.p_holm is None else dagger(test))
    return [*_mean(value), Cell(test.difference), limits, p]


def _verdict(value: SliceValue | None, results: Results) -> str | None:
    test = value.against if value is not None else None
    return None if test is None or test.verdict is None else told(test, results)


def slice_values(results: Results) -> Table:
    """Return a row for each slice, group, system and measure: a table for other programs."""
    records = [
        _record(one, group, system.name, measure, value, results)
        for one in results.slices
        for group in one.groups
        for system, values in _systems(group, results)
        for measure, value in values.items()
    ]
    columns = [Column(title=key, source=key) for key in (records[0] if records else {})]
    return Table("Slices", columns, [list(record.values()) for record in records])


def _record(
    one: Slice, group: SliceGroup, system: str, measure: str, value: SliceValue, results: Results
) -> dict[str, Any]:
    test = value.against
    return {
        "experiment": results.experiment,
        "collection": results.collection.name,
        "slice": one.by,
        "group": group.label,
        "queries": group.queries,
        "too_few": group.too_few is not None,
        "system": system,
        "measure": measure,
        "mean": value.mean,
        "low": value.low,
        "high": value.high,
        "difference": test and test.difference,
        "difference_low": test and test.low,
        "difference_high": test and test.high,
        "p_value": test and test.p_value,
        "p_holm": test and test.p_holm,
        "significant": test and test.significant,
        "verdict": test and test.verdict,
    }
