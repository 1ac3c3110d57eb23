"""A test collection: documents, queries and relevance judgments, in memory.

Invariant: a `Collection` that exists has been validated (`colbench.collection.validate`): ids are
unique non-empty strings, every query has text, and at least one has a judgment, except where
token vectors are given without any. The order of
documents and queries is the order of the source, and everything downstream keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pydantic import Field

from colbench.collection.metadata import NO_METADATA, Metadata
from colbench.collection.vectors.given import GivenVectors
from colbench.records import Record


class Document(NamedTuple):
    """One document of a collection."""

    id: str
    title: str
    body: str

    @property
    def text(self) -> str:
        """The text every system sees: `title + " " + text`, as BEIR does, stripped."""
        return f"{self.title} {self.body}".strip()


class Query(NamedTuple):
    """One query of a collection."""

    id: str
    text: str
    metadata: Metadata = NO_METADATA
    """Column → value of what the source says of it besides; no part of the fingerprint."""


Qrels = Mapping[str, Mapping[str, int]]
"""query id → document id → graded judgment; judgments ≤ 0 are judged not relevant."""


class Sampling(Record):
    """How a collection was cut down from the full one."""

    docs: int | None = Field(description="documents asked for, null for all")
    queries: int | None = Field(description="queries asked for, null for all")
    seed: int = Field(description="seed of the draw")


@dataclass(frozen=True)
class Collection:
    """Documents, queries and qrels under one name.

    Attributes:
        name: what tables call it, for example `beir/scifact/test`.
        documents: all documents, in source order.
        queries: the queries that have at least one judgment, in source order; all of them where
            there are no judgments.
        qrels: judgments of those queries; documents unknown to the collection are left out.
        ignore_identical_ids: whether a retrieved document that has the query's own id is left
            out, as in BEIR's evaluation: in ArguAna and Quora the query itself is a document of
            the collection, so the rule moves their scores by over ten points.
        query_length: published query length in tokens for ColBERT checkpoints; None if none is.
        sampled: set when this is a subset of the full collection.
        notes: what a reader of the results must know (dropped judgments, empty documents).
        given: token vectors that came with it, which are searched in place of an encoder's.
    """

    name: str
    documents: Sequence[Document]
    queries: Sequence[Query]
    qrels: Qrels
    ignore_identical_ids: bool = True
    query_length: int | None = None
    sampled: Sampling | None = None
    notes: tuple[str, ...] = field(default=())
    given: GivenVectors | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Name and counts: a prompt or notebook shows this, not megabytes of documents."""
        return (
            f"Collection({self.name!r}: documents={len(self.documents)}, "
            f"queries={len(self.queries)}, judgments={self.judgments})"
        )

    @cached_property
    def doc_ids(self) -> list[str]:
        """Document ids in collection order; a document's position is its internal number."""
        return [document.id for document in self.documents]

    @cached_property
    def texts(self) -> list[str]:
        """Document texts in collection order."""
        return [document.text for document in self.documents]

    @property
    def is_judged(self) -> bool:
        """Whether there are judgments, so that effectiveness can be measured."""
        return bool(self.qrels)

    @cached_property
    def judgments(self) -> int:
        """Number of judgments over all queries."""
        return sum(len(judged) for judged in self.qrels.values())

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the normalised content: documents, queries and qrels, sorted by id, and
        given vectors.

        Order and source format do not change it; any change of an id, a text or a grade does.
        """
        digest = hashlib.sha256()

        def add(*fields: str) -> None:
            for value in fields:
                encoded = value.encode("utf-8")
                digest.update(len(encoded).to_bytes(8, "little"))
                digest.update(encoded)

        for document in sorted(self.documents):
            add("d", document.id, document.text)
        for query in sorted(self.queries):
            add("q", query.id, query.text)
        for query_id in sorted(self.qrels):
            for doc_id, grade in sorted(self.qrels[query_id].items()):
                add("r", query_id, doc_id, str(grade))
        if self.given is not None:
            for vectors in (self.given.documents, self.given.queries):
                add("v", vectors.sha256, str(vectors.normalize))
        return digest.hexdigest()
