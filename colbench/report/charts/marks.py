"""The systems as marks: effectiveness over a cost.

What reads alike in the tables is alike here: a system that is behind another by digits that no
table prints is not beaten by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colbench.measures.pareto import pareto_front
from colbench.report.costs import cost as described
from colbench.report.formats import fraction, size
from colbench.report.rows import UNTRAINED
from colbench.report.systems import comparison
from colbench.results.axes import shown
from colbench.results.schema import Results, SystemResult
from colbench.results.verdicts import primary_measure


@dataclass(frozen=True)
class Cost:
    """What effectiveness is bought with.

    Attributes:
        name: of the picture's file.
        key: of the cost, as in `COSTS`.
        title: of the axis.
        of: a system's cost; None where it was not measured.
        format: writes a cost as the tables do.
        tick: Vega expression of a tick label.
    """

    name: str
    key: str
    title: str
    of: Callable[[SystemResult], float | None]
    format: Callable[[float], str]
    tick: str


def _axis(name: str, title: str, key: str) -> Cost:
    cost = described(key)
    return Cost(
        name, key, title, cost.of, cost.format, BYTES_TICK if cost.format is size else NUMBER_TICK
    )


NUMBER_TICK = "format(datum.value, '~g')"
BYTES_TICK = "replace(format(datum.value, '~s'), /([kMGT]?)$/, ' $1B')"

LATENCY = _axis("pareto_latency", "a query, encoding and search: ms, p50", "query_p50_ms")
SIZE = _axis("pareto_bytes", "index, bytes", "index_bytes")


@dataclass(frozen=True)
class Mark:
    """A system in a plot.

    Attributes:
        name: of the system.
        label: what is written beside it: its name, or only the values of a variant of a sweep.
        cost: above 0.
        effect: mean of the measure over queries.
        front: whether no other mark equals or betters it in both, and betters it in one.
        labelled: whether its name is written beside it.
        parameters: setting → value, of a variant of a sweep.
        reference: whether it is a system measured beside a sweep.
        cells: title → text, what the comparison table says of it.
        caveat: a word without which its name would mislead.
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
    caveat: str = ""


def marks(results: Results, cost: Cost) -> list[Mark]:
    """Return the systems that have both values, in the order of the results."""
    measure = primary_measure(results)
    places: dict[str, tuple[float, float]] = {}
    for system in results.systems:
        value, effect = cost.of(system), (system.effectiveness or {}).get(measure or "")
        if effect is not None and value is not None and value > 0:
            places[system.name] = (value, effect)
    front = set(_front(results, cost, places))
    cells = _cells(results)
    references = set(results.sweep.references) if results.sweep else set()
    untrained = {system.name for system in results.systems if system.untrained}
    return [
        Mark(
            name=name,
            label=label(results, name),
            cost=value,
            effect=effect,
            front=name in front,
            labelled=results.sweep is None or name in front or name in references,
            parameters=_parameters(results, name),
            reference=name in references,
            cells=cells[name],
            caveat=UNTRAINED if name in untrained else "",
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


def label(results: Results, name: str) -> str:
    """Return what is written beside a mark: of a variant of a sweep the values that were varied."""
    parameters = _parameters(results, name)
    return ", ".join(parameters[axis] for axis in varied(results) if axis in parameters) or name


def _front(results: Results, cost: Cost, places: dict[str, tuple[float, float]]) -> list[str]:
    if results.sweep is None:
        return pareto_front(_printed(places, cost))
    return results.sweep.front_latency if cost is LATENCY else results.sweep.front_bytes


def _printed(places: dict[str, tuple[float, float]], cost: Cost) -> dict[str, tuple[float, float]]:
    """Return the same places, equal where they are printed alike."""
    costs: dict[str, float] = {}
    effects: dict[str, float] = {}
    return {
        name: (
            costs.setdefault(cost.format(value), value),
            effects.setdefault(fraction(effect), effect),
        )
        for name, (value, effect) in places.items()
    }


def _cells(results: Results) -> dict[str, dict[str, str]]:
    table = comparison(results)
    titles = [column.title for column in table.columns[1:]]
    return {
        row[0].plain: {
            title: cell.plain for title, cell in zip(titles, row[1:], strict=True) if cell.plain
        }
        for row in table.cells()
    }
