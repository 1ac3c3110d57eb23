"""Which queries and documents the results carry, for a reader to look at.

Every query is there with its text. Documents are shown for as many queries as the settings say,
those on which the systems differ most first: what a reader wants to see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colbench.collection.model import Collection
from colbench.config.settings import ExampleSettings
from colbench.results.schema import DocumentInfo, QueryInfo
from colbench.run.model import Ranking, Run

_MOST_RELEVANT = 50
"""Relevant documents of a query whose ranks the results hold."""


@dataclass(frozen=True)
class Examples:
    """Queries and documents for the results.

    Attributes:
        queries: every query, in the collection's order.
        documents: the documents shown.
        top: system → one list per query of numbers into `documents`, best first.
    """

    queries: list[QueryInfo]
    documents: list[DocumentInfo]
    top: dict[str, list[list[int]]]


def choose_examples(
    collection: Collection,
    runs: Mapping[str, Run],
    values: Mapping[str, Mapping[str, float]],
    settings: ExampleSettings,
    columns: Sequence[str] = (),
) -> Examples:
    """Choose what is shown: the best documents of every system, and the best judged ones.

    Args:
        collection: what was searched.
        runs: system → its run.
        values: system → query id → effectiveness, of the measure the systems are compared by.
        settings: how many queries and documents, and how much of them.
        columns: of the queries' metadata that the results keep.
    """
    query_ids = _queries_shown(collection, values, settings.queries)
    book = _Book(collection, settings.characters)
    top = {
        system: [
            [book.number(doc) for doc in _best(run, query.id, settings.documents)]
            if query.id in query_ids
            else []
            for query in collection.queries
        ]
        for system, run in runs.items()
    }
    for query_id in query_ids:
        for doc in _best_judged(collection.qrels.get(query_id, {}))[: settings.documents]:
            book.number(doc)
    queries = []
    for query in collection.queries:
        grades = collection.qrels.get(query.id, {})
        queries.append(
            QueryInfo(
                id=query.id,
                text=query.text,
                relevant=sum(grade > 0 for grade in grades.values()),
                judged=book.judged(grades) if query.id in query_ids else None,
                relevant_docs=relevant_documents(grades),
                metadata={c: query.metadata[c] for c in columns if c in query.metadata} or None,
            )
        )
    return Examples(queries, book.documents, top)


def relevant_documents(grades: Mapping[str, int]) -> dict[str, int]:
    """Return document id → grade of a query's relevant documents, the best first, up to a limit."""
    return {doc_id: grades[doc_id] for doc_id in _best_judged(grades)[:_MOST_RELEVANT]}


class _Book:
    """Numbers documents in the order in which they are first asked for."""

    def __init__(self, collection: Collection, characters: int) -> None:
        self.documents: list[DocumentInfo] = []
        self._collection = collection
        self._characters = characters
        self._places = {doc_id: place for place, doc_id in enumerate(collection.doc_ids)}
        self._numbers: dict[str, int] = {}

    def number(self, doc_id: str) -> int:
        if doc_id not in self._numbers:
            self._numbers[doc_id] = len(self.documents)
            document = self._collection.documents[self._places[doc_id]]
            self.documents.append(
                DocumentInfo(
                    id=doc_id,
                    title=_beginning(document.title, self._characters),
                    text=_beginning(document.body, self._characters),
                )
            )
        return self._numbers[doc_id]

    def judged(self, grades: Mapping[str, int]) -> dict[str, int]:
        return {doc_id: grade for doc_id, grade in grades.items() if doc_id in self._numbers}


def _queries_shown(
    collection: Collection, values: Mapping[str, Mapping[str, float]], most: int
) -> list[str]:
    """Return the queries on which systems lie furthest apart; of equals the first ones."""

    def apart(query_id: str) -> float:
        values_of_query = [scores[query_id] for scores in values.values()]
        return max(values_of_query) - min(values_of_query) if values_of_query else 0.0

    ids = [query.id for query in collection.queries]
    chosen = set(sorted(ids, key=lambda query_id: -apart(query_id))[:most])
    return [query_id for query_id in ids if query_id in chosen]


def _best(run: Run, query_id: str, most: int) -> Sequence[str]:
    ranking = run.rankings.get(query_id, Ranking.sort([], []))
    return ranking.doc_ids[:most]


def _best_judged(grades: Mapping[str, int]) -> list[str]:
    relevant = [(grade, doc_id) for doc_id, grade in grades.items() if grade > 0]
    return [doc_id for _, doc_id in sorted(relevant, reverse=True)]


def _beginning(value: str, most: int) -> str:
    line = " ".join(value.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
