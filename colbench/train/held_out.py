"""The development part: queries that are not trained on, and documents to search for them."""

from __future__ import annotations

from collections.abc import Collection as Keys
from collections.abc import Sequence
from dataclasses import replace

from colbench.collection.model import Collection, Document, Query, SelfHits
from colbench.collection.sample import sample_collection
from colbench.collection.settings import SampleSettings
from colbench.config.train import Development
from colbench.errors import DataError
from colbench.train.examples import Example, drawn, text_key
from colbench.train.sources import SourceExamples


def hold_out(
    examples: Sequence[Example],
    sources: Sequence[SourceExamples],
    settings: Development,
    seed: int,
) -> tuple[list[Example], Collection, str]:
    """Split off the development part.

    Args:
        examples: of all sources, nothing protected among them.
        sources: what they are of.
        settings: how many queries and documents, of which source.
        seed: of the draw.

    Returns:
        The examples that are left (none has a query of the part), the part, and its source's name.

    Raises:
        DataError: nothing would be left to train on, or the source has no examples.
    """
    source = _chosen(sources, settings.source)
    own = [example for example in examples if example.source == source.name]
    if not own:
        raise DataError(
            f"train.sources.{source.name} has no example for a development part: set "
            "train.dev.source to another"
        )
    if source.pairs == "judged" and source.collection is not None:
        part = _judged(source.collection, {e.query_id for e in own}, settings, seed)
    else:
        part = _known_items(own, source, settings, seed)
    keys = _keys(part)
    left = [example for example in examples if not _gives_away(example, *keys)]
    if not any(example.source == source.name for example in left):
        raise DataError(
            f"all {len({e.query for e in own})} queries of train.sources.{source.name} would be "
            "held out for development: lower train.dev.queries"
        )
    return left, part, source.name


def _keys(part: Collection) -> tuple[set[bytes], set[bytes]]:
    """Return the text keys of a part's queries and of the documents relevant to them."""
    texts = {document.id: document.text for document in part.documents}
    relevant = {
        text_key(texts[doc_id])
        for grades in part.qrels.values()
        for doc_id, grade in grades.items()
        if grade > 0 and doc_id in texts
    }
    return {text_key(query.text) for query in part.queries}, relevant


def _gives_away(example: Example, queries: set[bytes], relevant: set[bytes]) -> bool:
    """Return whether an example has a query of the part, or is made from a relevant document of it.

    Another judged query may share its document.
    """
    if text_key(example.query) in queries:
        return True
    return example.query_id is None and example.origin in relevant


def _chosen(sources: Sequence[SourceExamples], name: str | None) -> SourceExamples:
    judged = [source for source in sources if source.pairs == "judged"]
    if name is None:
        return (judged or list(sources))[0]
    return next(source for source in sources if source.name == name)


def _judged(
    collection: Collection, query_ids: Keys[str | None], settings: Development, seed: int
) -> Collection:
    """Return a sample of a collection, of queries that may be used."""
    queries = [query for query in collection.queries if query.id in query_ids]
    usable = replace(
        collection,
        queries=queries,
        qrels={query.id: collection.qrels[query.id] for query in queries},
    )
    return sample_collection(
        usable, SampleSettings(docs=settings.documents, queries=settings.queries, seed=seed)
    )


def _known_items(
    examples: Sequence[Example], source: SourceExamples, settings: Development, seed: int
) -> Collection:
    """Return a collection of examples: each positive is a document, relevant to its query."""
    texts = list(dict.fromkeys(example.positive for example in examples))
    number = {text: f"d{place}" for place, text in enumerate(texts)}
    grades: dict[str, dict[str, int]] = {}
    for example in examples:
        grades.setdefault(example.query, {})[number[example.positive]] = 1
    queries = [Query(f"q{place}", text) for place, text in enumerate(grades)]
    whole = Collection(
        name=source.label,
        documents=[Document(doc_id, "", text) for text, doc_id in number.items()],
        queries=queries,
        qrels={query.id: grades[query.text] for query in queries},
        self_hits=SelfHits.KEEP,
    )
    return sample_collection(
        whole, SampleSettings(docs=settings.documents, queries=settings.queries, seed=seed)
    )


def limited(examples: Sequence[Example], limits: dict[str, int | None], seed: int) -> list[Example]:
    """Return the examples of each source up to its limit, drawn."""
    found = []
    for name, limit in limits.items():
        found += drawn([example for example in examples if example.source == name], limit, seed)
    return found
