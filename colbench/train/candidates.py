"""Which of the documents found for a query may be its negatives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from colbench.collection.model import Collection, SelfHits
from colbench.config.train import Negatives
from colbench.retriever.hits import Hits
from colbench.train.examples import Example, text_key
from colbench.train.protect import Protected


class Candidates:
    """Filters what is found in a source's collection.

    Left out are: the positives of all examples with the same query, whatever their source, and the
    documents they were cut from; every document judged relevant (grade above 0) to a query with
    the same text or id; the document that has the query's own text, or its id where the collection
    drops such hits; protected documents and queries; documents with the text of one of these;
    documents without text; of documents with equal text all but the first; and those that score
    too near the positive (`Negatives.margin`).

    A document whose own example has a part cut out for its query is given without that part, too:
    otherwise a whole title would be what tells negatives from positives.

    Args:
        collection: that is searched.
        source: whose it is.
        examples: of all sources.
        settings: skip, depth and margin.
        protected: what evaluation splits judge.
    """

    def __init__(
        self,
        collection: Collection,
        source: str,
        examples: Sequence[Example],
        settings: Negatives,
        protected: Protected,
    ) -> None:
        self._collection = collection
        self._settings = settings
        self._protected = protected
        self._kept_keys: dict[int, frozenset[bytes]] = {}
        self._numbers: dict[str | None, int] = {
            doc_id: number for number, doc_id in enumerate(collection.doc_ids)
        }
        self._relevant: defaultdict[bytes, set[str]] = defaultdict(set)
        for query in collection.queries:
            self._relevant[text_key(query.text)] |= _relevant(collection, query.id)
        self._positives: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for example in examples:
            keys = {text_key(example.positive), example.origin or text_key(example.positive)}
            self._positives[text_key(example.query)] |= keys
        self._cut = {
            example.positive_id: example.positive
            for example in examples
            if example.source == source and example.positive_id is not None
        }

    def of(self, example: Example, hits: Hits) -> tuple[list[str], int]:
        """Return the candidates' texts, best first, and how many were too near the positive.

        Args:
            example: of the source.
            hits: what was found for its query, `skip` + `depth` documents at most.
        """
        bound, seen = self._bound(example, hits), self._excluded(example)
        texts, near = [], 0
        found = zip(hits.docs.tolist(), hits.scores.tolist(), strict=True)
        for rank, (number, score) in enumerate(found):
            text, keys = self._text(number), self._keys(number)
            known = not keys.isdisjoint(seen) or any(map(self._protected.has_text, keys))
            seen |= keys
            if known or not text or rank < self._settings.skip:
                continue
            if score > bound:
                near += 1
            else:
                texts.append(text)
        return texts, near

    def _excluded(self, example: Example) -> set[bytes]:
        """Return the text keys of documents that are no negatives of an example's query."""
        query = text_key(example.query)
        ids = {*self._relevant.get(query, ()), example.positive_id}
        if example.query_id is not None:
            ids |= _relevant(self._collection, example.query_id)
            if self._collection.self_hits is SelfHits.DROP_IDENTICAL_IDS:
                ids.add(example.query_id)
        numbers = [self._numbers[doc_id] for doc_id in ids if doc_id in self._numbers]
        return {query, *self._positives[query]}.union(*map(self._keys, numbers))

    def _bound(self, example: Example, hits: Hits) -> float:
        """Return the highest score a negative may have; infinity where the positive has none."""
        number = self._numbers.get(example.positive_id, -1)
        scores = hits.scores[hits.docs == number]
        if not len(scores):
            return math.inf
        positive = float(scores[0])
        return positive - self._settings.margin * abs(positive)

    def _text(self, number: int) -> str:
        """Return what is given as a negative."""
        return self._cut.get(self._collection.doc_ids[number], self._collection.texts[number])

    def _keys(self, number: int) -> frozenset[bytes]:
        """Return the text keys of a document, whole and as it is given."""
        if number not in self._kept_keys:
            texts = {self._collection.texts[number], self._text(number)}
            self._kept_keys[number] = frozenset(map(text_key, texts))
        return self._kept_keys[number]


def _relevant(collection: Collection, query_id: str) -> set[str]:
    judged = collection.qrels.get(query_id, {})
    return {doc_id for doc_id, grade in judged.items() if grade > 0}
