"""The comparison of the systems of a run: effectiveness, overlap and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colbench.errors import ConfigError
from colbench.measures.catalogue import METRICS, parse
from colbench.report.costs import Cost, costs, explained
from colbench.report.formats import counted, fraction
from colbench.report.rows import (
    SYSTEM,
    caveats,
    cost_cell,
    dagger,
    earlier,
    measured,
    name_cell,
    test_told,
)
from colbench.report.table import Cell, Column, Table, numbers, texts
from colbench.results.axes import short_names, shown
from colbench.results.schema import Results, SystemResult
from colbench.results.verdicts import primary_measure, told


def comparison(
    results: Results,
    references: Sequence[str | None] = (),
    groups: Mapping[str, str] | None = None,
    only: Sequence[str] | None = None,
    taken: Mapping[str, str] | None = None,
) -> Table:
    """Return a row for each measured system: parameters of a sweep, effectiveness, overlap, costs.

    Args:
        results: whose systems they are.
        references: systems that others are tested against; that of the results where empty.
        groups: system → what a page can hide it by.
        only: names of the systems to show; all where None.
        taken: system → day and machine of its times, where they are of several runs.
    """
    known = references or [results.reference]
    systems = measured(results)
    overlap = _overlap(systems)
    costs_told = _told_costs(results)
    main = primary_measure(results)
    # The primary measure first, and its interval beside it.
    measures = sorted(results.measures, key=lambda measure: measure != main)
    columns = [
        SYSTEM,
        *_front_column(results),
        *_parameter_columns(results),
        *_measure_columns(measures[:1], results),
        *([_INTERVAL] if main in measures else []),
        *_measure_columns(measures[1:], results),
        *numbers(
            fraction,
            *overlap,
            direction="higher",
            optional=True,
            about="overlap with the documents of exact search",
        ),
        *costs_told,
        *(texts("measured", priority=4, about="day and machine of the times") if taken else []),
    ]
    rows = [
        [
            name_cell(system, "reference" if system.name in known else ""),
            *_front(system, results),
            *_parameters(system, results),
            *_measures(system, measures[:1], results),
            *([_interval(system, main)] if main in measures else []),
            *_measures(system, measures[1:], results),
            *_overlaps(system, overlap),
            *(_of_this_run(shown, system, results) for shown in costs_told),
            *([taken.get(system.name, "")] if taken else []),
        ]
        for system in systems
    ]
    grouped = [groups.get(system.name, "") for system in systems] if groups else ()
    table = Table("Comparison of the systems", columns, rows, groups=grouped).compact()
    return table if only is None else table.named(only)


def _told_costs(results: Results) -> list[Cost]:
    """Return the costs that systems have; of a sweep those that its variants have."""
    variants = results.sweep.variants if results.sweep else None
    systems = [s for s in measured(results) if variants is None or s.name in variants]
    return [
        cost
        for cost in costs("comparison")
        if any(_of_this_run(cost, system, results).value is not None for system in systems)
    ]


_INTERVAL = Column(
    title="95 % CI",
    source="interval",
    priority=2,
    optional=True,
    about="of the primary measure: bootstrap over queries (BCa)",
)


def effectiveness(measure: str, results: Results) -> Column:
    """Return the column of a measure; its best value is marked."""
    is_primary = measure == primary_measure(results)
    standing = "the primary measure" if is_primary else "a secondary measure"
    return Column(
        title=measure,
        format=fraction,
        direction="higher",
        marks_best=True,
        source=measure,
        priority=0 if is_primary else 2,
        about="; ".join(filter(None, (_described(measure), standing))),
    )


def _measure_columns(measures: Sequence[str], results: Results) -> list[Column]:
    """Return two columns a measure: its mean, and the ranks it leaves open."""
    pairs = [(effectiveness(name, results), _rank_column(name, results)) for name in measures]
    return [column for pair in pairs for column in pair]


def _measures(system: SystemResult, measures: Sequence[str], results: Results) -> list[Cell]:
    pairs = [(_measure(system, name, results), _rank(system, name)) for name in measures]
    return [cell for pair in pairs for cell in pair]


def _rank_column(measure: str, results: Results) -> Column:
    return Column(
        title="rank" if measure == primary_measure(results) else f"{measure} rank",
        source=f"{measure} rank",
        priority=3 if measure == primary_measure(results) else 4,
        optional=True,
        about=f"by {measure}: the ranks that paired tests of all systems leave open; systems that "
        "cannot be told apart share them",
    )


def _rank(system: SystemResult, measure: str) -> Cell:
    ranks = (system.ranks or {}).get(measure)
    if ranks is None:
        return Cell()
    best, worst = ranks
    return Cell((best + worst) / 2, text=str(best) if best == worst else f"{best}–{worst}")


def _described(measure: str) -> str:
    """Return what a measure is; nothing for one that this version does not have."""
    try:
        return METRICS[parse(measure).metric].description
    except ConfigError:
        return ""


def _interval(system: SystemResult, measure: str | None) -> Cell:
    limits = (system.intervals or {}).get(measure or "")
    if limits is None:
        return Cell()
    low, high = limits
    return Cell(low, text=f"{fraction(low)} to {fraction(high)}")


def _measure(system: SystemResult, measure: str, results: Results) -> Cell:
    value = (system.effectiveness or {}).get(measure)
    test = (system.significance or {}).get(measure)
    if value is None:  # deeper than the documents retrieved at this variant of a sweep
        return Cell()
    if test is None:
        return Cell(value)
    better = counted(test.wins, "query", "queries")
    hint = f"{better} better, {test.ties} equal, {test.losses} worse: {told(test, results)}"
    return Cell(value, mark=dagger(test), difference=test.difference, hint=hint)


def _of_this_run(shown: Cost, system: SystemResult, results: Results) -> Cell:
    """Return the cell of a cost, but no speed of encoding that an earlier run had."""
    if shown.source == "encode_docs_per_second" and shown.source in earlier(system, results):
        return Cell()
    return cost_cell(shown, system, results)


def comparison_legend(results: Results) -> str:
    """Return how to read the comparison of one run."""
    told = _told_costs(results)
    parts = [explained(told), *caveats(results, told)]
    if results.sweep is not None:
        parts += [
            "front: no other system beats it in effectiveness and time (t), or in effectiveness "
            "and size (b). "
            "A variant is searched with a query that was encoded beforehand. RBO and intersection "
            "are with the exact search, as deep as a variant's k."
        ]
    elif held := {system.fidelity.reference for system in measured(results) if system.fidelity}:
        parts.append(
            f"RBO and intersection: overlap with the documents of {', '.join(sorted(held))}."
        )
    if results.reference is not None:
        parts.append(f"† differs from {results.reference}: {test_told(results)}.")
    return " ".join(filter(None, parts))


def _front_column(results: Results) -> list[Column]:
    return texts("front", priority=1) if results.sweep else []


def _front(system: SystemResult, results: Results) -> list[str]:
    sweep = results.sweep
    if sweep is None:
        return []
    fronts = (("t", sweep.front_latency), ("b", sweep.front_bytes))
    return ["".join(letter for letter, front in fronts if system.name in front)]


def _parameter_columns(results: Results) -> list[Column]:
    if results.sweep is None:
        return []
    names = short_names(results.sweep.axes)
    return [
        Column(title=names[axis], kind=_kind(values), source=axis, priority=4, implied=True)
        for axis, values in results.sweep.axes.items()
    ]


def _kind(values: Sequence[Any]) -> Any:
    return "number" if all(map(_is_number, values)) else "text"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parameters(system: SystemResult, results: Results) -> list[Cell]:
    if results.sweep is None:
        return []
    variant = results.sweep.variants.get(system.name)
    return [
        Cell() if variant is None else Cell(variant.get(axis), text=shown(variant.get(axis)))
        for axis in results.sweep.axes
    ]


def _overlap(systems: Sequence[SystemResult]) -> list[str]:
    """Return RBO and the cutoffs that every variant compared with exact search has, or nothing."""
    compared = [set(system.fidelity.intersection) for system in systems if system.fidelity]
    if not compared:
        return []
    return ["RBO", *(f"intersection@{k}" for k in sorted(set.intersection(*compared), key=int))]


def _overlaps(system: SystemResult, titles: Sequence[str]) -> list[float | None]:
    found = system.fidelity
    return [
        None if found is None else found.rbo if t == "RBO" else found.intersection[t.split("@")[1]]
        for t in titles
    ]
