"""What a source hands to validation: records as they came, nothing about them checked yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from colbench.collection.model import Document, Qrels, Query

T = TypeVar("T")


class Judgment(NamedTuple):
    """One assessor's grade of one document for one query."""

    query_id: str
    doc_id: str
    grade: int


@dataclass(frozen=True)
class Records(Generic[T]):
    """Records in source order, read once.

    Attributes:
        items: the records; may be a generator over a file.
        where: names the place of the record last taken from `items`, for an error message.
    """

    items: Iterable[T]
    where: Callable[[], str]


@dataclass(frozen=True)
class RawCollection:
    """The three parts of a collection as their source gives them."""

    documents: Records[Document]
    queries: Records[Query]
    judgments: Records[Judgment]


def judgments_of(qrels: Qrels) -> Iterator[Judgment]:
    """Yield the judgments of a qrels mapping, in its order."""
    for query_id, judged in qrels.items():
        for doc_id, grade in judged.items():
            yield Judgment(query_id, doc_id, grade)
