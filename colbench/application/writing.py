"""Making and changing an index of an application: texts, passages, vectors, one commit.

A change first writes texts that no version holds, then encodes their passages, and then commits:
the database is told which rows live from this version on, and the manifest of the index replaced.
The manifest decides. What is killed before leaves rows and lifetimes of a version that has not
come, which readers do not see and the next writer removes.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.application.bm25 import BM25
from colbench.application.database import FILE_NAME as DATABASE
from colbench.application.database import Database, Given
from colbench.application.metadata import check_metadata
from colbench.application.model import Model
from colbench.application.opened import INDEX, passage_ids
from colbench.application.settings import FILE_NAME as ABOUT
from colbench.application.settings import About, read_about, write_about
from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.errors import DataError, StorageError
from colbench.files import ensure_writable
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents, checked_ids, repeated_ids
from colbench.index.colbert.manifest import FILE_NAME as MANIFEST
from colbench.index.colbert.settings import IndexSettings
from colbench.index.colbert.versions import numbers
from colbench.index.colbert.writer import IndexWriter
from colbench.locks import exclusive
from colbench.paths import remove_made
from colbench.progress import bar
from colbench.retriever.index_documents import documents_for_index, kept_tokens

LOCK = "application.lock"
ENCODED = "encoding"
"""Folder of vectors on their way into the index: what a build that was killed does not do again."""

_BLOCK = 65_536
"""Passages whose texts are in memory at a time."""

_SPLIT = 1024
"""Documents that are split at a time."""

_FEW = 256
"""Passages that are encoded in memory and not by way of files."""

Row = tuple[str, str, dict[str, Any]]
"""Id, text and metadata of a document."""


def build(
    folder: Path,
    model: Model,
    rows: Iterable[Row],
    about: About,
    *,
    total: int | None,
    device: str,
) -> None:
    """Make an index; one that was killed on the way goes on with what is encoded.

    Args:
        folder: new, empty, or left by a build that did not finish.
        model: encodes the passages.
        rows: the documents, read once.
        about: kept beside the index.
        total: how many documents there are, for the progress bar.
        device: where k-means runs.

    Raises:
        StorageError: the folder holds something else, or cannot be written.
        DataError: a document cannot be used.
    """
    _refuse_foreign(folder)
    ensure_writable(folder)
    with exclusive(
        folder / LOCK,
        taken=f"another process is making {folder}: wait for it to finish",
        cannot=f"cannot write to {folder}",
    ):
        _refuse_foreign(folder)
        earlier = read_about(folder) if (folder / ABOUT).exists() else None
        if earlier is not None and earlier != about:
            remove_made(folder / ENCODED, inside=folder)
        write_about(folder, about)
        database = Database(folder, create=True)
        database.undo_interrupted(0)
        with bar(rows, total=total, description="reading", unit="doc") as listed:
            put = database.put(_split(_new(listed), model, about))
        if not len(put):
            raise DataError("no documents: give one text at least")
        documents = _documents(folder, database, model, about, put)
        build_index(
            folder / INDEX,
            documents,
            about.index,
            encoder=model.encoder.document_fingerprint,
            device=device,
            keep_versions=True,
            before_commit=lambda version: database.commit(version, put, ()),
        )
        remove_made(folder / ENCODED, inside=folder)


class Change:
    """The one writer of an index; made by `Change.open`."""

    def __init__(
        self, folder: Path, about: About, model: Callable[[], Model], writer: IndexWriter
    ) -> None:
        self._folder = folder
        self._about = about
        self._model = model
        self._writer = writer
        self._database = Database(folder)
        self._database.undo_interrupted(self.version)

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, about: About, model: Callable[[], Model]) -> Iterator[Change]:
        """Hold an index against other writers until the block ends.

        Args:
            folder: of the application's index.
            about: as the folder has it.
            model: encodes new passages, where there are some.

        Raises:
            StorageError: another process is changing it, or it cannot be used.
        """
        with IndexWriter.open(folder / INDEX) as writer:
            yield cls(folder, about, model, writer)

    @property
    def version(self) -> int:
        """Number of the last commit."""
        return self._writer.index.manifest.change

    def add(
        self, texts: Iterable[Any], ids: Iterable[Any] | None, metadata: Iterable[Any] | None
    ) -> None:
        """Add documents; without ids they get the next numbers.

        Raises:
            DataError: an id is there already, or given twice. Nothing is added then.
        """
        rows = checked_rows(texts, ids, metadata, self._database.next_row() - 1)
        self._put(self._absent(_new(rows)), {})

    def update(
        self, ids: Sequence[str], texts: Sequence[Any] | None, metadata: Sequence[Any] | None
    ) -> None:
        """Replace texts, metadata, or both, of documents that are there, in one commit.

        Raises:
            DataError: an id is not there, or given twice. Nothing is changed then.
        """
        known = self._known(ids)
        before = self._database.read([known[doc][0] for doc in ids])
        rows = checked_rows(
            [one.text for one in before] if texts is None else texts,
            ids,
            [one.metadata for one in before] if metadata is None else metadata,
        )
        self._put(rows, known)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete documents.

        Raises:
            DataError: an id is not there, or given twice. Nothing is deleted then.
        """
        known = self._known(ids)
        rows = [row for row, _ in known.values()]
        self._writer.before_commit = lambda version: self._database.commit(version, _NO_ROWS, rows)
        self._writer.delete(_passages(known))

    def compact(self) -> None:
        """Rewrite the vectors as one segment, without those of deleted documents."""
        self._writer.before_commit = None
        self._writer.compact()

    def rollback(self, version: int) -> None:
        """Return to what an earlier version held, in a new one."""
        self._writer.before_commit = lambda now: self._database.return_to(version, now)
        self._writer.rollback(version)

    def prune(
        self, *, keep: int | None, versions: Iterable[int | str] = (), named: bool = False
    ) -> list[int]:
        """Forget versions, and what of vectors and texts only they held."""
        gone = self._writer.prune(keep=keep, versions=versions, named=named)
        self._database.forget(numbers(self._folder / INDEX))
        BM25.forget(self._folder, self.version)
        return gone

    def _known(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        if repeated := repeated_ids(ids):
            raise DataError(f"document id {repeated[0]!r} is given more than once")
        known = self._database.rows_of(ids, self.version)
        if missing := [doc for doc in ids if doc not in known]:
            raise DataError(
                f"there is no document {missing[0]!r} in {self._folder}: nothing is changed"
            )
        return known

    def _absent(self, rows: Iterable[Row]) -> Iterator[Row]:
        for batch in _batches(rows, _SPLIT):
            if taken := self._database.rows_of([row[0] for row in batch], self.version):
                raise DataError(
                    f"document {next(iter(taken))!r} is already in {self._folder}: update it, or "
                    "delete it first"
                )
            yield from batch

    def _put(self, rows: Iterable[Row], replaced: dict[str, tuple[int, int]]) -> None:
        model, database = self._model(), self._database
        gone = [row for row, _ in replaced.values()]
        try:
            put = database.put(_split(rows, model, self._about))
            if not len(put) and not gone:
                return
            documents = _documents(self._folder, database, model, self._about, put)
            self._writer.before_commit = lambda version: database.commit(version, put, gone)
            self._writer.replace(_passages(replaced), documents)
        except BaseException:
            database.undo_interrupted(self.version)
            raise
        remove_made(self._folder / ENCODED, inside=self._folder)


_NO_ROWS = np.empty(0, dtype=np.int64)


def _passages(known: dict[str, tuple[int, int]]) -> list[str]:
    return [name for doc, (_, count) in known.items() for name in passage_ids(doc, count)]


def checked_rows(
    texts: Iterable[Any],
    ids: Iterable[Any] | None,
    metadata: Iterable[Any] | None,
    first: int = 0,
) -> Iterator[Row]:
    """Yield documents as they are given; without ids they are numbered from `first`.

    Raises:
        DataError: a text, an id or metadata cannot be used, or they are not equally many.
    """
    missing = object()
    streams = [one for one in (texts, ids, metadata) if one is not None]
    for number, values in enumerate(itertools.zip_longest(*streams, fillvalue=missing)):
        if any(value is missing for value in values):
            raise DataError(
                f"texts, ids and metadata are not equally many: one of them ends after {number}"
            )
        rest = list(values)
        text = rest.pop(0)
        doc = str(first + number) if ids is None else checked_id(rest.pop(0))
        if not isinstance(text, str):
            raise DataError(f"text of document {doc!r} is of type {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"text of document {doc!r} holds half a surrogate pair: write it as valid Unicode"
            ) from None
        yield doc, str(text), check_metadata(rest.pop(0) if rest else None, doc)


def checked_id(doc: Any) -> str:
    """Return an id.

    Raises:
        DataError: it is none.
    """
    (checked,) = checked_ids([doc])
    if not checked:
        raise DataError("a document id is empty: give a string of at least one character")
    return checked


def _new(rows: Iterable[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for row in rows:
        if row[0] in seen:
            raise DataError(f"document id {row[0]!r} is given more than once")
        seen.add(row[0])
        yield row


def _split(rows: Iterable[Row], model: Model, about: About) -> Iterator[Given]:
    """Find the passages of documents, some at a time."""
    for batch in _batches(rows, _SPLIT):
        spans = model.spans([text for _, text, _ in batch], split=about.split)
        for (doc, text, metadata), places in zip(batch, spans, strict=True):
            yield Given(doc, text, metadata, places)


def _batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    stream = iter(rows)
    while batch := list(itertools.islice(stream, size)):
        yield batch


def _documents(
    folder: Path, database: Database, model: Model, about: About, rows: NDArray[np.int64]
) -> Documents:
    """Encode the passages of rows, and return them as the index takes them."""
    blocks = [
        _encoded(folder, model, about.index, ids, texts)
        for ids, texts in _passage_blocks(database, rows)
    ]
    if len(blocks) == 1:
        return blocks[0]

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        before = 0
        for block in blocks:
            for first, end, vectors in block.read(most):
                yield before + first, before + end, vectors
            before += len(block.ids)

    ids = [doc for block in blocks for doc in block.ids]
    lengths = np.concatenate([_NO_ROWS, *(block.lengths for block in blocks)])
    return Documents(ids, lengths, model.encoder.dims, read)


def _passage_blocks(
    database: Database, rows: NDArray[np.int64]
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield ids and texts of passages, whole documents at a time."""
    ids: list[str] = []
    texts: list[str] = []
    for first in range(0, len(rows), _SPLIT):
        for document in database.read(rows[first : first + _SPLIT].tolist()):
            ids += passage_ids(document.id, len(document.passages))
            texts += [passage.text for passage in document.passages]
        if len(ids) >= _BLOCK:
            yield ids, texts
            ids, texts = [], []
    if ids:
        yield ids, texts


def _encoded(
    folder: Path, model: Model, settings: IndexSettings, ids: list[str], texts: list[str]
) -> Documents:
    """Encode passages: by way of files, from which a build that was killed goes on."""
    encoder = model.encoder
    if len(texts) > _FEW or not (folder / INDEX / MANIFEST).exists():
        cache = EmbeddingCache(folder / ENCODED)
        embeddings = embed_documents(encoder, texts, cache, description="encoding")
        return documents_for_index(embeddings, ids, texts, encoder, settings.skip_tokens)
    matrices = [matrix.astype(np.float16) for matrix in model.encode_documents(texts)]
    if settings.skip_tokens != "none":
        mask = kept_tokens(texts, encoder, settings.skip_tokens)
        ends = np.cumsum([len(matrix) for matrix in matrices])[:-1]
        kept = zip(matrices, np.split(mask, ends), strict=True)
        matrices = [matrix[part] for matrix, part in kept]
    return Documents.of(ids, matrices, encoder.dims)


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds an index, or anything else that is not an unfinished one."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StorageError(f"{folder} is no folder: choose another name")
    if (folder / INDEX / MANIFEST).exists():
        raise StorageError(
            f"{folder} already holds an index: open it with Colbert.open, or choose another folder"
        )
    own = (ABOUT, LOCK, INDEX, ENCODED)
    for path in sorted(folder.iterdir()):
        temporary = path.name.startswith(f".{ABOUT}.")
        if path.name not in own and not path.name.startswith(DATABASE) and not temporary:
            raise StorageError(f"{folder} holds {path.name!r}: choose an empty folder")
