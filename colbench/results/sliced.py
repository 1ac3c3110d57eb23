"""Effectiveness of every system by group of queries, from values that results hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError
from colbench.measures.bootstrap import mean_difference
from colbench.measures.catalogue import ignores_order
from colbench.measures.significance import (
    Significance,
    Test,
    compare_values,
    is_counted,
    judge,
    too_few_sentence,
)
from colbench.results.grouping import (
    LENGTH,
    METADATA,
    RELEVANT,
    Group,
    by_column,
    by_length,
    by_relevant,
    check_slices,
    has_text,
)
from colbench.results.schema import Results
from colbench.results.slices import Slice, SliceGroup, SliceValue
from colbench.results.verdicts import primary_measure

_Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""system → measure → a value a query"""
_Cell = tuple[int, int, str, str]
"""place of the slice, place of the group, system, measure"""


def sliced(results: Results, wanted: Sequence[str]) -> Results:
    """Return results with every measure by group of queries, in place of groups they have.

    Groups are compared after the whole was, and there are many of them: their tests are a family of
    their own, apart from those of whole collections, so that these stay what they are. In it the
    primary measure's tests of all slices, groups and systems are Holm-corrected together, and so
    are all others.

    Args:
        results: with values by query; a system without them is left out.
        wanted: `length`, `relevant`, `metadata.` and a column.

    Raises:
        ConfigError: the queries cannot be grouped so.
        DataError: a system has not one value a query.
    """
    values = _values(results)
    if not values:
        wanted = []
    check_slices(wanted, results.queries)
    slices = [_grouped(name, results) for name in wanted]
    groups = [groups for _, groups, _ in slices]
    tests = _tests(results, values, groups)
    counted = sum(is_counted(test) for test in tests.values() if test.primary)
    found = []
    for number, (name, parts, notes) in enumerate(slices):
        told = [
            SliceGroup(
                label=group.label,
                queries=len(group.places),
                too_few=too_few_sentence(len(group.places), max(counted, 1), results.alpha),
                systems={
                    system: {
                        measure: _value(
                            of[group.places], tests.get((number, place, system, measure))
                        )
                        for measure, of in measures.items()
                    }
                    for system, measures in values.items()
                },
            )
            for place, group in enumerate(parts)
        ]
        found.append(Slice(by=name, groups=told, notes=notes))
    return results.model_copy(update={"slices": found})


def _values(results: Results) -> _Values:
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for system in results.systems:
        for measure, values in (system.per_query or {}).items():
            if len(values) != len(results.queries):
                raise DataError(
                    f"system '{system.name}' has {len(values)} values of {measure} for "
                    f"{len(results.queries)} queries; run the experiment again"
                )
            if values:
                found.setdefault(system.name, {})[measure] = np.array(values, np.float64)
    return found


def _grouped(name: str, results: Results) -> tuple[str, list[Group], list[str]]:
    queries = results.queries
    if name == LENGTH and not has_text(queries):
        return name, [], ["the queries have no text, and so no length"]
    if name == LENGTH:
        return name, by_length(queries), []
    if name == RELEVANT:
        return name, by_relevant([query.relevant for query in queries]), []
    return name, *by_column(queries, name.removeprefix(METADATA))


def _tests(
    results: Results, values: _Values, slices: Sequence[Sequence[Group]]
) -> dict[_Cell, Significance]:
    """Return the tests of every group against the reference, corrected together."""
    reference = values.get(results.reference or "")
    if reference is None:
        return {}
    test: Test = "fisher" if results.test == "fisher" else "student"
    primary = primary_measure(results)
    untested = _untested(results)
    compared = {
        (number, place, system, measure): compare_values(
            of[group.places] - reference[measure][group.places],
            test,
            primary=measure == primary,
            tested=measure not in untested,
        )
        for number, groups in enumerate(slices)
        for place, group in enumerate(groups)
        for system, measures in values.items()
        if system != results.reference
        for measure, of in measures.items()
        if measure in reference
    }
    return judge(compared, results.alpha, results.margin)


def _untested(results: Results) -> set[str]:
    """Return the measures that say nothing of a ranking, as the tests of all queries have it."""
    docs = results.collection.docs
    depth = max((system.depth or 0 for system in results.systems), default=0)
    return {name for name in results.measures if depth and ignores_order(name, depth, docs)}


def _value(values: NDArray[np.float64], against: Significance | None) -> SliceValue:
    found = mean_difference(values, np.zeros_like(values))
    return SliceValue(mean=found.mean, low=found.low, high=found.high, against=against)
