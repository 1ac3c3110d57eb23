"""What the page says of one collection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from colbench.report.attribution import explain_losses
from colbench.report.charts.catalogue import CHARTS, ChartKind
from colbench.report.charts.draw import specification
from colbench.report.charts.frame import NARROW, WIDE
from colbench.report.html import details
from colbench.report.html.comparison import comparison, finding
from colbench.report.html.groups import Group
from colbench.report.html.queries import query_data
from colbench.report.html.table import DataTable
from colbench.report.rows import caption, legend, size, skipped
from colbench.report.sweep import explanation
from colbench.results.schema import Results


@dataclass(frozen=True)
class RunFacts:
    """How one run was made.

    Attributes:
        name: what it is called in the page.
        facts: (title, text), environment and command.
        encoders: how the documents were encoded; None where no encoder is known.
        config: the resolved configuration, as JSON.
    """

    name: str
    facts: list[tuple[str, str]]
    encoders: DataTable | None
    config: str


@dataclass(frozen=True)
class Section:
    """The content of one collection's part of the page; every text is unescaped.

    Attributes:
        collection: its name.
        caption: its size, in a line.
        finding: which system is best, in a sentence.
        advice: of a sweep.
        comparison: the table.
        legend: how to read it, in paragraphs.
        remarks: systems that were skipped, notes.
        drawn: the charts that there are.
        charts: name → layout → Vega-Lite specification.
        losses: a table a system that was searched stage by stage.
        losses_told: how to read them.
        queries: what the view of single queries is filled from; None where it is left out.
        no_queries: why it is left out, and how to get it.
        tests: significance tests, one table a run.
        details: further tables.
        runs: how each run was made.
    """

    collection: str
    caption: str
    finding: str
    advice: list[str]
    comparison: DataTable
    legend: list[str]
    remarks: list[tuple[str, str]]
    drawn: list[ChartKind]
    charts: dict[str, dict[str, Any]]
    losses: list[DataTable]
    losses_told: str
    queries: dict[str, Any] | None
    no_queries: str
    tests: list[DataTable]
    details: list[DataTable]
    runs: list[RunFacts]


def section(found: Group) -> Section:
    """Return the content of a group of runs."""
    results = found.results
    charts = _charts(results)
    losses = details.losses(results)
    queries = query_data(results)
    further = (details.latency(results), details.building(results), details.index_files(results))
    return Section(
        collection=results.collection.name,
        caption=caption(results),
        finding=finding(results),
        advice=results.sweep.advice if results.sweep else [],
        comparison=comparison(found),
        legend=_legend(found),
        remarks=_remarks(found),
        drawn=[kind for kind in CHARTS if kind.name in charts],
        charts=charts,
        losses=losses,
        losses_told=explain_losses(results) if losses else "",
        queries=queries,
        no_queries="" if queries else _no_queries(results),
        tests=[table for run in found.runs if (table := details.significance(run))],
        details=[table for table in further if table],
        runs=[_facts(*pair) for pair in zip(found.names, found.runs, strict=True)],
    )


def _charts(results: Results) -> dict[str, dict[str, Any]]:
    charts = {}
    for kind in CHARTS:
        wide, narrow = kind.draw(results, WIDE), kind.draw(results, NARROW)
        if wide is not None and narrow is not None:
            charts[kind.name] = {"wide": specification(wide), "narrow": specification(narrow)}
    return charts


def _legend(found: Group) -> list[str]:
    lines = [legend(found.results)]
    if found.results.sweep is not None:
        lines = [explanation(found.results)]
    if len(found.runs) > 1:
        lines += [
            f"† in {name}: differs from {run.baseline}; paired {run.test} test, Holm-corrected, "
            f"p ≤ {run.alpha:g}."
            for name, run in zip(found.names, found.runs, strict=True)
            if run.baseline is not None
        ]
    if any(run.baseline is not None for run in found.runs):
        lines.append("Beneath a value: its difference to the baseline's, in points (× 100).")
    return lines


def _remarks(found: Group) -> list[tuple[str, str]]:
    """Return (system or nothing, text)."""
    results = found.results
    left_out = [(name, f"skipped: {reason}") for name, reason in skipped(results)]
    return left_out + [("", note) for note in [*results.collection.notes, *results.notes]]


def _no_queries(results: Results) -> str:
    """Return why single queries are not compared, in a line."""
    if results.sweep is not None or len(results.systems) < 2:
        return ""
    return (
        "Left out: results.json holds no values by query for two systems. "
        "Run the experiment again with this version of colbench to have them."
    )


def _facts(name: str, run: Results) -> RunFacts:
    e = run.environment
    commit = (e.git_commit[:12] if e.git_commit else "unknown") + (
        " with uncommitted changes" if e.git_dirty else ""
    )
    facts = [
        ("Command", run.command),
        ("Finished", run.created),
        ("colbench", f"{run.colbench_version}, commit {commit}"),
        ("Processor", f"{e.cpu}; {e.threads} threads of {e.cores} cores"),
        ("Memory", size(e.memory_bytes)),
        ("Accelerator", e.accelerator or "none"),
        ("System", e.platform),
        ("Python", e.python),
        ("Packages", ", ".join(f"{n} {v}" for n, v in e.packages.items())),
        ("Seed", str(e.seed)),
        ("Collection", f"{run.collection.name}, fingerprint {run.collection.fingerprint}"),
    ]
    config = json.dumps(run.config, indent=2, ensure_ascii=False)
    return RunFacts(name, facts, details.encoders(run), config)
