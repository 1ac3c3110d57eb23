"""The report of a run, composed once: what report.md, report.html and the terminal show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from colbench.report import systems
from colbench.report.attribution import HEADING, explain_losses, loss_tables
from colbench.report.formats import fraction, points, size
from colbench.report.groups import Group, group
from colbench.report.systems import main_measure, not_measured
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
        lead += [Paragraph(_swept(results.sweep)), Bullets(results.sweep.advice)]
    further: list[tuple[Table, Prose]] = [
        (systems.significance(run), _against(run)) for run in found.runs
    ]
    overviews = [p for p in pictures if p.name != LOSSES]
    tables = (systems.latency, systems.building, systems.index_files)
    further += [(table(results), "") for table in tables]
    sections = [
        _comparison(found),
        *_all_variants(found),
        Section("Effectiveness, time and size", overviews, scope="report"),
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
    return (f"{len(sweep.variants)} variants of ", Code(sweep.system), ": ", *axes[1:], ".")


def _comparison(found: Group) -> Section:
    results, sweep = found.results, found.results.sweep
    blocks: list[Block] = []
    if systems.measured(results):
        front = None
        if sweep is not None:
            front = [*sweep.references, *sweep.front_latency, *sweep.front_bytes]
        blocks.append(_table(found, front))
        blocks += [Paragraph(line, "legend") for line in _legend(found)]
        if any(run.reference is not None for run in found.runs):
            blocks.append(Extra("legend", _BENEATH))
    if remarks := _remarks(results):
        blocks.append(Bullets(remarks, minor=True))
    return Section("Comparison" if sweep is None else "On a front", blocks)


def _table(found: Group, only: Sequence[str] | None = None) -> Table:
    several = len(found.runs) > 1
    return systems.comparison(
        found.results,
        [run.reference for run in found.runs],
        {s.name: found.run_of(s.name) for s in found.results.systems} if several else None,
        only,
    )


def _all_variants(found: Group) -> list[Section]:
    if found.results.sweep is None:
        return []
    return [Section("All variants", [_table(found)], folded=0, scope="report")]


def _legend(found: Group) -> list[str]:
    lines = [systems.comparison_legend(found.results)]
    if len(found.runs) > 1:
        lines += [
            f"† in {name}: differs from {run.reference}: {systems.test_told(run)}."
            for name, run in zip(found.names, found.runs, strict=True)
            if run.reference is not None
        ]
    return lines


def _remarks(results: Results) -> list[Prose]:
    left_out: list[Prose] = [(Code(name), f" {why}") for name, why in not_measured(results)]
    return [*left_out, *results.collection.notes, *results.notes]


def _losses(results: Results, pictures: Sequence[Picture]) -> Section:
    tables = loss_tables(results)
    if not tables:
        return Section(HEADING, [])
    parts = [Section(Code(table.title), [table]) for table in tables]
    return Section(HEADING, [*pictures, *parts, Paragraph(explain_losses(results), "legend")])


def _no_queries(results: Results) -> str:
    """Return why single queries are not compared, in a line; empty where nobody would ask."""
    if results.sweep is not None or len(results.systems) < 2:
        return ""
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
        ("Machine", f"{e.cpu}, {e.threads} threads of {e.cores} cores"),
        ("Memory", size(e.memory_bytes)),
        ("Accelerator", e.accelerator or "none"),
        ("System", e.platform),
        ("Python", e.python),
        ("Packages", ", ".join(f"{name} {version}" for name, version in e.packages.items())),
        ("Seed", str(e.seed)),
        ("Collection", (f"{run.collection.name}, fingerprint ", Code(run.collection.fingerprint))),
    ]
    blocks: list[Block] = [Facts(facts)]
    table = systems.encoders(run)
    if table.rows:
        blocks.append(Section(table.title, [table]))
    config = json.dumps(run.config, indent=2, ensure_ascii=False)
    return [*blocks, Extra("listing", config, "Resolved configuration")]


def finding(results: Results) -> str:
    """Return which system is best by the main measure, and by how much; empty without measures."""
    measure = main_measure(results)
    measured = {
        system.name: system
        for system in results.systems
        if measure is not None and measure in (system.effectiveness or {})
    }
    if measure is None or not measured:
        return ""
    values = {name: fraction((s.effectiveness or {})[measure]) for name, s in measured.items()}
    highest = max(values.values(), key=float)
    best = [name for name, value in values.items() if value == highest]
    verb = "has" if len(best) == 1 else "have"
    told = f"{_listed(best)} {verb} the highest {measure}, {highest}"
    if results.reference in best:
        return f"{told}, and {'is' if len(best) == 1 else 'among them is'} the reference."
    test = (measured[best[0]].significance or {}).get(measure)
    if test is None or results.reference is None:
        return f"{told}."
    p_value = "" if test.p_holm is None else f" ({_p(test.p_holm)}, Holm-corrected)"
    verdict = "a significant difference" if test.significant else "not a significant difference"
    return (
        f"{told}: {points(test.difference)} points against {results.reference}, {verdict}{p_value}."
    )


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def _listed(names: list[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
