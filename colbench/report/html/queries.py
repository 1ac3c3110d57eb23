"""What the page's view of single queries is filled from."""

from __future__ import annotations

from typing import Any

from colbench.report.systems import main_measure
from colbench.results.schema import Results, SystemResult


def query_data(results: Results) -> dict[str, Any] | None:
    """Return queries, documents and values by query; None where two systems cannot be compared.

    `systems[i].values[measure][j]` is the value of `queries[j]`, `systems[i].top[j]` the numbers of
    its best documents in `documents`, and `queries[j].judged` maps such numbers to grades.
    """
    systems = [system for system in results.systems if system.per_query]
    if len(systems) < 2 or not results.queries or results.sweep is not None:
        return None
    first, second = _pair(results, systems)
    places = {document.id: place for place, document in enumerate(results.documents)}
    return {
        "measures": results.measures,
        "measure": main_measure(results),
        "first": first,
        "second": second,
        "queries": [
            {
                "id": query.id,
                "text": query.text,
                "relevant": query.relevant,
                "judged": {
                    places[document]: grade
                    for document, grade in (query.judged or {}).items()
                    if document in places
                },
            }
            for query in results.queries
        ],
        "documents": [[d.id, d.title, d.text] for d in results.documents],
        "systems": [
            {
                "name": system.name,
                "values": {
                    measure: [round(value, 6) for value in values]
                    for measure, values in (system.per_query or {}).items()
                },
                "top": system.top or [],
            }
            for system in systems
        ],
    }


def _pair(results: Results, systems: list[SystemResult]) -> tuple[int, int]:
    """Return the places of the best system and of what it is held against at first."""
    measure = main_measure(results) or ""
    order = sorted(
        range(len(systems)),
        key=lambda place: -(systems[place].effectiveness or {}).get(measure, 0.0),
    )
    names = [system.name for system in systems]
    against = names.index(results.reference) if results.reference in names else order[1]
    return order[0] if order[0] != against else order[1], against
