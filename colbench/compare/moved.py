"""The queries on which two systems differ most."""

from __future__ import annotations

from colbench.compare.effectiveness import Pair
from colbench.compare.record import FirstDocument, MovedQuery
from colbench.measures.ties import differ
from colbench.results.schema import Results, SystemResult


def moved_queries(
    pair: Pair, measure: str, a: Results, b: Results, count: int
) -> tuple[list[MovedQuery], list[MovedQuery]]:
    """Return the `count` largest drops and rises from A to B; equal ones in the queries' order.

    Args:
        pair: with values of single queries.
        measure: what counts as better.
        a: results that `pair.a` is of.
        b: results that `pair.b` is of.
        count: of each at most.
    """
    differences = [
        (query, first, second)
        for query, first, second in zip(*pair.aligned(measure), strict=True)
        if differ(first, second)
    ]
    differences.sort(key=lambda item: item[2] - item[1])
    drops = [item for item in differences if item[2] < item[1]][:count]
    differences.sort(key=lambda item: item[1] - item[2])
    rises = [item for item in differences if item[2] > item[1]][:count]
    looks = _Look(a, pair.a), _Look(b, pair.b)
    return [_moved(*item, *looks) for item in drops], [_moved(*item, *looks) for item in rises]


class _Look:
    """Looks up what results hold of a query."""

    def __init__(self, results: Results, system: SystemResult) -> None:
        self._results, self._top = results, system.top
        self._places = {query.id: place for place, query in enumerate(results.queries)}

    def text(self, query: str) -> str | None:
        place = self._places.get(query)
        return None if place is None else self._results.queries[place].text

    def first(self, query: str) -> FirstDocument | None:
        place = self._places.get(query)
        if place is None or self._top is None or not self._top[place]:
            return None
        document = self._results.documents[self._top[place][0]]
        judged = self._results.queries[place].judged or {}
        return FirstDocument(id=document.id, title=document.title, grade=judged.get(document.id))


def _moved(query: str, a: float, b: float, look_a: _Look, look_b: _Look) -> MovedQuery:
    return MovedQuery(
        id=query,
        text=look_a.text(query) or look_b.text(query),
        a=a,
        b=b,
        difference=b - a,
        first_a=look_a.first(query),
        first_b=look_b.first(query),
    )
