"""The way from settings to a collection: read, validate, sample."""

from __future__ import annotations

from dataclasses import replace

from colbench.collection.beir_dir import read_beir_dir
from colbench.collection.irds import read_irds
from colbench.collection.model import Collection, SelfHits
from colbench.collection.raw import RawCollection, Records, judgments_of
from colbench.collection.sample import sample_collection
from colbench.collection.settings import (
    BeirDirSettings,
    DatasetSettings,
    IrdsSettings,
    PydocsSettings,
)
from colbench.collection.validate import build_collection


def load_collection(settings: DatasetSettings) -> Collection:
    """Return the validated, possibly sampled collection that `settings` describe.

    Raises:
        ConfigError: there is no such collection, or it has no queries or judgments.
        DataError: it cannot be had, or its content cannot be used.
        StorageError: a file of it cannot be read.
    """
    collection = build_collection(
        _read(settings),
        name=settings.name or _default_name(settings),
        self_hits=settings.self_hits or _source_rule(settings),
        query_length=settings.query_length,
        max_unknown_docs=settings.max_unknown_docs,
    )
    collection = replace(collection, notes=(*collection.notes, *_source_notes(settings)))
    return sample_collection(collection, settings.sample)


def _source_notes(settings: DatasetSettings) -> tuple[str, ...]:
    """Name the package versions that a pydocs collection was made from: they are its content."""
    if not isinstance(settings, PydocsSettings):
        return ()
    from colbench.collection.pydocs import pydocs_versions

    versions = pydocs_versions(settings.size)
    return ("made from " + ", ".join(f"{name} {v}" for name, v in versions.items()),)


def _read(settings: DatasetSettings) -> RawCollection:
    match settings:
        case IrdsSettings():
            return read_irds(settings.id)
        case BeirDirSettings():
            return read_beir_dir(settings.path, settings.split)
        case PydocsSettings():
            return _read_pydocs(settings)


def _read_pydocs(settings: PydocsSettings) -> RawCollection:
    # Imported here because only this kind of collection needs the packages it is made from.
    from colbench.collection.pydocs import load_pydocs

    documents, queries, qrels = load_pydocs(settings.size)

    def where() -> str:
        return "pydocs"

    return RawCollection(
        Records(documents, where), Records(queries, where), Records(judgments_of(qrels), where)
    )


def _default_name(settings: DatasetSettings) -> str:
    match settings:
        case IrdsSettings():
            return settings.id
        case BeirDirSettings():
            return f"{settings.path.expanduser().resolve().name}/{settings.split}"
        case PydocsSettings():
            return f"pydocs/{settings.size}"


def _source_rule(settings: DatasetSettings) -> SelfHits | None:
    """Return what the source says about self-hits; None where it says nothing."""
    if isinstance(settings, IrdsSettings) and settings.id.startswith("beir/"):
        return SelfHits.DROP_IDENTICAL_IDS
    return None
