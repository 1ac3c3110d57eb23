"""From the results of several runs on one collection to one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colbench.errors import ConfigError
from colbench.experiment.sweep.rows import with_points
from colbench.results.axes import short_names, shown
from colbench.results.schema import Results, SweepInfo, SystemResult

_SYSTEM = "system_name"


def combine(
    runs: Sequence[tuple[dict[str, Any], Results]], *, command: str, tolerance: float = 0.005
) -> Results:
    """Return one results file with every system of every run as a point.

    Args:
        runs: what varied in each run, and its results.
        command: that made them all.
        tolerance: loss that the advice takes for none.

    Raises:
        ConfigError: the runs are of several collections, or nothing was measured.
    """
    if len({results.collection.fingerprint for _, results in runs}) > 1:
        raise ConfigError("the runs are of several collections and make no one table")
    first = runs[0][1]
    axes = list(runs[0][0])
    labels = short_names(axes)
    measures = [m for m in first.measures if all(_has(results, m) for _, results in runs)]
    rows: list[SystemResult] = []
    points: dict[str, dict[str, Any]] = {}
    for varied, results in runs:
        told = ", ".join(f"{labels[axis]}={shown(value)}" for axis, value in varied.items())
        for system in results.systems:
            if system.status == "ok":
                name = f"{system.name}, {told}"
                points[name] = {_SYSTEM: system.name, **varied}
                rows.append(_row(system, name))
    if not rows or not measures:
        raise ConfigError("the runs have no system, or no measure, in common that was measured")
    named = [row for row in rows if points[row.name][_SYSTEM] == first.config.get("baseline")]
    exact = [row for row in rows if row.config.get("precision") == "fp16"]
    bare = first.model_copy(
        update={
            "command": command,
            "measures": measures,
            "systems": [],
            "documents": [],
            "queries": [query.model_copy(update={"judged": None}) for query in first.queries],
            "notes": list(dict.fromkeys(_notes([results for _, results in runs]))),
        }
    )
    info = SweepInfo(
        system="every system of the runs",
        axes={
            axis: list(dict.fromkeys(shown(point[axis]) for point in points.values()))
            for axis in (_SYSTEM, *axes)
        },
        points=points,
        references=[],
        measure=measures[0],
        front_latency=[],
        front_bytes=[],
        advice=[],
    )
    return with_points(bare, rows, (named or exact or rows)[0], info, tolerance=tolerance)


def _notes(runs: Sequence[Results]) -> list[str]:
    """Return what the runs note, and which systems they skipped."""
    notes = [note for results in runs for note in results.notes]
    return notes + [
        f"{system.name} was skipped: {system.reason}"
        for results in runs
        for system in results.systems
        if system.status == "skipped"
    ]


def _has(results: Results, measure: str) -> bool:
    """Return whether every system that ran has values of a measure for each query."""
    ran = [system for system in results.systems if system.status == "ok"]
    return all(measure in (system.per_query or {}) for system in ran)


def _row(system: SystemResult, name: str) -> SystemResult:
    """Return a system as a point: without what belongs to its own run."""
    alone = {
        "name": name,
        "significance": None,
        "attribution": None,
        "top": None,
        "run_file": None,
        "per_query_file": None,
    }
    return system.model_copy(update=alone)
