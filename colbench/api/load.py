"""From a name, a folder or a collection in memory to a collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from colbench.api.given import Folders, folders_of, settings_from
from colbench.collection.irds import is_irds_id
from colbench.collection.load import load_collection as load_from
from colbench.collection.model import Collection
from colbench.collection.raw import Judgment, RawCollection, Records, judgments_of, short
from colbench.collection.settings import DatasetSettings
from colbench.collection.validate import build_collection
from colbench.collection.vectors.folder import holds_vectors
from colbench.config.folder import options
from colbench.encoder.cache.store import collections, default_root
from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.progress import quieted

Dataset = str | Path | Collection
"""What names a collection: an option of `conf/dataset/`, an id of ir_datasets, a folder in BEIR
layout or of given vectors, or a collection itself."""

_SPLITS = ("test", "dev", "train", "validation", "val")


class Named(NamedTuple):
    """A collection by its name.

    Attributes:
        option: of `conf/dataset/`.
        values: settings of it.
    """

    option: str
    values: dict[str, Any]


def load_collection(
    dataset: Dataset,
    *,
    split: str | None = None,
    sample: Mapping[str, int] | None = None,
    config_dirs: Folders = (),
    verbose: bool = False,
    **settings: Any,
) -> Collection:
    """Load and check a test collection.

    Args:
        dataset: a name as on the command line (`"beir/scifact"`, `"pydocs"`), any id of
            ir_datasets, a folder in BEIR layout or of vectors, or a collection, which is checked
            again. A `Path` is always a folder; of a text that is both, the name counts.
        split: another split of the same collection: the qrels file of a folder, the last part of
            an id of ir_datasets, the half of pydocs.
        sample: `{"docs": …, "queries": …, "seed": …}` to use only a part.
        config_dirs: folders with `dataset/NAME.yaml` of your own.
        verbose: whether progress is shown on standard error.
        **settings: further keys of `dataset`: `name`, `ignore_identical_ids`, `query_length`,
            `max_unknown_docs`.

    Returns:
        The collection, with `documents`, `queries` and `qrels` (query id → document id → grade).

    Raises:
        ConfigError: there is no such collection, or a key is unknown; says what is near.
        DataError: it cannot be had, or its content cannot be used; names file and line.
        StorageError: a file of it cannot be read.

    >>> import colbench
    >>> collection = colbench.load_collection("my_folder")
    >>> len(collection.documents), collection.queries[0].text, collection.qrels["q1"]
    (4, 'capital of France', {'paris': 2, 'berlin': 0})
    """
    if isinstance(dataset, Collection):
        if split is not None or sample is not None or settings:
            raise ConfigError(
                "a collection in memory has its settings already: give split, sample and others "
                "where it is loaded by its name"
            )
        return checked(dataset)
    folders = folders_of(config_dirs)
    more = {
        key: value for key, value in {**settings, "sample": sample}.items() if value is not None
    }
    named = dataset_named(dataset, folders, split)
    found = dataset_settings(Named(named.option, {**named.values, **more}), folders)
    with quieted(not verbose):
        return load_from(found, collections(default_root()))


def dataset_settings(named: Named, folders: list[Path]) -> DatasetSettings:
    """Return the checked settings of a collection.

    Raises:
        ConfigError: a key is unknown or a value is wrong.
    """
    return settings_from({"dataset": named.values}, folders, {"dataset": named.option}).dataset


def dataset_named(dataset: str | Path, folders: list[Path], split: str | None = None) -> Named:
    """Return what a name or folder stands for.

    Raises:
        ConfigError: it is no name of a collection, or has no such split.
        DataError: it is the path of a folder that is not there.
    """
    if not isinstance(dataset, str | Path):
        raise ConfigError(
            f"dataset is of type {type(dataset).__name__}: give a name, a folder or a collection"
        )
    known = options("dataset", folders)
    if isinstance(dataset, str) and dataset in known:
        return _of_split(Named(dataset, {}), folders, split)
    if isinstance(dataset, Path) or _is_folder(dataset):
        values = {"path": Path(dataset), **({} if split is None else {"split": split})}
        return Named("vectors" if holds_vectors(Path(dataset)) else "beir_dir", values)
    if dataset.startswith((".", "/", "~")) or not dataset.strip():
        raise DataError(f"dataset: there is no folder {dataset!r}")
    if is_irds_id(dataset):
        return _of_split(Named("irds", {"id": dataset}), folders, split)
    raise ConfigError(
        f"unknown dataset '{dataset}': {did_you_mean(dataset, known)} (any id of ir_datasets and "
        "any folder in BEIR layout will do, too)"
    )


def _of_split(named: Named, folders: list[Path], split: str | None) -> Named:
    """Return the same collection with another of its splits."""
    if split is None:
        return named
    given = dataset_settings(named, folders).model_dump() if named.option != "beir_dir" else {}
    if "id" not in given:
        return Named(named.option, {**named.values, "split": split})
    *whole, last = given["id"].split("/")
    base = whole if last in _SPLITS else [*whole, last]
    return Named(named.option, {**named.values, "id": "/".join([*base, split])})


def _is_folder(dataset: str) -> bool:
    try:
        return Path(dataset).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, no such user
        return False


def checked(collection: Collection) -> Collection:
    """Return a collection that may have been made by hand, checked as a loaded one is.

    Raises:
        DataError: its content cannot be used.
    """

    if collection.given is not None:  # only loading makes one with vectors
        return collection

    def where() -> str:
        return f"the collection {collection.name!r}"

    try:
        again = build_collection(
            RawCollection(
                Records(collection.documents, where),
                Records(collection.queries, where),
                Records(_graded(collection, where), where),
            ),
            name=collection.name,
            ignore_identical_ids=collection.ignore_identical_ids,
            query_length=collection.query_length,
            max_unknown_docs=1.0,
        )
    except (TypeError, AttributeError, ValueError, LookupError) as error:
        raise DataError(
            f"{where()}: documents are Document(id, title, body), queries Query(id, text), qrels "
            f"a mapping of query id to document id to grade ({type(error).__name__}: {error})"
        ) from None
    notes = dict.fromkeys([*collection.notes, *again.notes])
    return replace(
        collection,
        documents=again.documents,
        queries=again.queries,
        qrels=again.qrels,
        notes=tuple(notes),
    )


def _graded(collection: Collection, where: Callable[[], str]) -> Iterator[Judgment]:
    for judgment in judgments_of(collection.qrels):
        if not isinstance(judgment.grade, int):
            raise DataError(
                f"{where()}: document {short(judgment.doc_id)} is judged {judgment.grade!r} for "
                f"query {short(judgment.query_id)}: grades are whole numbers"
            )
        yield judgment
