"""Several runs in one page: those of the same collection are compared as if they were one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colbench.results.schema import DocumentInfo, Results, SystemResult


@dataclass(frozen=True)
class Group:
    """Runs over the same documents, queries and judgments.

    Attributes:
        results: all systems together; a single run as it is.
        runs: the runs, their systems named as in `results`.
        names: what the runs are called, one a run.
    """

    results: Results
    runs: list[Results]
    names: list[str]

    def run_of(self, system: str) -> str:
        """Return the name of the run that a system belongs to."""
        for name, run in zip(self.names, self.runs, strict=True):
            if any(found.name == system for found in run.systems):
                return name
        return ""


def group(runs: Sequence[Results]) -> list[Group]:
    """Return the runs by collection, in the order of their first run.

    Runs of one collection that have no measure in common stand apart.
    """
    together: dict[tuple[str, int], list[Results]] = {}
    for number, run in enumerate(runs):
        key = (run.collection.fingerprint, -1)
        if key in together and not _common([*together[key], run]):
            key = (run.collection.fingerprint, number)
        together.setdefault(key, []).append(run)
    return [_merged(found) for found in together.values()]


def _common(runs: Sequence[Results]) -> list[str]:
    return [m for m in runs[0].measures if all(m in run.measures for run in runs)]


def _merged(runs: Sequence[Results]) -> Group:
    names = _names(runs)
    if len(runs) == 1:
        return Group(runs[0], list(runs), names)
    renamed = [_renamed(run, name) for run, name in zip(runs, names, strict=True)]
    documents = {document.id: document for run in runs for document in run.documents}
    places = {identifier: place for place, identifier in enumerate(documents)}
    asked = next((run for run in runs if run.queries), runs[0])
    systems = [_in_order(system, run, asked, places) for run in renamed for system in run.systems]
    judged = [run.queries for run in runs if [q.id for q in run.queries] == _ids(asked)]
    queries = [
        same[0].model_copy(
            update={"judged": {k: v for query in same for k, v in (query.judged or {}).items()}}
        )
        for same in zip(*judged, strict=True)
    ]
    merged = runs[0].model_copy(
        update={
            "experiment": " and ".join(names),
            "measures": _common(runs),
            "reference": None,
            "notes": [
                f"{name}: {note}"
                for name, run in zip(names, runs, strict=True)
                for note in run.notes
            ],
            "queries": queries,
            "documents": list[DocumentInfo](documents.values()),
            "slices": [],
            "sweep": None,
            "systems": systems,
        }
    )
    return Group(merged, renamed, names)


def _ids(run: Results) -> list[str]:
    return [query.id for query in run.queries]


def _names(runs: Sequence[Results]) -> list[str]:
    """Return the experiments' names, numbered where one occurs twice."""
    names: list[str] = []
    for run in runs:
        name, number = run.experiment, 1
        while name in names:
            number += 1
            name = f"{run.experiment} ({number})"
        names.append(name)
    return names


def _renamed(run: Results, name: str) -> Results:
    def renamed(system: str) -> str:
        return f"{name} · {system}"

    slices = [
        one.model_copy(
            update={
                "groups": [
                    found.model_copy(
                        update={"systems": {renamed(s): v for s, v in found.systems.items()}}
                    )
                    for found in one.groups
                ]
            }
        )
        for one in run.slices
    ]
    return run.model_copy(
        update={
            "systems": [s.model_copy(update={"name": renamed(s.name)}) for s in run.systems],
            "reference": None if run.reference is None else renamed(run.reference),
            "slices": slices,
            "sweep": None,
        }
    )


def _in_order(
    system: SystemResult, run: Results, asked: Results, places: dict[str, int]
) -> SystemResult:
    """Return a system whose documents are numbered as in `places`.

    Where its queries are not those of `asked`, it has no values by query.
    """
    if _ids(run) != _ids(asked):
        nothing = dict.fromkeys(("per_query", "top", "relevant_ranks", "first_relevant"))
        return system.model_copy(update=nothing)
    if system.top is None:
        return system
    numbers = [places[document.id] for document in run.documents]
    top = [[numbers[place] for place in best] for best in system.top]
    return system.model_copy(update={"top": top})
