"""Cutting a collection down, the same way on every machine.

An element is kept for the sha256 of seed and id, so the draw depends on neither order nor
platform, and a larger sample with the same seed contains the smaller one.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import replace

from colbench.collection.model import Collection, Sampling
from colbench.collection.settings import SampleSettings
from colbench.collection.vectors.given import GivenVectors


def sample_collection(collection: Collection, settings: SampleSettings) -> Collection:
    """Return the subset that `settings` ask for, in source order and named as a subset.

    Every judged document of the kept queries stays, even where that is more than
    `settings.docs`; a note then says so. A sample as large as the collection is the collection.
    """
    queries = _sampled_queries(collection, settings)
    docs = _sampled_docs(collection, queries, settings)
    if queries is None and docs is None:
        return collection
    kept_queries = [q for q in collection.queries if queries is None or q.id in queries]
    kept_docs = [d for d in collection.documents if docs is None or d.id in docs]
    note = (
        f"a sample of {len(kept_docs)} of {len(collection.documents)} documents and "
        f"{len(kept_queries)} of {len(collection.queries)} queries of {collection.name}"
    )
    if docs is not None and settings.docs is not None and len(docs) > settings.docs:
        note += f"; {settings.docs} documents were asked for, but all judged ones are kept"
    qrels = {q.id: collection.qrels[q.id] for q in kept_queries} if collection.is_judged else {}
    return replace(
        collection,
        name=collection.name + _suffix(queries, docs, settings.seed),
        documents=kept_docs,
        queries=kept_queries,
        qrels=qrels,
        given=_of_the_same(collection, queries, docs),
        sampled=Sampling(
            docs=None if docs is None else settings.docs,
            queries=None if queries is None else settings.queries,
            seed=settings.seed,
        ),
        notes=(*collection.notes, note),
    )


def _of_the_same(
    collection: Collection, queries: set[str] | None, docs: set[str] | None
) -> GivenVectors | None:
    """Return the given vectors of what is kept."""
    given = collection.given
    if given is None:
        return None
    kept_docs = [n for n, doc in enumerate(collection.doc_ids) if docs is None or doc in docs]
    kept = [n for n, q in enumerate(collection.queries) if queries is None or q.id in queries]
    return replace(
        given, documents=given.documents.select(kept_docs), queries=given.queries.select(kept)
    )


def _sampled_queries(collection: Collection, settings: SampleSettings) -> set[str] | None:
    if settings.queries is None or settings.queries >= len(collection.queries):
        return None
    ids = (query.id for query in collection.queries)
    return _draw(ids, settings.queries, settings.seed, "query")


def _sampled_docs(
    collection: Collection, queries: set[str] | None, settings: SampleSettings
) -> set[str] | None:
    if settings.docs is None or settings.docs >= len(collection.documents):
        return None
    judged = {
        doc_id
        for query_id, grades in collection.qrels.items()
        if queries is None or query_id in queries
        for doc_id in grades
    }
    if len(judged) == len(collection.documents):
        return None
    others = (document.id for document in collection.documents if document.id not in judged)
    return judged | _draw(others, settings.docs - len(judged), settings.seed, "document")


def _draw(ids: Iterable[str], count: int, seed: int, kind: str) -> set[str]:
    def key(value: str) -> bytes:
        return hashlib.sha256(f"{seed} {kind} {value}".encode()).digest()

    return set(heapq.nsmallest(count, ids, key=key))


def _suffix(queries: set[str] | None, docs: set[str] | None, seed: int) -> str:
    """Return what marks a name as that of a subset, with the sizes it really has."""
    parts = [
        *([] if docs is None else [f"docs={len(docs)}"]),
        *([] if queries is None else [f"queries={len(queries)}"]),
        f"seed={seed}",
    ]
    return f"[{','.join(parts)}]"
