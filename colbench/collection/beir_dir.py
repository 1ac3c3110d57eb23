"""A local folder in BEIR layout.

`corpus.jsonl` and `queries.jsonl` hold one JSON object a line with `_id` and `text` (documents
also `title`, queries a `metadata` object); `qrels/<split>.tsv` holds query id, document id and
grade. Each may be gzipped, and qrels may also be a four-column TREC file. Layout: https://github.com/beir-cellar/beir
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from colbench.collection.metadata import read_metadata
from colbench.collection.model import Document, Query
from colbench.collection.qrels_file import read_qrels
from colbench.collection.raw import RawCollection, Records
from colbench.collection.text_lines import TextLines
from colbench.errors import DataError, StorageError, did_you_mean
from colbench.progress import bar

QRELS_ENDINGS = (".tsv", ".tsv.gz", ".txt", ".txt.gz", ".qrels", ".qrels.gz", ".trec", ".trec.gz")
"""Endings a qrels file may have; of several files for one split the first counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        for key in ("_id", "title", "text"):
            if keys.count(key) > 1:
                raise ValueError(f"the key '{key}' stands twice in one object")
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def read_beir_dir(folder: Path, split: str) -> RawCollection:
    """Return the collection in `folder`; its files are read as it is consumed.

    Raises:
        DataError: the folder, one of its files or the split is missing; while it is consumed, a
            line cannot be used.
        StorageError: the folder cannot be read; while it is consumed, a file cannot be.
    """
    documents = read_beir_documents(folder)
    folder = expanded_folder(folder)
    try:
        queries = TextLines(_find(folder, "queries", (".jsonl", ".jsonl.gz")))
        qrels = TextLines(find_qrels(folder / "qrels", split))
    except OSError as error:
        raise StorageError(f"dataset.path: cannot read {folder}: {error.strerror}") from error
    return RawCollection(
        documents=documents,
        queries=Records(_queries(queries), queries.where),
        judgments=read_qrels(qrels),
    )


def read_beir_documents(folder: Path) -> Records[Document]:
    """Return the documents alone, of a folder that may have no queries or qrels.

    Raises:
        DataError: the folder or its corpus is missing; while it is consumed, a line cannot be used.
        StorageError: the folder cannot be read; while it is consumed, a file cannot be.
    """
    folder = expanded_folder(folder)
    try:
        if not folder.is_dir():
            raise DataError(f"dataset.path: there is no folder {folder}")
        corpus = TextLines(_find(folder, "corpus", (".jsonl", ".jsonl.gz")))
    except OSError as error:
        raise StorageError(f"dataset.path: cannot read {folder}: {error.strerror}") from error
    return Records(_documents(corpus), corpus.where)


def read_documents_file(path: Path) -> Records[Document]:
    """Return the documents of a JSON Lines file, read as they are consumed."""
    lines = TextLines(path)
    return Records(_documents(lines), lines.where)


def read_queries_file(path: Path) -> Records[Query]:
    """Return the queries of a JSON Lines file, read as they are consumed."""
    lines = TextLines(path)
    return Records(_queries(lines), lines.where)


def expanded_folder(folder: Path) -> Path:
    """Return a folder that the settings name, without `~`.

    Raises:
        DataError: its name is not UTF-8, or there is no home folder.
    """
    try:
        str(folder).encode("utf-8")
        return folder.expanduser()
    except UnicodeEncodeError as error:
        # Results carry the folder's name, and their files hold UTF-8 only.
        raise DataError(f"dataset.path: the name of {folder} is not UTF-8; rename it") from error
    except RuntimeError as error:
        raise DataError(f"dataset.path: there is no home folder for {folder}") from error


def _find(folder: Path, stem: str, endings: Iterable[str]) -> Path:
    names = [f"{stem}{ending}" for ending in endings]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} is not in BEIR layout: it has no {' or '.join(names)}")


def find_qrels(folder: Path, split: str) -> Path:
    """Return the file with the judgments of a split.

    Raises:
        DataError: there is none.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder.parent} is not in BEIR layout: it has no folder 'qrels' with {split}.tsv"
        )
    splits = {
        path.name.removesuffix(ending)
        for path in folder.iterdir()
        for ending in QRELS_ENDINGS
        if path.name.endswith(ending)
    }
    if split in splits:
        return _find(folder, split, QRELS_ENDINGS)
    if not splits:
        raise DataError(f"{folder} has no qrels: it needs {split}.tsv")
    raise DataError(f"{folder} has no split '{split}': {did_you_mean(split, splits)}")


def _documents(lines: TextLines) -> Iterator[Document]:
    for record in bar(_objects(lines), description=f"reading {lines.path.name}", unit="doc"):
        title = record.get("title")
        yield Document(
            _id(record, lines),
            "" if title is None else _string(title, "title", lines),
            _text(record, lines),
        )


def _queries(lines: TextLines) -> Iterator[Query]:
    for record in _objects(lines):
        metadata = read_metadata(record, ("_id", "text"))
        yield Query(_id(record, lines), _text(record, lines), metadata)


def _objects(lines: TextLines) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.strip():
            continue
        try:
            record = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise DataError(f"{lines.where()}: not valid JSON{column}: {reason}") from error
        if not isinstance(record, dict):
            raise DataError(
                f"{lines.where()}: a {type(record).__name__}, not an object such as "
                '{"_id": "1", "text": "..."}'
            )
        yield record


def _id(record: dict[str, Any], lines: TextLines) -> str:
    if "_id" not in record:
        raise DataError(f"{lines.where()}: the key '_id' is missing")
    value = record["_id"]
    # Qrels are text, so an integer id has one spelling there and can only be meant as that.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _string(value, "_id", lines)


def _text(record: dict[str, Any], lines: TextLines) -> str:
    if "text" not in record:
        raise DataError(f"{lines.where()}: the key 'text' is missing")
    return _string(record["text"], "text", lines)


def _string(value: Any, key: str, lines: TextLines) -> str:
    if not isinstance(value, str):
        kind = "null" if value is None else type(value).__name__
        raise DataError(f"{lines.where()}: '{key}' must be a string, not {kind}")
    return value
