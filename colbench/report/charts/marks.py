"""The systems as marks: effectiveness over a cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colbench.measures.pareto import pareto_front
from colbench.report.costs import cost as described
from colbench.report.systems import comparison, main_measure
from colbench.results.axes import shown
from colbench.results.schema import Results, SystemResult


@dataclass(frozen=True)
class Cost:
    """What effectiveness is bought with.

    Attributes:
        name: of the picture's file.
        title: of the axis.
        of: a system's cost; None where it was not measured.
        tick: Vega expression of a tick label.
    """

    name: str
    title: str
    of: Callable[[SystemResult], float | None]
    tick: str


LATENCY = Cost(
    "pareto_latency",
    "search of one query, ms, p50",
    described("search_p50_ms").of,
    "format(datum.value, '~g')",
)
SIZE = Cost(
    "pareto_bytes",
    "index, bytes",
    described("index_bytes").of,
    "replace(format(datum.value, '~s'), /([kMGT]?)$/, ' $1B')",
)


@dataclass(frozen=True)
class Mark:
    """A system in a plot.

    Attributes:
        name: of the system.
        label: what is written beside it: its name, or only the values of a variant of a sweep.
        cost: above 0.
        effect: mean of the measure over queries.
        front: whether no other mark is cheaper and as good, or better and as cheap.
        labelled: whether its name is written beside it.
        parameters: setting → value, of a variant of a sweep.
        reference: whether it is a system measured beside a sweep.
        cells: title → text, what the comparison table says of it.
    """

    name: str
    label: str
    cost: float
    effect: float
    front: bool
    labelled: bool
    parameters: dict[str, str]
    reference: bool
    cells: dict[str, str]


def marks(results: Results, cost: Cost) -> list[Mark]:
    """Return the systems that have both values, in the order of the results."""
    measure = main_measure(results)
    places: dict[str, tuple[float, float]] = {}
    for system in results.systems:
        value, effect = cost.of(system), (system.effectiveness or {}).get(measure or "")
        if effect is not None and value is not None and value > 0:
            places[system.name] = (value, effect)
    front = set(_front(results, cost, places))
    cells = _cells(results)
    references = set(results.sweep.references) if results.sweep else set()
    return [
        Mark(
            name=name,
            label=_label(results, name),
            cost=value,
            effect=effect,
            front=name in front,
            labelled=results.sweep is None or name in front or name in references,
            parameters=_parameters(results, name),
            reference=name in references,
            cells=cells[name],
        )
        for name, (value, effect) in places.items()
    ]


def varied(results: Results) -> dict[str, list[str]]:
    """Return setting → values, as text, of a sweep's settings with more than one value."""
    axes = results.sweep.axes if results.sweep else {}
    return {axis: list(map(shown, values)) for axis, values in axes.items() if len(values) > 1}


def short(axis: str) -> str:
    """Return the last part of a setting's name, which is what marks are named by.

    >>> short("index.nbits")
    'nbits'
    """
    return axis.rpartition(".")[2]


def _parameters(results: Results, name: str) -> dict[str, str]:
    chosen = results.sweep.variants.get(name, {}) if results.sweep else {}
    return {axis: shown(value) for axis, value in chosen.items()}


def _label(results: Results, name: str) -> str:
    parameters = _parameters(results, name)
    return ", ".join(parameters[axis] for axis in varied(results) if axis in parameters) or name


def _front(results: Results, cost: Cost, places: dict[str, tuple[float, float]]) -> list[str]:
    if results.sweep is None:
        return pareto_front(places)
    return results.sweep.front_latency if cost is LATENCY else results.sweep.front_bytes


def _cells(results: Results) -> dict[str, dict[str, str]]:
    table = comparison(results)
    titles = [column.title for column in table.columns[1:]]
    return {
        row[0].plain: {
            title: cell.plain for title, cell in zip(titles, row[1:], strict=True) if cell.plain
        }
        for row in table.cells()
    }
