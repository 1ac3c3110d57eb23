"""What is trained on: a query, a document it should find, and documents it should not."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Example:
    """One training example.

    Attributes:
        query: text.
        positive: text of a relevant document.
        source: name of the source it is from.
        query_id: id in the source's collection; None where it has none.
        positive_id: the same of the document.
        negatives: texts of documents that are not known to be relevant.
        scores: a teacher's scores, of the positive and then of each negative; None without.
        origin: `text_key` of the whole document that the positive is of; None without a document.
    """

    query: str
    positive: str
    source: str
    query_id: str | None = None
    positive_id: str | None = None
    negatives: tuple[str, ...] = ()
    scores: tuple[float, ...] | None = None
    origin: bytes | None = None

    @property
    def documents(self) -> tuple[str, ...]:
        """The positive and the negatives."""
        return (self.positive, *self.negatives)


def text_key(text: str) -> bytes:
    """Return the sha256 of a text without regard to case and white space.

    >>> text_key("A  wing\\n") == text_key("a wing")
    True
    """
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).digest()


def drawn(examples: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """Return so many examples, the same ones for the same seed, in the order given.

    Args:
        examples: to draw from.
        count: how many at most; None returns all.
        seed: of the draw.
    """
    if count is None or count >= len(examples):
        return list(examples)
    places = sorted(random.Random(seed).sample(range(len(examples)), count))
    return [examples[place] for place in places]


def few_queries(examples: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """Return the examples of so many distinct queries of each source, drawn."""
    if count is None:
        return list(examples)
    few: set[tuple[str, str]] = set()
    for source in dict.fromkeys(example.source for example in examples):
        queries = list(dict.fromkeys(e.query for e in examples if e.source == source))
        chosen = random.Random(seed).sample(queries, min(count, len(queries)))
        few |= {(source, query) for query in chosen}
    return [example for example in examples if (example.source, example.query) in few]


def distinct(examples: Sequence[Example]) -> list[Example]:
    """Return each pair of query and positive once, the first one; and its negatives once each."""
    seen: set[tuple[bytes, bytes]] = set()
    unique = []
    for example in examples:
        key = text_key(example.query), text_key(example.positive)
        if key not in seen:
            seen.add(key)
            unique.append(_without_repeats(example))
    return unique


def _without_repeats(example: Example) -> Example:
    """Drop negatives that are the positive or each other, with their scores."""
    seen = {text_key(example.positive)}
    unique = []
    for place, text in enumerate(example.negatives):
        if text_key(text) not in seen:
            seen.add(text_key(text))
            unique.append(place)
    if len(unique) == len(example.negatives):
        return example
    scores = example.scores and (example.scores[0], *(example.scores[1 + p] for p in unique))
    negatives = tuple(example.negatives[place] for place in unique)
    return replace(example, negatives=negatives, scores=scores)
