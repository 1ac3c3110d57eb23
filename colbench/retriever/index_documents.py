"""From cached document vectors to what a ColBERT index is built from."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.cache.embeddings import Embeddings
from colbench.index.colbert.documents import Documents

_WORD_STARTS = "Ġ▁"


def skipped_tokens(choice: str) -> frozenset[str]:
    """Return the tokens that `IndexSettings.skip_tokens` leaves out, in lower case.

    >>> "," in skipped_tokens("punctuation"), "the" in skipped_tokens("stopwords")
    (True, True)
    """
    if choice == "none":
        return frozenset()
    from bm25s.stopwords import STOPWORDS_EN

    words = STOPWORDS_EN if choice == "stopwords" else ()
    return frozenset(string.punctuation) | frozenset(words)


def documents_for_index(
    embeddings: Embeddings, ids: Sequence[str], texts: Sequence[str], encoder: Encoder, skip: str
) -> Documents:
    """Wrap cached token vectors, without the tokens to skip.

    Args:
        embeddings: of all documents.
        ids: of the same documents.
        texts: of the same documents.
        encoder: that made them.
        skip: as in `IndexSettings.skip_tokens`.
    """
    if skip == "none":
        return Documents(ids, embeddings.lengths, embeddings.dims, embeddings.blocks)
    kept = _kept_rows(texts, encoder, skipped_tokens(skip))
    starts = np.concatenate([[0], np.cumsum(embeddings.lengths)])
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    lengths = before[starts[1:]] - before[starts[:-1]]

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for first, end, vectors in embeddings.blocks(most):
            yield first, end, vectors[kept[starts[first] : starts[end]]]

    return Documents(ids, lengths, embeddings.dims, read)


def _plain(token: str) -> str:
    return token.lstrip(_WORD_STARTS).lower()


def _kept_rows(
    texts: Sequence[str], encoder: Encoder, skipped: frozenset[str]
) -> NDArray[np.bool_]:
    keep = [
        np.array([_plain(token) not in skipped for token in tokens], dtype=bool)
        for tokens in encoder.document_tokens(texts)
    ]
    return np.concatenate([*keep, np.empty(0, dtype=bool)])
