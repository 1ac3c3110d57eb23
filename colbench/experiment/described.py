"""A collection as results describe it."""

from __future__ import annotations

from colbench.collection.model import Collection
from colbench.results.schema import CollectionInfo, SampleInfo


def describe_collection(collection: Collection) -> CollectionInfo:
    """Describe a collection for the results."""
    sampled = collection.sampled
    return CollectionInfo(
        name=collection.name,
        docs=len(collection.documents),
        queries=len(collection.queries),
        judgments=collection.judgments,
        fingerprint=collection.fingerprint,
        sampled=sampled is not None,
        sample=SampleInfo(docs=sampled.docs, queries=sampled.queries, seed=sampled.seed)
        if sampled
        else None,
        notes=list(collection.notes),
    )
