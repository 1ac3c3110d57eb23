"""Hard negatives: documents a system finds for a query that are not known to be relevant to it.

Judgments are sparse: of the passages of MS MARCO found first and not judged, 70 % of those looked
at were relevant (RocketQA, Qu et al. 2021, arXiv 2010.08191). Documents that score above
`positive − margin · |positive|` are therefore left out, the rule of NV-Retriever (Moreira et al.
2024, arXiv 2407.15831) with a bound that also holds for negative scores. A positive that is not
among the documents searched gives no bound. All found documents outscore it then, which says that
the system is wrong about this query rather than that they are all relevant: nothing is left out.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from colbench.collection.model import Collection
from colbench.config.settings import RunSettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.files import ensure_writable
from colbench.hits import Hits
from colbench.progress import bar
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system
from colbench.timing import Stopwatch
from colbench.train.examples import Example, text_key
from colbench.train.protect import Protected
from colbench.train.record import MiningReport
from colbench.train.settings import Negatives


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
        scored = zip(hits.docs.tolist(), hits.scores.tolist(), strict=True)
        for rank, (number, score) in enumerate(scored):
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
            if self._collection.ignore_identical_ids:
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


_BLOCK = 64
"""Queries searched together: their hits are in memory at once."""

Benches = Callable[[Collection], Workbench]
"""Sets up what a system needs to search a collection."""


def workbenches(run: RunSettings, system: str, folder: Path, cache: EmbeddingCache) -> Benches:
    """Return what sets up workbenches for one of the run's systems.

    Args:
        run: its settings.
        system: name of the system.
        folder: for indexes, one subfolder a bench; whoever gives it removes it.
        cache: of document vectors.

    Raises:
        ConfigError: an unknown system, or an unknown key in it or in one it is made of.
    """
    systems = run.system.with_parts([system])

    def bench(collection: Collection) -> Workbench:
        ensure_writable(folder)
        return Workbench(
            collection=collection,
            folder=Path(tempfile.mkdtemp(dir=folder)),
            cache=cache,
            systems=systems,
            memory_bytes=int(run.memory_gb * 1e9),
            device=run.device,
        )

    return bench


def mine(
    examples: Sequence[Example],
    collections: Mapping[str, Collection],
    settings: Negatives,
    protected: Protected,
    benches: Benches,
    seed: int,
) -> tuple[list[Example], MiningReport]:
    """Give negatives to the examples that have none and whose source has documents.

    Args:
        examples: of all sources: a positive of any of them is no negative of the same query.
        collections: source → the collection its examples are of; none for a file.
        settings: which system, and what of it.
        protected: no document that is judged there becomes a negative.
        benches: sets up a workbench for a collection.
        seed: of the draw; what an example is given depends on no other example of its source
            but those with the same query.

    Returns:
        The examples in the order given, negatives in the order of their ranks; some may have fewer
        than asked for, or none.

    Raises:
        ConfigError: no such system.
        WeightsUnavailable: weights of the system cannot be had.
    """
    watch = Stopwatch()
    result = list(examples)
    given, left_out, short = 0, 0, 0
    places = _places(examples, collections)
    for source, of_query in places.items():
        candidates = Candidates(collections[source], source, examples, settings, protected)
        bench = benches(collections[source])
        for query, hits in _searched(settings, bench, list(of_query), source):
            for place in of_query[query]:
                texts, near = candidates.of(examples[place], hits)
                chosen = _drawn(texts, settings.count, examples[place], seed)
                result[place] = replace(examples[place], negatives=chosen)
                left_out += near
                given += len(chosen)
                short += len(chosen) < settings.count
    mined = [result[p] for of_query in places.values() for ps in of_query.values() for p in ps]
    return result, MiningReport(
        system=settings.system,
        examples=sum(bool(example.negatives) for example in mined),
        negatives=given,
        left_out=left_out,
        short=short,
        seconds=watch.seconds,
    )


def _places(
    examples: Sequence[Example], collections: Mapping[str, Collection]
) -> dict[str, dict[str, list[int]]]:
    """Return source → query → places of the examples that want negatives."""
    places: dict[str, dict[str, list[int]]] = {}
    for place, example in enumerate(examples):
        if example.source in collections and not example.negatives:
            of_query = places.setdefault(example.source, {})
            of_query.setdefault(example.query, []).append(place)
    return places


def _searched(
    settings: Negatives, bench: Workbench, queries: Sequence[str], source: str
) -> Iterator[tuple[str, Hits]]:
    """Build the system and yield what it finds for each query."""
    depth = min(settings.skip + settings.depth, len(bench.collection.documents))
    system = make_system(settings.system, bench)
    system.prepare()
    system.build()
    description = f"{settings.system}: negatives of {source}"
    with bar(total=len(queries), description=description, unit="query") as progress:
        for start in range(0, len(queries), _BLOCK):
            block = queries[start : start + _BLOCK]
            yield from zip(block, system.search(system.encode(block), depth), strict=True)
            progress.update(len(block))


def _drawn(texts: Sequence[str], count: int, example: Example, seed: int) -> tuple[str, ...]:
    """Draw from the candidates, by seed and example alone, in the order of their ranks."""
    # A string seeds by its sha512, alike everywhere.
    draw = random.Random(f"{seed}\n{example.source}\n{example.query}\n{example.positive}")
    places = draw.sample(range(len(texts)), min(count, len(texts)))
    return tuple(texts[place] for place in sorted(places))
