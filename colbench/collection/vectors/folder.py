"""A folder of given token vectors: which files it has, and the collection that they make.

    documents.safetensors     `values` (vectors, dims) in F16, BF16 or F32; `lengths` (texts,);
                              `ids`, U8: UTF-8, an id a line
    queries.safetensors       the same of the queries
    documents.jsonl           optional: `_id`, `text` and `title` of documents, as in BEIR
    queries.jsonl             optional, likewise
    qrels/<split>.tsv         optional, as in BEIR
    manifest.json             optional: what the files must hold, as the writer knew it

In place of a safetensors file there may be `documents.values.npy` and `documents.lengths.npy`; ids
may be in `documents.ids.txt`, an id a line, or `documents.ids.npy`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from colbench.collection.beir_dir import (
    expanded_folder,
    find_qrels,
    read_documents_file,
    read_queries_file,
)
from colbench.collection.model import Collection, Document, Query
from colbench.collection.qrels_file import read_qrels
from colbench.collection.raw import RawCollection, Records, checked, short
from colbench.collection.settings import VectorsSettings
from colbench.collection.text_lines import TextLines
from colbench.collection.vectors.check import Examined, examine
from colbench.collection.vectors.given import (
    GivenVectors,
    QueryText,
    TokenVectors,
    file_state,
)
from colbench.collection.vectors.side import Side
from colbench.collection.vectors.tensors import regular_file
from colbench.digests import json_digest, text_digest
from colbench.errors import DataError, StorageError
from colbench.files import write_json

MANIFEST = "manifest.json"
FORMAT = 1
_Text = TypeVar("_Text", Document, Query)
_RULES = 1
"""Counts changes of the check: what an earlier one has passed is checked again."""
_LARGEST_MANIFEST = 1 << 20
_YOUNG_SECONDS = 2.0
"""A file that was changed this short a time ago may change again under the same time."""


_VECTORS = ("documents.safetensors", "documents.values.npy")


def holds_vectors(folder: Path) -> bool:
    """Return whether a folder looks like one of vectors, and not like one of texts."""
    try:
        found = folder.expanduser()
        texts = any((found / f"corpus.jsonl{end}").exists() for end in ("", ".gz"))
        return not texts and any((found / name).exists() for name in _VECTORS)
    except (OSError, RuntimeError):
        return False


@dataclass(frozen=True)
class VectorsFolder:
    """What lies in a folder of given vectors.

    Attributes:
        folder: the folder.
        settings: that name it.
        documents: their vectors.
        queries: theirs.
    """

    folder: Path
    settings: VectorsSettings
    documents: Side
    queries: Side

    @classmethod
    def open(cls, settings: VectorsSettings) -> VectorsFolder:
        """Read headers, lengths and ids; values are not read yet.

        Raises:
            DataError: a file is missing or not as it must be.
            StorageError: a file cannot be read.
        """
        folder = expanded_folder(settings.path)
        if not folder.is_dir():
            raise DataError(f"dataset.path: there is no folder {folder}")
        folder = folder.resolve()  # workers may be started elsewhere
        documents = Side.find(folder, "documents", "document")
        queries = Side.find(folder, "queries", "query")
        ours, theirs = documents.values.shape[1], queries.values.shape[1]
        if ours != theirs:
            raise DataError(
                f"{folder}: queries have {theirs} dimensions, documents {ours}: they are not of "
                "one model"
            )
        return cls(folder, settings, documents, queries)

    @property
    def name(self) -> str:
        """What tables call the collection where nobody says it."""
        return f"{self.folder.name}/{self.settings.split}" if self.is_judged else self.folder.name

    @property
    def is_judged(self) -> bool:
        """Whether there are judgments."""
        return os.path.lexists(self.folder / "qrels")

    def raw(self) -> RawCollection:
        """Return the records; a document without a text has an empty one, a query its id."""
        judgments = None
        if self.is_judged:
            judgments = read_qrels(
                TextLines(find_qrels(self.folder / "qrels", self.settings.split))
            )
        documents = [self._texts.documents.get(i, Document(i, "", "")) for i in self.documents.ids]
        told = [self._texts.queries.get(i, Query(i, "")) for i in self.queries.ids]
        queries = [
            query._replace(text=QueryText(query.text or query.id, query.id)) for query in told
        ]
        return RawCollection(
            Records(documents, lambda: str(self.documents.values.file)),
            Records(queries, lambda: str(self.queries.values.file)),
            judgments,
        )

    @cached_property
    def _texts(self) -> _Texts:
        return _Texts.read(self.folder, self.documents.ids, self.queries.ids)

    @property
    def has_texts(self) -> bool:
        """Whether every document and every query has its text, too."""
        found = self._texts
        return len(found.documents) == len(self.documents.ids) and all(
            i in found.queries and found.queries[i].text.strip() for i in self.queries.ids
        )

    def complete(self, collection: Collection, kept: Path | None) -> Collection:
        """Return the collection made of `raw`, with its vectors, once these were checked.

        Args:
            collection: validated.
            kept: folder where the outcome of the check is kept; None checks anew.

        Raises:
            DataError: vectors cannot be searched with.
            StorageError: a file cannot be read, or is not what the manifest says.
        """
        manifest = _read_manifest(self.folder)
        sides = []
        for side, key in ((self.documents, "documents"), (self.queries, "queries")):
            state = file_state(side.values.file)  # before: a change meanwhile is told later
            examined = _examined(side, kept)
            if manifest is not None and manifest.get(key) != side.described(examined.sha256):
                raise StorageError(
                    f"{side.values.file} is not what {MANIFEST} says: it was changed or damaged "
                    f"after it was written; write it again, or remove {MANIFEST}"
                )
            sides.append(side.vectors(examined, self.settings.unnormalized, state))
        documents, queries = sides
        places = {query_id: number for number, query_id in enumerate(self.queries.ids)}
        asked = queries.select([places[query.id] for query in collection.queries])
        return replace(
            collection,
            given=GivenVectors(documents, asked, self.has_texts),
            notes=(*collection.notes, *self._notes(documents, queries)),
        )

    def _notes(self, documents: TokenVectors, queries: TokenVectors) -> list[str]:
        notes = [
            f"the token vectors are given ({documents.precision}, {documents.dims} dimensions): no "
            "encoder is used, and no time is spent in one"
        ]
        if not self.is_judged:
            notes.append(
                "there are no judgments: overlap with exact search and costs are reported, and no "
                "effectiveness"
            )
        if not self.has_texts and (self._texts.documents or self._texts.queries):
            notes.append(
                f"texts are given of {len(self._texts.documents)} of {len(self.documents.ids)} "
                f"documents and of {len(self._texts.queries)} of {len(self.queries.ids)} queries"
            )
        if documents.normalize or queries.normalize:
            notes.append("vectors whose length is not 1 are scaled (dataset.unnormalized)")
        elif self.settings.unnormalized == "allow":
            notes.append(
                "vectors are taken as they are (dataset.unnormalized=allow): a compressed index "
                "keeps the directions of vectors alone, and int8 cuts off what is beyond 1"
            )
        return notes


@dataclass(frozen=True)
class _Texts:
    """Texts beside the vectors, of those documents and queries that have one."""

    documents: Mapping[str, Document]
    queries: Mapping[str, Query]

    @classmethod
    def read(cls, folder: Path, doc_ids: Sequence[str], query_ids: Sequence[str]) -> _Texts:
        documents: dict[str, Document] = {}
        queries: dict[str, Query] = {}
        if (file := _jsonl(folder, "documents")) is not None:
            found = _of_known(read_documents_file(file), set(doc_ids), "document")
            documents = {document.id: document for document in checked(found, "document")}
        if (file := _jsonl(folder, "queries")) is not None:
            asked = _of_known(read_queries_file(file), set(query_ids), "query")
            queries = {query.id: query for query in checked(asked, "query")}
        return cls(documents, queries)


def _jsonl(folder: Path, stem: str) -> Path | None:
    for name in (f"{stem}.jsonl", f"{stem}.jsonl.gz"):
        if os.path.lexists(folder / name):
            with regular_file(folder / name):
                return folder / name
    return None


def _of_known(records: Records[_Text], known: set[str], kind: str) -> Records[_Text]:
    """Return records, of which each must be of a text that has vectors."""

    def items() -> Iterator[_Text]:
        for record in records.items:
            if record[0] not in known:
                raise DataError(
                    f"{records.where()}: there are no vectors of {kind} {short(record[0])}: remove "
                    "its text, or give them"
                )
            yield record

    return Records(items(), records.where)


def texts_alone(settings: VectorsSettings) -> Records[Document]:
    """Return the texts of the documents, where the folder has those of all.

    Raises:
        DataError: it does not.
    """
    folder = VectorsFolder.open(settings)
    documents = [document for document in folder.raw().documents.items if document.text]
    if len(documents) < len(folder.documents.ids):
        raise DataError(
            f"{folder.folder}: only {len(documents)} of {len(folder.documents.ids)} documents have "
            "a text in documents.jsonl: give all of them, or use another collection"
        )
    return Records(documents, lambda: str(folder.folder))


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what the writer says of the files; None where nobody does.

    Raises:
        StorageError: it is damaged, or of another format.
    """
    file = folder / MANIFEST
    if not os.path.lexists(file):
        return None
    with regular_file(file) as stream:
        content = stream.read(_LARGEST_MANIFEST)
    try:
        manifest = json.loads(content)
        told = {key: value for key, value in manifest.items() if key != "sha256"}
        intact = manifest["sha256"] == json_digest(told)
        known = manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(f"{file} is not valid: write the folder again, or remove it") from error
    if not known:
        raise StorageError(f"{file} is of another format than {FORMAT}: write the folder again")
    if not intact:
        raise StorageError(f"{file} was changed or damaged: write the folder again, or remove it")
    return told


def _examined(side: Side, kept: Path | None) -> Examined:
    """Check the values, or recall that these very ones were checked before."""
    if kept is None:
        return examine(side.kind, side.values, side.lengths, side.ids)
    status = side.values.file.stat()
    key = {
        "rules": _RULES,
        "file": os.fspath(side.values.file),
        "state": [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns],
        "changed": status.st_ctime_ns,
        "values": [side.values.offset, side.values.dtype, list(side.values.shape)],
        "lengths": text_digest(str(side.lengths.tobytes())),
        "ids": json_digest(side.ids),
    }
    memo = kept / f"vectors-{json_digest(key)[:16]}" / MANIFEST
    try:
        held = json.loads(memo.read_bytes())
        if held["sha256"] == json_digest(held["examined"]) and held["key"] == key:
            return Examined.model_validate(held["examined"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError, RecursionError):
        pass
    examined = examine(side.kind, side.values, side.lengths, side.ids)
    if time.time() - max(status.st_mtime, status.st_ctime) > _YOUNG_SECONDS:
        plain = examined.model_dump(mode="json")
        try:
            write_json(memo, {"key": key, "examined": plain, "sha256": json_digest(plain)})
        except StorageError:
            return examined  # it is only kept to save time
    return examined
