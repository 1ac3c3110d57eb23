"""What a page needs to draw the systems over axes of a reader's choice."""

from __future__ import annotations

from typing import Any

from colbench.report.charts.marks import BYTES_TICK, NUMBER_TICK, label
from colbench.report.charts.pareto import STANDINGS
from colbench.report.costs import Cost, costs
from colbench.report.formats import fraction, size
from colbench.report.rows import measured
from colbench.results.schema import Results
from colbench.results.verdicts import primary_measure


def plane(results: Results) -> dict[str, Any] | None:
    """Return the axes there are and every system's values; None where two cannot be compared.

    `across` are costs, of which less is better, `up` the measures; of each axis `key` names it in
    `systems[i].values`, where a value stands with what the tables print for it: what is printed
    alike counts as equal. `standings` are the words of the legend, on the front and not.
    """
    systems = [system for system in measured(results) if system.effectiveness]
    across = [cost for cost in _costs() if any(cost.of(system) for system in systems)]
    if len(systems) < 2 or not across:
        return None
    up = sorted(results.measures, key=lambda measure: measure != primary_measure(results))
    rows = []
    for system in systems:
        values: dict[str, list[Any]] = {}
        for cost in across:
            if value := cost.of(system):  # a logarithmic axis has no place for 0
                values[cost.source] = [value, cost.format(value)]
        for measure, effect in (system.effectiveness or {}).items():
            values[measure] = [effect, fraction(effect)]
        rows.append({"name": system.name, "label": label(results, system.name), "values": values})
    return {
        "across": [
            {"key": cost.source, "name": _name(cost), "tick": _tick(cost)} for cost in across
        ],
        "up": [{"key": measure, "name": measure} for measure in up],
        "systems": rows,
        "standings": list(STANDINGS),
        "sweep": results.sweep is not None,
    }


def _costs() -> list[Cost]:
    return [cost for cost in costs("comparison") if cost.direction == "lower"]


def _name(cost: Cost) -> str:
    """Return what an axis is called: the head of the column, with the unit it lacks."""
    unit = "bytes" if cost.format is size else "" if cost.title.endswith(cost.unit) else cost.unit
    return f"{cost.title}, {unit}" if unit else cost.title


def _tick(cost: Cost) -> str:
    return BYTES_TICK if cost.format is size else NUMBER_TICK
