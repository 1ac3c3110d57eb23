"""The way from settings to a collection: read, validate, sample."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from colbench.collection.beir_dir import read_beir_dir, read_beir_documents
from colbench.collection.irds import irds_has_judgments, read_irds, read_irds_documents
from colbench.collection.model import Collection
from colbench.collection.raw import RawCollection, Records, checked, judgments_of
from colbench.collection.sample import sample_collection
from colbench.collection.settings import (
    BeirDirSettings,
    DatasetSettings,
    IrdsSettings,
    MemorySettings,
    PydocsSettings,
    VectorsSettings,
)
from colbench.collection.validate import build_collection
from colbench.collection.vectors.folder import VectorsFolder, texts_alone
from colbench.errors import ConfigError


def load_collection(settings: DatasetSettings, kept: Path | None = None) -> Collection:
    """Return the validated, possibly sampled collection that `settings` describe.

    Args:
        settings: which collection, and how much of it.
        kept: folder where a collection that is made on the spot is kept for the next time, and
            what the check of given vectors found.

    Raises:
        ConfigError: there is no such collection, or it has no queries or judgments.
        DataError: it cannot be had, or its content cannot be used.
        StorageError: a file of it cannot be read.
    """
    folder = VectorsFolder.open(settings) if isinstance(settings, VectorsSettings) else None
    collection = build_collection(
        _read(settings, kept) if folder is None else folder.raw(),
        name=settings.name or (_default_name(settings) if folder is None else folder.name),
        ignore_identical_ids=_source_rule(settings)
        if settings.ignore_identical_ids is None
        else settings.ignore_identical_ids,
        query_length=settings.query_length,
        max_unknown_docs=settings.max_unknown_docs,
        texts=folder is None or folder.has_texts,
    )
    if folder is not None:
        collection = folder.complete(collection, kept)
    collection = replace(collection, notes=(*collection.notes, *_source_notes(settings)))
    return sample_collection(collection, settings.sample)


def has_judgments(settings: DatasetSettings) -> bool:
    """Return whether a source has queries and judgments at all, right or not.

    Raises:
        ConfigError: ir_datasets knows no such id.
    """
    match settings:
        case IrdsSettings():
            return irds_has_judgments(settings.id)
        case BeirDirSettings():
            return (settings.path.expanduser() / "qrels").is_dir()
        case PydocsSettings() | MemorySettings():
            return True
        case VectorsSettings():
            return (settings.path.expanduser() / "qrels").is_dir()


def load_documents(settings: DatasetSettings) -> Collection:
    """Return the documents of a collection that may have neither queries nor judgments.

    Nothing can be evaluated on the result: it has no queries.

    Raises:
        ConfigError: there is no such collection.
        DataError: it cannot be had, or its content cannot be used.
        StorageError: a file of it cannot be read.
    """
    match settings:
        case IrdsSettings():
            records = read_irds_documents(settings.id)
        case BeirDirSettings():
            records = read_beir_documents(settings.path)
        case PydocsSettings():
            records = _read_pydocs(settings).documents
        case MemorySettings():
            raise _not_here()
        case VectorsSettings():
            records = texts_alone(settings)
    whole = Collection(
        name=settings.name or _default_name(settings),
        documents=checked(records, "document"),
        queries=(),
        qrels={},
        notes=_source_notes(settings),
    )
    return sample_collection(whole, settings.sample)


def _source_notes(settings: DatasetSettings) -> tuple[str, ...]:
    """Name the package versions that a pydocs collection was made from: they are its content."""
    if not isinstance(settings, PydocsSettings):
        return ()
    from colbench.collection.pydocs import pydocs_versions

    versions = pydocs_versions(settings.size)
    return ("made from " + ", ".join(f"{name} {v}" for name, v in versions.items()),)


def _read(settings: DatasetSettings, kept: Path | None) -> RawCollection:
    match settings:
        case IrdsSettings():
            return read_irds(settings.id)
        case BeirDirSettings():
            return read_beir_dir(settings.path, settings.split)
        case PydocsSettings():
            return _read_pydocs(settings, kept)
        case MemorySettings():
            raise _not_here()
        case VectorsSettings():
            return VectorsFolder.open(settings).raw()


def _not_here() -> ConfigError:
    return ConfigError(
        "dataset.kind=memory is a collection in the memory of another process: name where it comes "
        "from, as in dataset=beir_dir dataset.path=FOLDER"
    )


def _read_pydocs(settings: PydocsSettings, kept: Path | None = None) -> RawCollection:
    # Imported here because only this kind of collection needs the packages it is made from.
    from colbench.collection.pydocs import load_pydocs

    made = load_pydocs(settings.size, kept)
    queries = [
        query
        for query in made.queries
        if settings.split == "all" or _pydocs_half(query.id) == settings.split
    ]
    qrels = {query.id: made.qrels[query.id] for query in queries}

    def where() -> str:
        return "pydocs"

    return RawCollection(
        Records(made.documents, where), Records(queries, where), Records(judgments_of(qrels), where)
    )


def _pydocs_half(query_id: str) -> str:
    """Return the half a question belongs to: that of its id, whatever else was harvested."""
    odd = hashlib.sha256(query_id.encode("utf-8")).digest()[-1] % 2
    return "test" if odd else "train"


def _default_name(settings: DatasetSettings) -> str:
    match settings:
        case IrdsSettings():
            return settings.id
        case BeirDirSettings():
            return f"{settings.path.expanduser().resolve().name}/{settings.split}"
        case PydocsSettings():
            half = "" if settings.split == "all" else f"/{settings.split}"
            return f"pydocs/{settings.size}{half}"
        case MemorySettings():
            raise _not_here()
        case VectorsSettings():
            return settings.path.expanduser().resolve().name


def _source_rule(settings: DatasetSettings) -> bool | None:
    """Return what the source says about identical ids; None where it says nothing."""
    if isinstance(settings, IrdsSettings) and settings.id.startswith("beir/"):
        return True
    return None
