"""What a source hands to validation: records as they came, and checks of single ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from colbench.collection.model import Document, Qrels, Query
from colbench.errors import DataError

_Record = TypeVar("_Record", bound=tuple[Any, ...])


def id_problem(value: str) -> str | None:
    """Return what is wrong with a document or query id, None if nothing is.

    Run files are split at whitespace, so an id with a space in it could not be written to one; and
    a byte order mark at the beginning of a run or qrels file is not taken for part of an id.

    >>> id_problem("doc 1")
    'contains whitespace'
    """
    if not value:
        return "is empty"
    if value.isascii() and value.isprintable() and " " not in value:
        return None
    if any(character.isspace() for character in value):
        return "contains whitespace"
    if value.startswith("\ufeff"):
        return "begins with a byte order mark"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return "contains a control character or half a surrogate pair"
    return None


def checked(records: Records[_Record], kind: str) -> list[_Record]:
    """Return the records in source order, having checked ids and texts.

    Args:
        records: tuples whose first field is the id and whose other fields of text are checked.
        kind: `"document"` or `"query"`, for messages.

    Raises:
        DataError: an id cannot be used or is used twice, a text is not valid Unicode, or there
            are no records.
    """
    result: list[_Record] = []
    seen: set[str] = set()
    for record in records.items:
        record_id = record[0]
        problem = id_problem(record_id) or ("is used twice" if record_id in seen else None)
        if problem:
            raise DataError(
                f"{records.where()}: {kind} id {short(record_id)} {problem}; "
                "ids must be unique, not empty and free of whitespace"
            )
        if not all(_is_encodable(value) for value in record[1:] if isinstance(value, str)):
            raise DataError(
                f"{records.where()}: the text of {kind} {short(record_id)} contains half a "
                "surrogate pair, which no file can hold; write it as valid Unicode"
            )
        seen.add(record_id)
        result.append(record)
    if not result:
        plural = {"query": "queries"}.get(kind, f"{kind}s")
        raise DataError(f"{records.where()}: there are no {plural}; at least one is needed")
    return result


def examples(ids: Iterable[str]) -> str:
    """Quote the first three different ids."""
    return ", ".join(short(value) for value in islice(dict.fromkeys(ids), 3))


def short(value: str) -> str:
    """Quote an id on one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_encodable(value: str) -> bool:
    try:
        value.isascii() or value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
        notes: what a reader of the results must know of the source, once all were taken.
    """

    items: Iterable[T]
    where: Callable[[], str]
    notes: Callable[[], list[str]] = list


@dataclass(frozen=True)
class RawCollection:
    """The three parts of a collection as their source gives them; some need no judgments."""

    documents: Records[Document]
    queries: Records[Query]
    judgments: Records[Judgment] | None


def judgments_of(qrels: Qrels) -> Iterator[Judgment]:
    """Yield the judgments of a qrels mapping, in its order."""
    for query_id, judged in qrels.items():
        for doc_id, grade in judged.items():
            yield Judgment(query_id, doc_id, grade)
