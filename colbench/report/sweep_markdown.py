"""`report.md` of a sweep."""

from __future__ import annotations

from colbench.report.gfm import code, table, text
from colbench.report.rows import caption
from colbench.report.sweep import MARKS, SweepTable, explanation, sweep_table
from colbench.results.axes import shown
from colbench.results.schema import Results, SweepInfo


def sweep_sections(results: Results, sweep: SweepInfo, plots: str) -> list[str]:
    """Return what a sweep's report has in place of the comparison: advice, fronts, all points."""
    axes = "; ".join(
        f"{code(axis)} {text(', '.join(map(shown, values)))}" for axis, values in sweep.axes.items()
    )
    return [
        text(caption(results)),
        f"{len(sweep.points)} points of {code(sweep.system)}: {axes}.",
        "\n".join(f"- {text(line)}" for line in sweep.advice),
        plots,
        "## On a front",
        _rendered(sweep_table(results, sweep, front_only=True)),
        text(f"{MARKS} {explanation(results)}"),
        "## All points",
        "<details><summary>every point</summary>",
        _rendered(sweep_table(results, sweep)),
        "</details>",
    ]


def _rendered(found: SweepTable) -> str:
    return table([*map(text, found.titles)], [[*map(text, line)] for line in found.lines])
