"""The report of a run, composed once: what report.md, report.html and the terminal show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from colbench.report import details, systems
from colbench.report.attribution import HEADING, explain_losses, loss_tables
from colbench.report.finding import cut_off, finding
from colbench.report.formats import counted, size
from colbench.report.groups import Group, group
from colbench.report.rows import UNTRAINED, measured, not_measured, test_told
from colbench.report.slices import HEADING as SLICES
from colbench.report.slices import slice_sections
from colbench.report.table import (
    Block,
    Bullets,
    Code,
    Document,
    Extra,
    Facts,
    Paragraph,
    Picture,
    Prose,
    Section,
    Table,
    caption,
)
from colbench.results.axes import shown
from colbench.results.schema import Results, SweepInfo

_LONG = 24
"""Rows beyond which a table that few readers want is folded."""

_BENEATH = "Beneath a value: its difference to the reference's, in points (× 100)."

LOSSES = "losses"
"""Name of the chart that belongs to the tables of losses."""


def run_document(results: Results, pictures: Sequence[Picture] = ()) -> Document:
    """Return the report of a single run.

    Args:
        results: what is reported.
        pictures: the charts there are of it.
    """
    (found,) = group([results])
    return group_document(found, pictures)


def group_document(found: Group, pictures: Sequence[Picture] = ()) -> Document:
    """Return the report of runs over one collection.

    Args:
        found: the runs.
        pictures: the charts there are of them.
    """
    results = found.results
    several = len(found.runs) > 1
    lead: list[Block] = [Paragraph(caption(results), "caption")]
    if results.sweep is None and (told := finding(results)):
        lead.append(Paragraph(told, "finding"))
    if results.sweep is not None:
        if cut := cut_off(results):
            lead.append(Paragraph(" ".join(cut), "warning"))
        lead += [Paragraph(_swept(results.sweep)), Bullets(results.sweep.advice)]
    further: list[tuple[Table, Prose]] = [
        (details.significance(run), _against(run)) for run in found.runs
    ]
    overviews = [p for p in pictures if p.name != LOSSES]
    tables = (details.latency, details.building, details.index_files)
    further += [(table(results), "") for table in tables]
    sections = [
        _comparison(found),
        *_all_variants(found),
        _under_load(results),
        Section("Effectiveness, time and size", overviews, scope="report"),
        *_slices(found),
        _losses(results, [p for p in pictures if p.name == LOSSES]),
        Section("Query by query", [Extra("queries", _no_queries(results))], scope="page"),
        # Of all variants of a sweep they are long, and sweep.csv has the numbers.
        *(_detail(*one, scope="report" if results.sweep is None else "page") for one in further),
        Section(
            "Environment",
            [
                block
                for name, run in zip(found.names, found.runs, strict=True)
                for block in ([Section(name, _origin(run))] if several else _origin(run))
            ],
            scope="report",
        ),
    ]
    return Document(results.experiment, lead, [section for section in sections if section.blocks])


def _swept(sweep: SweepInfo) -> Prose:
    axes = [
        part
        for axis, values in sweep.axes.items()
        for part in ("; ", Code(axis), f" {', '.join(map(shown, values))}")
    ]
    variants = counted(len(sweep.variants), "variant")
    return (f"{variants} of ", Code(sweep.system), ": ", *axes[1:], ".")


def _comparison(found: Group) -> Section:
    results, sweep = found.results, found.results.sweep
    blocks: list[Block] = []
    if measured(results):
        front = None
        if sweep is not None:
            front = [*sweep.references, *sweep.front_latency, *sweep.front_bytes]
        blocks.append(_table(found, front))
        blocks += [Paragraph(line, "legend") for line in _legend(found)]
        if any(run.reference is not None for run in found.runs):
            blocks.append(Extra("legend", _BENEATH))
    if remarks := [*_elsewhere(found), *_remarks(results)]:
        blocks.append(Bullets(remarks, minor=True))
    return Section("Comparison" if sweep is None else "On a front", blocks)


def _table(found: Group, only: Sequence[str] | None = None) -> Table:
    if len(found.runs) == 1:
        return systems.comparison(found.results, only=only)
    names = [system.name for system in found.results.systems]
    runs = dict(zip(found.names, found.runs, strict=True))
    return systems.comparison(
        found.results,
        [run.reference for run in found.runs],
        {name: found.run_of(name) for name in names},
        only,
        {name: _taken(runs[found.run_of(name)]) for name in names},
    )


def _taken(run: Results) -> str:
    """Return on which day and machine the times of a run were taken."""
    e = run.environment
    on = f", {e.accelerator}" if e.accelerator else ""
    return f"{run.created[:10]}, {e.cpu}, {counted(e.threads, 'thread')}{on}"


def _under_load(results: Results) -> Section:
    table = details.under_load(results)
    return Section(table.title, [table] if table.rows else [])


def _all_variants(found: Group) -> list[Section]:
    if found.results.sweep is None:
        return []
    return [Section("All variants", [_table(found)], folded=0, scope="report")]


def _legend(found: Group) -> list[str]:
    lines = [systems.comparison_legend(found.results)]
    if len(found.runs) > 1:
        lines += [
            f"† in {name}: differs from {run.reference}: {test_told(run)}."
            for name, run in zip(found.names, found.runs, strict=True)
            if run.reference is not None
        ]
    return lines


def _elsewhere(found: Group) -> list[Prose]:
    """Say that times are of different days or machines, where they are."""
    taken = list(dict.fromkeys(map(_taken, found.runs)))
    if len(taken) < 2:
        return []
    return [
        "Times were taken on different days or machines, as the column measured says: those of "
        "different rows are not held against each other."
    ]


def _remarks(results: Results) -> list[Prose]:
    left_out: list[Prose] = [(Code(name), f" {why}") for name, why in not_measured(results)]
    return [*left_out, *results.collection.notes, *results.notes]


def _slices(found: Group) -> list[Section]:
    """Return the slices of each run: those of another run are of other groups or tests."""
    several = len(found.runs) > 1
    return [
        Section((f"{SLICES}: ", name) if several else SLICES, slice_sections(run), _LONG, "report")
        for name, run in zip(found.names, found.runs, strict=True)
    ]


def _losses(results: Results, pictures: Sequence[Picture]) -> Section:
    tables = loss_tables(results)
    if not tables:
        return Section(HEADING, [])
    untrained = {system.name for system in results.systems if system.untrained}
    parts = [
        Section((Code(table.title), f" ({UNTRAINED})" if table.title in untrained else ""), [table])
        for table in tables
    ]
    return Section(HEADING, [*pictures, *parts, Paragraph(explain_losses(results), "legend")])


def _no_queries(results: Results) -> str:
    """Return why single queries are not compared, in a line; empty where nobody would ask."""
    if results.sweep is not None or len(results.systems) < 2:
        return ""
    if not results.measures:
        return "Left out: there are no judgments, so no query has a value to compare."
    return (
        "Left out: results.json holds no values by query for two systems. "
        "Run the experiment again with this version of colbench to have them."
    )


def _against(run: Results) -> Prose:
    return ("Against ", Code(run.reference or ""))


def _detail(table: Table, heading: Prose, scope: Literal["report", "page"]) -> Section:
    """Return a section that a page folds; an empty one where the table has no rows."""
    return Section(heading or table.title, [table] if table.rows else [], _LONG, scope)


def _origin(run: Results) -> list[Block]:
    e = run.environment
    changed = " with uncommitted changes" if e.git_dirty else ""
    facts: list[tuple[str, Prose]] = [
        ("Command", Code(run.command)),
        ("Finished", run.created),
        (
            "colbench",
            (
                f"{run.colbench_version}, commit ",
                Code(e.git_commit[:12]) if e.git_commit else "unknown",
                changed,
            ),
        ),
        ("Machine", f"{e.cpu}, {counted(e.threads, 'thread')} of {counted(e.cores, 'core')}"),
        ("Memory", size(e.memory_bytes)),
        ("Accelerator", e.accelerator or "none"),
        ("System", e.platform),
        ("Python", e.python),
        ("Packages", ", ".join(f"{name} {version}" for name, version in e.packages.items())),
        ("Seed", str(e.seed)),
        ("Collection", (f"{run.collection.name}, fingerprint ", Code(run.collection.fingerprint))),
    ]
    blocks: list[Block] = [Facts(facts)]
    table = details.encoders(run)
    if table.rows:
        blocks.append(Section(table.title, [table]))
    config = json.dumps(run.config, indent=2, ensure_ascii=False)
    return [*blocks, Extra("listing", config, "Resolved configuration")]
