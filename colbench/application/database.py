"""Texts and metadata of an index, in SQLite beside its vectors.

SQLite and not DuckDB: a reader is not kept waiting by a writer and sees one state (write-ahead
log), a transaction survives a kill and a power cut, single rows by key are what results need, and
it comes with Python. Filters are ranges of one covering B-tree.

    documents   a row for each text that was given, never changed
    lifetimes   the commits from which, and before which, a row is live; a version is a number
    facets      field, value and row of all metadata, in this order
    fields      names and types of fields

Rows are numbered as documents were given, which is their order in the index, so that the n-th live
row belongs to the n-th live document. A commit of the index decides: what bears the number of a
commit that never came is undone by the next writer, and no reader sees it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from colbench.application.filters import Condition
from colbench.application.metadata import TYPES, Key, Type, from_json, keys_of, to_json, type_of
from colbench.application.results import Document, passages_of
from colbench.errors import DataError, StorageError, StorageUnavailable

FILE_NAME = "documents.sqlite"

_FOR_EVER = (1 << 63) - 1
_SCHEMA = (
    "CREATE TABLE documents (row INTEGER PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL, "
    "metadata TEXT NOT NULL, passages TEXT NOT NULL)",
    "CREATE INDEX documents_by_id ON documents (id)",
    "CREATE TABLE lifetimes (row INTEGER NOT NULL, added INTEGER NOT NULL, "
    "removed INTEGER NOT NULL, PRIMARY KEY (row, added)) WITHOUT ROWID",
    "CREATE TABLE fields (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, "
    "type TEXT NOT NULL)",
    "CREATE TABLE facets (field INTEGER NOT NULL, value NOT NULL, row INTEGER NOT NULL, "
    "PRIMARY KEY (field, value, row)) WITHOUT ROWID",
)
_BATCH = 5000
"""Documents put in at a time; their facets are sorted first, for they go all over a tree."""

_MANY = 500
"""Rows asked for in one statement."""

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_WAIT_SECONDS = 60
_CACHE_KIB = 131_072
_OF_THE_MOMENT = ("locked", "busy", "full", "disk i/o", "unable to open", "readonly")


class Given(NamedTuple):
    """A document as it is put in."""

    id: str
    text: str
    metadata: dict[str, Any]
    spans: list[tuple[int, int]]


class Database:
    """Texts and metadata below a folder, read by any number of threads and changed by one writer.

    Args:
        folder: that holds the file.
        create: make the file where it is missing.

    Raises:
        StorageError: it is missing, or is no such database.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.file = folder / FILE_NAME
        self._local = threading.local()
        self._check_file(create)
        if create:
            with self._told():
                self._connection.execute("PRAGMA journal_mode = WAL")
            if not self._tables():
                with self._change() as connection:
                    for statement in _SCHEMA:
                        connection.execute(statement)
        if self._tables() != sorted(_SCHEMA):
            raise StorageError(f"{self.file} is no database of colbench: restore it from a copy")

    def _check_file(self, create: bool) -> None:
        """Refuse what is no plain file."""
        for file in (self.file, *(Path(f"{self.file}-{end}") for end in ("wal", "shm", "journal"))):
            try:
                mode = file.lstat().st_mode
            except OSError:
                if file == self.file and not create:
                    raise StorageError(f"{self.file} is missing: restore it from a copy") from None
            else:
                if not stat.S_ISREG(mode):
                    raise StorageError(f"{file} is no plain file: restore it from a copy")

    @property
    def _connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            # A log cannot be made where nothing can be written, and needs none: nobody writes.
            writable = os.access(self.file.parent, os.W_OK)
            name = self.file.absolute().as_uri() + ("" if writable else "?immutable=1")
            connection = sqlite3.connect(
                name, uri=True, timeout=_WAIT_SECONDS, isolation_level=None
            )
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._local.connection = connection
        return connection

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Raise errors of SQLite as one line."""
        try:
            yield
        except sqlite3.Error as error:
            told = str(error)
            if any(part in told.lower() for part in _OF_THE_MOMENT):
                raise StorageUnavailable(f"cannot use {self.file}: {told}; try again") from error
            raise StorageError(
                f"{self.file} is damaged ({told}): restore it from a copy, or index again"
            ) from error

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Change all that the block changes, or nothing."""
        connection = self._connection
        with self._told():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _tables(self) -> list[str]:
        with self._told():
            found = self._connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
            return sorted(str(sql) for (sql,) in found)

    def _numbers(self, query: str, values: Sequence[Any] = ()) -> NDArray[np.int64]:
        """Return a column of integers, joined by SQLite: an object for each would take longer."""
        with self._told():
            (joined,) = self._connection.execute(
                f"SELECT group_concat(number) FROM ({query})", values
            ).fetchone()
        if joined is None:
            return np.empty(0, dtype=np.int64)
        return np.fromstring(str(joined), dtype=np.int64, sep=",")

    # What a version holds.

    def live(self, version: int) -> NDArray[np.int64]:
        """Return the rows that are live in a version, ascending."""
        return self._numbers(
            "SELECT row AS number FROM lifetimes WHERE added <= ?1 AND removed > ?1 ORDER BY row",
            [version],
        )

    def documents_in(self, versions: Iterable[int]) -> list[int]:
        """Return how many documents each version holds."""
        added = self._numbers("SELECT added AS number FROM lifetimes ORDER BY row, added")
        removed = self._numbers("SELECT removed AS number FROM lifetimes ORDER BY row, added")
        return [int(((added <= one) & (removed > one)).sum()) for one in versions]

    def rows_of(self, ids: Sequence[str], version: int) -> dict[str, tuple[int, int]]:
        """Return row and number of passages of those ids that are live in a version."""
        found: dict[str, tuple[int, int]] = {}
        ids = [doc for doc in ids if not _HALF_A_PAIR.search(doc)]  # SQLite cannot ask for it
        for first in range(0, len(ids), _MANY):
            some = list(ids[first : first + _MANY])
            query = (
                "SELECT id, row, passages FROM documents JOIN lifetimes USING (row) "
                f"WHERE id IN ({_places(some)}) AND added <= ? AND removed > ?"
            )
            with self._told():
                answer = self._connection.execute(query, [*some, version, version])
                for doc, row, passages in answer:
                    found[str(doc)] = int(row), str(passages).count("[") - 1 if passages else 1
        return found

    def read(self, rows: Sequence[int]) -> list[Document]:
        """Return documents by their rows, in the order given.

        Raises:
            StorageError: one is not there, or cannot be read.
        """
        found: dict[int, Document] = {}
        for first in range(0, len(rows), _MANY):
            some = list(rows[first : first + _MANY])
            query = (
                "SELECT row, id, text, metadata, passages FROM documents "
                f"WHERE row IN ({_places(some)})"
            )
            with self._told():
                for row, *columns in self._connection.execute(query, some):
                    found[row] = self._document(*columns)
        try:
            return [found[row] for row in rows]
        except KeyError:
            raise self._disagree() from None

    def _disagree(self) -> StorageError:
        return StorageError(
            f"{self.file} and the index beside it disagree: restore both from one copy"
        )

    def _document(self, doc: str, text: str, metadata: str, passages: str) -> Document:
        try:
            if not (isinstance(doc, str) and isinstance(text, str)):
                raise TypeError("id or text is none")
            spans = [(int(a), int(b)) for a, b in json.loads(passages)] if passages else None
            if spans and not all(0 <= start <= end <= len(text) for start, end in spans):
                raise ValueError("passages lie beyond the text")
            return Document(
                doc, text, from_json(metadata), passages_of(text, spans or [(0, len(text))])
            )
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise StorageError(
                f"{self.file}: document {doc!r} is damaged ({error}): restore it from a copy"
            ) from None

    def ids(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """Yield the ids of rows, which ascend."""
        for first in range(0, len(rows), _BATCH):
            some = rows[first : first + _BATCH]
            query = "SELECT row, id FROM documents WHERE row BETWEEN ? AND ?"
            with self._told():
                answer = self._connection.execute(query, [int(some[0]), int(some[-1])])
                found = dict(answer.fetchall())
            for row in some.tolist():
                if not isinstance(found.get(row), str):
                    raise self._disagree()
                yield found[row]

    def texts(self, rows: NDArray[np.int64]) -> Iterator[str]:
        """Yield the texts of rows in order, a few at a time in memory."""
        for first in range(0, len(rows), _MANY):
            yield from (one.text for one in self.read(rows[first : first + _MANY].tolist()))

    # Filters.

    def fields(self) -> dict[str, Type]:
        """Return the fields and their types, in the order in which they came."""
        with self._told():
            found = self._connection.execute("SELECT name, type FROM fields ORDER BY number")
            named = dict(found.fetchall())
        if not set(named.values()) <= set(TYPES):
            raise StorageError(f"{self.file} is damaged (a type of field): restore it from a copy")
        return named

    def rows_with(self, condition: Condition) -> NDArray[np.int64]:
        """Return the rows of which a condition holds, live or not, in any order."""
        relation, values = condition.relation, [condition.field, condition.key]
        test = {"any": "1", "part": "instr(value, ?2) > 0"}.get(relation, f"value {relation} ?2")
        query = (
            "SELECT row AS number FROM facets "
            f"WHERE field = (SELECT number FROM fields WHERE name = ?1) AND {test}"
        )
        return self._numbers(query, values[:1] if relation == "any" else values)

    # Changes; one writer at a time, which holds the lock of the index.

    def undo_interrupted(self, version: int) -> None:
        """Undo what was written for a commit after `version`, which has not come."""
        with self._change() as connection:
            connection.execute("DELETE FROM lifetimes WHERE added > ?", [version])
            connection.execute(
                f"UPDATE lifetimes SET removed = {_FOR_EVER} WHERE removed > ? "
                f"AND removed < {_FOR_EVER}",
                [version],
            )
            self._drop("SELECT row FROM documents WHERE row > ?", [self._last_committed()])

    def _last_committed(self) -> int:
        (last,) = self._connection.execute("SELECT max(row) FROM lifetimes").fetchone()
        return last or 0

    def _drop(self, query: str, values: Sequence[Any] = ()) -> None:
        """Remove rows, their facets, and fields that nothing has any more."""
        connection = self._connection
        if not connection.execute(query + " LIMIT 1", values).fetchone():
            return
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS gone (row INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM gone")
        connection.execute(f"INSERT INTO gone {query}", values)
        connection.execute("DELETE FROM facets WHERE row IN (SELECT row FROM gone)")
        connection.execute("DELETE FROM documents WHERE row IN (SELECT row FROM gone)")
        connection.execute(
            "DELETE FROM fields WHERE NOT EXISTS (SELECT 1 FROM facets WHERE field = number)"
        )
        connection.execute("DELETE FROM gone")

    def next_row(self) -> int:
        """Return the number that the next document gets."""
        with self._told():
            (last,) = self._connection.execute("SELECT max(row) FROM documents").fetchone()
        return int(last or 0) + 1

    def put(self, documents: Iterable[Given]) -> NDArray[np.int64]:
        """Write documents that no version holds yet, and return their rows.

        Raises:
            DataError: a field has a value of another type than before.
        """
        row = first = self.next_row()
        types = self.fields()
        batch: list[Given] = []
        for document in documents:
            batch.append(document)
            if len(batch) == _BATCH:
                self._put(row, batch, types)
                row, batch = row + len(batch), []
        self._put(row, batch, types)
        return np.arange(first, row + len(batch), dtype=np.int64)

    def _put(self, first: int, batch: Sequence[Given], types: dict[str, Type]) -> None:
        with self._change() as connection:
            for document in batch:
                self._learn(document, types)
            known = dict(connection.execute("SELECT name, number FROM fields").fetchall())
            rows = list(enumerate(batch, start=first))
            connection.executemany(
                "INSERT INTO documents VALUES (?, ?, ?, ?, ?)",
                ((row, one.id, one.text, to_json(one.metadata), _spans(one)) for row, one in rows),
            )
            facets = [
                (known[name], key, row)
                for row, one in rows
                for name, value in one.metadata.items()
                if value is not None
                for key in keys_of(value, types[name])
            ]
            facets.sort(key=_order)
            connection.executemany("INSERT INTO facets VALUES (?, ?, ?)", facets)

    def _learn(self, document: Given, types: dict[str, Type]) -> None:
        """Give a new field the type of its value, and refuse another one."""
        for name, value in document.metadata.items():
            kind = None if value is None else type_of(value)
            if kind is None or types.get(name) == kind:
                continue
            if name in types:
                raise DataError(
                    f"metadata of document {document.id!r}: field {name!r} holds a {types[name]}, "
                    f"and {str(value)[:60]!r} is a {kind}: use another name for it"
                )
            self._connection.execute("INSERT INTO fields (name, type) VALUES (?, ?)", [name, kind])
            types[name] = kind

    def commit(self, version: int, added: NDArray[np.int64], removed: Sequence[int]) -> None:
        """Let rows live from a version on, and others no longer; all of it or nothing."""
        with self._change() as connection:
            connection.executemany(
                f"UPDATE lifetimes SET removed = ? WHERE row = ? AND removed = {_FOR_EVER}",
                ((version, row) for row in removed),
            )
            self._revive(connection, version, added)

    def return_to(self, earlier: int, version: int) -> None:
        """Let live from `version` on what was live in an earlier one, and nothing else."""
        then, now = self.live(earlier), self.live(version - 1)
        self.commit(version, np.setdiff1d(then, now), np.setdiff1d(now, then).tolist())

    def _revive(
        self, connection: sqlite3.Connection, version: int, rows: NDArray[np.int64]
    ) -> None:
        connection.executemany(
            f"INSERT INTO lifetimes VALUES (?, ?, {_FOR_EVER})",
            ((row, version) for row in rows.tolist()),
        )

    def forget(self, versions: Sequence[int]) -> None:
        """Remove what none of these versions holds, and give its space back."""
        with self._change() as connection:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS kept (version INTEGER)")
            connection.execute("DELETE FROM kept")
            connection.executemany("INSERT INTO kept VALUES (?)", ((one,) for one in versions))
            connection.execute(
                "DELETE FROM lifetimes WHERE NOT EXISTS (SELECT 1 FROM kept WHERE "
                "version >= added AND version < removed)"
            )
            self._drop("SELECT row FROM documents EXCEPT SELECT row FROM lifetimes")
        with self._told():
            self._connection.execute("VACUUM")
            # Until the log is emptied it holds the pages of before, and so what was to go.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _places(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _order(facet: tuple[int, Key, int]) -> tuple[int, bool, Any]:
    """Return where a facet lies in the tree, for values of one field that can be compared."""
    field, value, _ = facet
    return field, isinstance(value, bytes), value


def _spans(document: Given) -> str:
    return json.dumps(document.spans) if len(document.spans) > 1 else ""
