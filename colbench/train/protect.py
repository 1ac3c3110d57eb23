"""What may never be trained on: the queries and the judged documents of evaluation splits.

Two checks, each of which alone is enough to drop an example. By text: its query, its positive or
the whole document the positive was cut from has the text (`text_key`) of a protected query or
judged document, in either place, for in collections of duplicates a query is a document too. By
id: its query or document has the id of a protected one. Ids are held against each other only where
they mean the same: the example's own document stands in the protected collection under the same id
with the same text, or most of its source's documents do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from colbench.collection.model import Collection
from colbench.errors import DataError
from colbench.train.examples import Example, text_key
from colbench.train.record import Protected as ProtectedRecord


@dataclass(frozen=True)
class Counts:
    """What was dropped of a source; names and meaning as in `SourceReport`."""

    protected_queries: int = 0
    protected_documents: int = 0
    protected_negatives: int = 0


@dataclass(frozen=True)
class ProtectedSplit:
    """One evaluation split.

    Attributes:
        record: what results say of it.
        texts: id → text of every document of its collection, judged or not.
        query_ids: of all queries.
        query_keys: `text_key` of all queries.
        document_ids: of judged documents, relevant or not.
        document_keys: `text_key` of them, those without text left out.
    """

    record: ProtectedRecord
    texts: Mapping[str, str]
    query_ids: frozenset[str]
    query_keys: frozenset[bytes]
    document_ids: frozenset[str]
    document_keys: frozenset[bytes]

    @classmethod
    def of(cls, collection: Collection) -> ProtectedSplit:
        """Take queries and judged documents of a collection."""
        texts = {document.id: document.text for document in collection.documents}
        judged = frozenset(doc_id for grades in collection.qrels.values() for doc_id in grades)
        return cls(
            record=ProtectedRecord(
                name=collection.name,
                fingerprint=collection.fingerprint,
                queries=len(collection.queries),
                documents=len(judged),
            ),
            texts=texts,
            query_ids=frozenset(query.id for query in collection.queries),
            query_keys=frozenset(text_key(query.text) for query in collection.queries),
            document_ids=judged,
            document_keys=frozenset(text_key(texts[doc_id]) for doc_id in judged if texts[doc_id]),
        )


@dataclass(frozen=True)
class Protected:
    """All evaluation splits together."""

    splits: tuple[ProtectedSplit, ...] = ()

    @classmethod
    def of(cls, collections: Iterable[Collection]) -> Protected:
        """Take the splits of some collections; whole ones, for a sample protects itself alone."""
        return cls(tuple(map(ProtectedSplit.of, collections)))

    @property
    def records(self) -> list[ProtectedRecord]:
        """What results say of each."""
        return [split.record for split in self.splits]

    def is_query(self, key: bytes | None) -> bool:
        """Return whether a `text_key` is that of a protected query."""
        return any(key in split.query_keys for split in self.splits)

    def is_document(self, key: bytes | None) -> bool:
        """Return whether a `text_key` is that of a protected judged document."""
        return any(key in split.document_keys for split in self.splits)

    def has_text(self, key: bytes) -> bool:
        """Return whether a `text_key` is that of either."""
        return self.is_query(key) or self.is_document(key)


def remove(
    examples: Sequence[Example], protected: Protected
) -> tuple[list[Example], dict[str, Counts]]:
    """Drop what is protected.

    Args:
        examples: of any number of sources.
        protected: what is.

    Returns:
        What is left, in the order given, without protected negatives; and what was dropped of each
        source.

    Raises:
        DataError: nothing is left, for training and evaluation data are the same.
    """
    alike = [_numbered_alike(examples, split) for split in protected.splits]
    dropped: Counter[tuple[str, str]] = Counter()
    examples_left = []
    for place, example in enumerate(examples):
        splits = [s for s, same in zip(protected.splits, alike, strict=True) if same[place]]
        reason = _reason(example, protected, splits)
        if reason is None:
            examples_left.append(_without_protected_negatives(example, protected))
            lost = len(example.negatives) - len(examples_left[-1].negatives)
            dropped[example.source, "protected_negatives"] += lost
        else:
            dropped[example.source, reason] += 1
    if examples and not examples_left:
        raise DataError(_nothing_left(examples, protected))
    sources = dict.fromkeys(example.source for example in examples)
    names = [field.name for field in fields(Counts)]
    return examples_left, {s: Counts(**{name: dropped[s, name] for name in names}) for s in sources}


def _numbered_alike(examples: Sequence[Example], split: ProtectedSplit) -> list[bool]:
    """Return for each example whether its ids mean in a split's collection what they mean here."""
    equal: list[bool | None] = []  # None: the split's collection has no document of that id
    for example in examples:
        text = split.texts.get(example.positive_id) if example.positive_id is not None else None
        equal.append(None if not text else text_key(text) == _whole(example))
    known = Counter(e.source for e, one in zip(examples, equal, strict=True) if one is not None)
    same = Counter(e.source for e, one in zip(examples, equal, strict=True) if one)
    return [
        bool(one) or same[example.source] * 2 > known[example.source]
        for example, one in zip(examples, equal, strict=True)
    ]


def _whole(example: Example) -> bytes:
    return example.origin or text_key(example.positive)


def _reason(example: Example, protected: Protected, splits: Sequence[ProtectedSplit]) -> str | None:
    """Return the count that an example is dropped under; None where it may stay.

    Args:
        example: in question.
        protected: by text.
        splits: those of them whose ids are held against the example's.
    """
    keys = {text_key(example.query), text_key(example.positive), example.origin}
    if any(example.query_id in split.query_ids for split in splits):
        return "protected_queries"
    if any(map(protected.is_query, keys)):
        return "protected_queries"
    if any(example.positive_id in split.document_ids for split in splits):
        return "protected_documents"
    return "protected_documents" if any(map(protected.is_document, keys)) else None


def _without_protected_negatives(example: Example, protected: Protected) -> Example:
    places = [
        place
        for place, text in enumerate(example.negatives)
        if not protected.has_text(text_key(text))
    ]
    if len(places) == len(example.negatives):
        return example
    scores = example.scores and (example.scores[0], *(example.scores[1 + p] for p in places))
    return replace(
        example, negatives=tuple(example.negatives[place] for place in places), scores=scores
    )


def _nothing_left(examples: Sequence[Example], protected: Protected) -> str:
    sources = ", ".join(dict.fromkeys(example.source for example in examples))
    names = ", ".join(record.name for record in protected.records)
    return (
        f"training and evaluation data overlap: each of the {len(examples)} examples of "
        f"train.sources ({sources}) has a query or a document that is judged in {names}; train on "
        "another split (train.sources.NAME.split=train) or another dataset, or evaluate on another"
    )
