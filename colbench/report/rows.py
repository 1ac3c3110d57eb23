"""What the rows of several tables have in common: names, caveats, and costs of other days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from colbench.report.costs import Cost, is_sum_of_medians
from colbench.report.table import Cell, Column
from colbench.results.schema import Results, Significance, SystemResult
from colbench.results.verdicts import primary_measure

SYSTEM = Column(
    title="system",
    kind="name",
    source="system",
    about="as in the configuration; untrained tokens: of a model never trained for late "
    "interaction",
)
UNTRAINED = "untrained tokens"
"""Beside the name of a system with token vectors of a model never trained for them."""
EARLIER = "earlier"
"""Beside a time that is not of this run."""


def measured(results: Results) -> list[SystemResult]:
    """Return the systems that ran."""
    return [system for system in results.systems if system.status == "ok"]


def not_measured(results: Results) -> list[tuple[str, str]]:
    """Return (name, `skipped: …` or `failed: …`) of the systems that were not measured."""
    return [(s.name, s.why_not) for s in results.systems if s.status != "ok"]


def name_cell(system: SystemResult, tag: str = "") -> Cell:
    """Return what a row is called, with what it must not be taken for.

    Args:
        system: of the row.
        tag: a word beside its name.
    """
    return Cell(system.name, tag=tag, caveat=UNTRAINED if system.untrained else "")


def earlier(system: SystemResult, results: Results) -> set[str]:
    """Return the costs of a system that an earlier run measured, perhaps on another machine.

    What came from the cache was encoded then; an index that was found was built then, unless it was
    another system of these results that built it.
    """
    found = set()
    if system.docs_encoded == 0:
        found.add("encode_docs_per_second")
    if system.metadata.get("index_shared") is True and not any(
        other.build_seconds == system.build_seconds and other.metadata.get("index_shared") is False
        for other in results.systems
    ):
        found.add("build_seconds")
    return found


def cost_cell(shown: Cost, system: SystemResult, results: Results) -> Cell:
    """Return a cost in the row of a system, marked where an earlier run measured it."""
    cell = shown.cell(system)
    if cell.value is None or shown.source not in earlier(system, results):
        return cell
    return replace(cell, caveat=EARLIER)


def dagger(test: Significance) -> str:
    """Return the mark of a significant difference; nothing for another."""
    return "†" if test.significant else ""


def caveats(results: Results, shown: Sequence[Cost]) -> list[str]:
    """Say what the words beside names and values stand for, and what is put together."""
    keys = {cost.source for cost in shown}
    systems = measured(results)
    parts = []
    if any(system.untrained for system in systems):
        parts.append(
            f"{UNTRAINED}: token vectors of a model that was never trained for late interaction."
        )
    if any(earlier(system, results) & keys for system in systems):
        parts.append(
            "earlier: not of this run, perhaps of another machine: documents encoded, or an index "
            "built, before."
        )
    summed = [system.name for system in systems if is_sum_of_medians(system)]
    if summed and "query_p50_ms" in keys:
        every = len(summed) == sum(system.latency_ms is not None for system in systems)
        parts.append(
            f"query ms{'' if every else ' of ' + ', '.join(summed)}: the sum of two medians; the "
            "times of single queries, which the median and p95 of the sum need, were not kept."
        )
    return parts


def test_told(results: Results) -> str:
    """Return which test a run's daggers are of."""
    primary = primary_measure(results)
    if not has_primary(results):
        return f"paired {results.test} test, Holm-corrected, p ≤ {results.alpha:g}"
    others = ", ".join(measure for measure in results.measures if measure != primary)
    secondary = f"; secondary, corrected among themselves: {others}" if others else ""
    return (
        f"paired {results.test} test, p ≤ {results.alpha:g}, Holm-corrected; primary measure, with "
        f"its tests to itself: {primary}{secondary}"
    )


def has_primary(results: Results) -> bool:
    """Return whether the tests of the primary measure were corrected apart from the others."""
    return any(
        test.primary is not None
        for system in results.systems
        for test in (system.significance or {}).values()
    )
