"""What an application gets back."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colbench.explain.alignment import Alignment

Metadata = dict[str, Any]
"""Field → string, number, boolean, date or datetime, list of strings, or None."""


@dataclass(frozen=True)
class Passage:
    """A part of a document that the model reads whole.

    Attributes:
        number: its place among the passages of its document, from 1.
        count: passages of the document.
        start: where it begins in the text of the document, in characters.
        end: where it ends.
        text: of the passage alone.
    """

    number: int
    count: int
    start: int
    end: int
    text: str = field(repr=False)


@dataclass(frozen=True)
class Document:
    """A document as it was given.

    Attributes:
        id: by which it is updated and deleted.
        text: the whole of it.
        metadata: fields and values.
        passages: what of it was encoded, in order.
    """

    id: str
    text: str
    metadata: Metadata
    passages: tuple[Passage, ...] = field(repr=False)


@dataclass(frozen=True)
class Result:
    """A document that was found.

    Attributes:
        rank: from 1.
        score: MaxSim of its best passage; of a fused search, the sum of reciprocal ranks.
        id: of the document.
        text: the whole document.
        metadata: its fields and values.
        passage: the best of its passages, and where it lies in the text.
        index: name of the index that it is of, in a search of several; else None.
        alignment: which token of the passage each query token matched, where it was asked for.
    """

    rank: int
    score: float
    id: str
    text: str
    metadata: Metadata
    passage: Passage
    index: str | None = None
    alignment: Alignment | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Version:
    """A commit that is kept.

    Attributes:
        number: counts commits from 1.
        documents: that a search of it finds.
        name: that was given to it, or None.
        committed: when it was, in UTC.
    """

    number: int
    documents: int
    name: str | None
    committed: datetime.datetime


def passages_of(text: str, spans: list[tuple[int, int]]) -> tuple[Passage, ...]:
    """Return the passages that lie at these places of a text.

    >>> [passage.text for passage in passages_of("one two three", [(0, 7), (4, 13)])]
    ['one two', 'two three']
    """
    return tuple(
        Passage(number, len(spans), start, end, text[start:end])
        for number, (start, end) in enumerate(spans, start=1)
    )
