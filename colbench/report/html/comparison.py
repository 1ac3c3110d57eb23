"""The comparison table of the page, and its finding in one sentence."""

from __future__ import annotations

from colbench.report.charts.points import plotted_measure, short
from colbench.report.html.groups import Group
from colbench.report.html.table import Column, DataTable, Entry, Line
from colbench.report.rows import COSTS, Row, rows
from colbench.report.sweep import overlap_titles, overlap_values, shown_overlap
from colbench.results.axes import shown
from colbench.results.schema import Results, Significance, SystemResult

_FALLING = {"QPS", "docs/s"}
"""Costs of which more is better."""


def comparison(group: Group) -> DataTable:
    """Return one line a measured system, with the cells of the other reports."""
    results = group.results
    sweep = results.sweep
    axes = list(sweep.axes) if sweep else []
    overlap = overlap_titles(results.systems)
    columns = [
        Column("system", numeric=False),
        *(Column(short(axis), numeric=_numeric(sweep.axes[axis])) for axis in axes if sweep),
        *(Column(measure, falling=True) for measure in results.measures),
        *(Column(title, falling=True) for title in overlap),
        *(Column(title, falling=title in _FALLING) for title in COSTS),
    ]
    systems = {system.name: system for system in results.systems}
    baselines = {run.baseline for run in group.runs}
    lines = [
        Line(
            [
                Entry(row.name, tag="baseline" if row.name in baselines else ""),
                *(_parameter(results, row.name, axis) for axis in axes),
                *_measures(results, row, systems[row.name]),
                *_overlap(systems[row.name], overlap),
                *(Entry(cell.text, cell.value) for cell in row.costs),
            ],
            run=group.run_of(row.name) if len(group.runs) > 1 else "",
        )
        for row in rows(results)
    ]
    return DataTable("Comparison of the systems", columns, lines)


def _numeric(values: list[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _parameter(results: Results, system: str, axis: str) -> Entry:
    assert results.sweep is not None
    chosen = results.sweep.points.get(system)
    if chosen is None or axis not in chosen:
        return Entry("")
    value = chosen[axis]
    return Entry(shown(value), value if _numeric([value]) else None)


def _measures(results: Results, row: Row, system: SystemResult) -> list[Entry]:
    tests = system.significance or {}
    return [
        Entry(cell.text, cell.value, cell.best, *_difference(tests.get(measure)))
        for measure, cell in zip(results.measures, row.measures, strict=True)
    ]


def _overlap(system: SystemResult, titles: list[str]) -> list[Entry]:
    return [Entry(shown_overlap(value), value) for value in overlap_values(system, titles)]


def _difference(test: Significance | None) -> tuple[str, str]:
    """Return (points, what a hover tells of the test)."""
    if test is None:
        return "", ""
    p_value = "" if test.p_holm is None else f", p = {test.p_holm:.3g} (Holm)"
    counts = f"{test.wins} queries better, {test.ties} equal, {test.losses} worse"
    return points(test.difference), f"{counts}{p_value}"


def points(difference: float) -> str:
    """Return a difference in points, with its sign.

    >>> points(0.0572), points(-0.000001)
    ('+5.72', '+0.00')
    """
    # Adding 0 makes a 0 of -0, which would be shown as a loss.
    return f"{round(100 * difference, 2) + 0.0:+.2f}"


def finding(results: Results) -> str:
    """Return which system is best by the main measure, and by how much; empty without measures."""
    measure = plotted_measure(results)
    measured = {
        system.name: system
        for system in results.systems
        if measure is not None and measure in (system.effectiveness or {})
    }
    if measure is None or not measured:
        return ""
    values = {name: round((s.effectiveness or {})[measure], 4) for name, s in measured.items()}
    highest = max(values.values())
    best = [name for name, value in values.items() if value == highest]
    verb = "has" if len(best) == 1 else "have"
    told = f"{_listed(best)} {verb} the highest {measure}, {highest:.4f}"
    if results.baseline in best:
        return f"{told}, and {'is' if len(best) == 1 else 'among them is'} the baseline."
    test = (measured[best[0]].significance or {}).get(measure)
    if test is None or results.baseline is None:
        return f"{told}."
    p_value = "" if test.p_holm is None else f" ({_p(test.p_holm)}, Holm-corrected)"
    verdict = "a significant difference" if test.significant else "not a significant difference"
    return (
        f"{told}: {points(test.difference)} points against {results.baseline}, {verdict}{p_value}."
    )


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def _listed(names: list[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
