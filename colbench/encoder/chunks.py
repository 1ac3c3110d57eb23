"""Splitting texts into chunks that a model reads in full.

Every chunk is a slice of its text and shares its first tokens with the end of the chunk before it.
Cuts fall between words, as the tokenizer sees words; a word is cut only where it is longer than a
chunk by itself. What a slice is as tokens can differ at its edges from what it was within its text,
so chunks are planned with the tokens of the whole text and then counted as the model counts them;
a text with a chunk that turned out too long is planned again, each end counted before it is taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError

Count = Callable[[Sequence[str]], NDArray[np.int64]]
_BATCH = 256
_COUNTED = 4096


Span = tuple[int, int]
"""Where a chunk begins and ends in its text, in characters."""


def split_texts(
    texts: Sequence[str], *, tokenizer: Any, count: Count, limit: int, overlap: int, name: str
) -> list[list[Span]]:
    """Return where the chunks of each text lie, in order; a text within the limit is one, whole.

    A single character that is more tokens than fit is a chunk all the same.

    Args:
        texts: document texts.
        tokenizer: a fast tokenizer of transformers.
        count: returns how many tokens the model sees of each text, its markers and prompt included.
        limit: most tokens of a chunk, counted like that.
        overlap: tokens that a chunk shares with the one before, rounded up to whole words; fewer
            where the word that follows would not fit any more.
        name: of the encoder, for messages.

    Raises:
        ConfigError: the tokenizer does not say where in a text a token stands, or the overlap is
            half a chunk or more.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            f"encoder {name!r}: long_documents=chunk needs a fast tokenizer, which this model does "
            "not have: set long_documents=truncate"
        )
    room = limit - int(count([""])[0])
    if 2 * overlap >= room:
        raise ConfigError(
            f"encoder {name!r}: chunk_overlap={overlap} must be less than half of the "
            f"{max(room, 0)} tokens of text that fit with document_length={limit}"
        )
    result = [[(0, len(text))] for text in texts]
    parts = (texts[first : first + _COUNTED] for first in range(0, len(texts), _COUNTED))
    counts = np.concatenate([np.empty(0, np.int64), *(count(part) for part in parts)])
    long = np.flatnonzero(counts > limit).tolist()
    for first in range(0, len(long), _BATCH):
        numbers = long[first : first + _BATCH]
        batch = _tokenised(tokenizer, [texts[number] for number in numbers], room)
        planned = [list(text.chunks(overlap, lambda _: True)) for text in batch]
        slices = [
            text.text[start:end]
            for text, spans in zip(batch, planned, strict=True)
            for start, end in spans
        ]
        sizes = iter(count(slices).tolist())
        for number, text, spans in zip(numbers, batch, planned, strict=True):
            if max([next(sizes) for _ in spans]) > limit:
                spans = list(text.chunks(overlap, lambda chunk: int(count([chunk])[0]) <= limit))
            result[number] = spans
    return result


@dataclass(frozen=True)
class _Text:
    """A text with its tokens.

    Attributes:
        text: the characters.
        ends: where each token ends, ascending; the last is the end of the text.
        cuts: whether a chunk may end after each token.
        room: tokens of a chunk.
    """

    text: str
    ends: list[int]
    cuts: list[bool]
    room: int

    def chunks(self, overlap: int, fits: Callable[[str], bool]) -> Iterator[Span]:
        """Yield where chunks lie: each reaches further into the text than the one before."""
        start, end = 0, self._furthest(0, fits)
        yield start, end
        while end < len(self.text):
            start, end = self._next(start, end, overlap, fits)
            yield start, end

    def _next(
        self, start: int, end: int, overlap: int, fits: Callable[[str], bool]
    ) -> tuple[int, int]:
        """Return the chunk after [start, end): with all of the overlap, or as much as leaves room
        for a word that is new."""
        following = bisect_right(self.ends, end)
        begins = [
            token
            for token in range(bisect_right(self.ends, start) + 1, following)
            if self.cuts[token - 1]
        ]
        enough = bisect_right(begins, following - overlap) - 1
        for token in begins[max(enough, 0) :] if overlap else ():
            begin = self.ends[token - 1]
            reached = self._end(begin, end, fits)
            if reached is not None:
                return begin, reached
        return end, self._furthest(end, fits)

    def _end(self, start: int, after: int, fits: Callable[[str], bool]) -> int | None:
        """Return the furthest cut beyond `after` to which a chunk from `start` can reach."""
        first = bisect_right(self.ends, start)
        for token in range(min(first + self.room, len(self.ends)) - 1, first - 1, -1):
            if self.ends[token] <= after:
                return None
            if self.cuts[token] and fits(self.text[start : self.ends[token]]):
                return self.ends[token]
        return None

    def _furthest(self, start: int, fits: Callable[[str], bool]) -> int:
        """Return the end of a chunk that shares nothing: within a word, if it must be."""
        end = self._end(start, start, fits)
        if end is not None:
            return end
        first = bisect_right(self.ends, start)
        for token in range(min(first + self.room, len(self.ends)) - 1, first - 1, -1):
            if fits(self.text[start : self.ends[token]]):
                return self.ends[token]
        length = self.ends[first] - start
        while length > 1 and not fits(self.text[start : start + length]):
            length //= 2
        return start + max(length, 1)


def _tokenised(tokenizer: Any, texts: Sequence[str], room: int) -> list[_Text]:
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        return_offsets_mapping=True,
        truncation=False,
        padding=False,
        verbose=False,
    )
    offsets = encoded["offset_mapping"]
    return [_text(text, offsets[i], encoded.word_ids(i), room) for i, text in enumerate(texts)]


def _text(
    text: str, offsets: Sequence[tuple[int, int]], words: Sequence[int | None], room: int
) -> _Text:
    """Find the places where a text may be cut."""
    ends = np.maximum.accumulate([end for _, end in offsets] or [0])
    ends[-1] = len(text)
    inside: list[bool] = []
    for _, group in groupby(words):
        size = len(list(group))
        inside += [size > room] * (size - 1) + [True]
    # One character can be several tokens, all with its offsets: no cut falls between them.
    apart = np.append(ends[1:] > ends[:-1], True)
    cuts = np.array(inside or [True], dtype=bool) & apart
    return _Text(text, ends.tolist(), cuts.tolist(), room)
