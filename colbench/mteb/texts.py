"""Documents and queries of a task, as MTEB itself reads them.

A document is its title and text; a query is its text, then its instruction where it has one; a
conversation is its turns, with the instruction in front.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colbench.collection.model import Document, Query
from colbench.collection.raw import short
from colbench.errors import DataError

_COLUMNS = ("id", "title", "text", "instruction")


def documents_of(corpus: Iterable[Mapping[str, Any]], task: str) -> list[Document]:
    """Return the documents of a task, in its order.

    Args:
        corpus: rows with `id`, `text` and perhaps `title`.
        task: its name, for messages.

    Raises:
        DataError: there are none, they have no texts, or an id is missing or used twice.
    """
    documents = []
    for row in _rows(corpus, task):
        if not isinstance(row["text"], str):
            raise DataError(f"{task}: document {short(str(row['id']))} has no text")
        documents.append(Document(str(row["id"]), row.get("title") or "", row["text"]))
    _check_ids([document.id for document in documents], task, "documents")
    return documents


def queries_of(queries: Iterable[Mapping[str, Any]], task: str) -> list[Query]:
    """Return the queries of a task, in its order.

    Args:
        queries: rows with `id`, `text` and perhaps `instruction`.
        task: its name, for messages.

    Raises:
        DataError: there are none, they have no texts, or an id is missing or used twice.
    """
    found = [Query(str(row["id"]), _query_text(row, task)) for row in _rows(queries, task)]
    _check_ids([query.id for query in found], task, "queries")
    return found


def _rows(table: Any, task: str) -> Iterable[Mapping[str, Any]]:
    columns = getattr(table, "column_names", None)
    if columns is not None:  # a column of pictures is not to be decoded
        table = table.select_columns([name for name in _COLUMNS if name in columns])
    for row in table:
        if "id" not in row or "text" not in row:
            raise DataError(f"{task} is not of texts: colbench searches texts, of 'id' and 'text'")
        yield row


def _query_text(row: Mapping[str, Any], task: str) -> str:
    text, instruction = row["text"], row.get("instruction")
    if isinstance(text, str):
        return text if instruction is None else f"{text} {instruction}"
    if isinstance(text, list) and text:
        turns = [_turn(turn, row, task) for turn in text]
        joined = "; ".join(turns)
        return f"{instruction} {joined}" if "instruction" in row else joined
    raise DataError(f"{task}: query {short(str(row['id']))} has no text")


def _turn(turn: Any, row: Mapping[str, Any], task: str) -> str:
    if isinstance(turn, str):
        return turn
    if isinstance(turn, Mapping) and {"role", "content"} <= turn.keys():
        return f"{turn['role']}: {turn['content']}"
    raise DataError(f"{task}: a turn of query {short(str(row['id']))} has no role and content")


def _check_ids(ids: list[str], task: str, what: str) -> None:
    if not ids:
        raise DataError(f"{task} has no {what}")
    if len(set(ids)) < len(ids) or not all(ids):
        raise DataError(f"{task}: ids of {what} must be unique and not empty")
