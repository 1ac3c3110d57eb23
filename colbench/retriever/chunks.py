"""What is embedded in place of documents: chunks of them, and the way back.

A document scores as its best chunk (MaxP: Dai and Callan, "Deeper Text Understanding for
IR with Contextual Neural Language Modeling", SIGIR 2019). Systems index and score chunks, which
have numbers of their own; `best_chunks` turns them into documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.encoder.base import Encoder
from colbench.encoder.settings import EncoderSettings
from colbench.hits import Hits, top_k


@dataclass(frozen=True)
class Chunks:
    """The chunks of a collection, in the order of its documents.

    Attributes:
        texts: one per chunk.
        ids: one per chunk, each once.
        owners: int64 (chunks,), document number of each chunk, not descending, and every document
            has one at least; None where each document is one chunk, whole.
    """

    texts: Sequence[str]
    ids: Sequence[str]
    owners: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, collection: Collection, encoder: Encoder, settings: EncoderSettings) -> Chunks:
        """Split the documents, where the settings say so and some are too long for the encoder.

        Raises:
            ConfigError: they cannot be split with these settings.
        """
        whole = cls(collection.texts, collection.doc_ids)
        if settings.long_documents == "truncate":
            return whole
        split = encoder.split(collection.texts)
        counts = np.array([len(chunks) for chunks in split], dtype=np.int64)
        if (counts == 1).all():
            return whole
        texts = [chunk for chunks in split for chunk in chunks]
        # Unique whatever the ids are: what follows the last # of every one of them is the number.
        ids = [
            f"{doc}#{number}"
            for doc, count in zip(collection.doc_ids, counts.tolist(), strict=True)
            for number in range(1, count + 1)
        ]
        return cls(texts, ids, np.repeat(np.arange(len(counts), dtype=np.int64), counts))

    def __len__(self) -> int:
        return len(self.texts)

    def depth(self, documents: int) -> int:
        """Return how many chunks to ask for first, where so many documents are wanted."""
        if self.owners is None or not len(self):
            return documents
        return min(-(-documents * len(self) // self._documents), len(self))

    @cached_property
    def _documents(self) -> int:
        return 0 if self.owners is None or not len(self) else int(self.owners.max()) + 1

    def of_documents(self, docs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the chunks of some documents, in the order given.

        Returns:
            (chunks, starts): int64 numbers, and int64 (docs,), the place of each document's first.
        """
        if self.owners is None:
            return docs, np.arange(len(docs), dtype=np.int64)
        first = np.searchsorted(self.owners, docs)
        counts = np.searchsorted(self.owners, docs, side="right") - first
        starts = np.cumsum(counts) - counts
        return np.arange(counts.sum()) + np.repeat(first - starts, counts), starts


def best_chunks(
    chunks: NDArray[np.int64],
    scores: NDArray[np.floating],
    k: int,
    owners: NDArray[np.int64] | None,
    ranks: NDArray[np.int64],
) -> Hits:
    """Return the k best documents by their best chunks (MaxP); ties as in `top_k`.

    Args:
        chunks: int64 numbers, each at most once, in any order.
        scores: theirs; NaN is refused.
        k: how many documents to keep at most.
        owners: as of `Chunks`.
        ranks: `tie_ranks` of the documents.

    Raises:
        ValueError: a score is NaN.

    >>> owners, ranks = np.array([0, 0, 1]), np.array([1, 0])
    >>> found = best_chunks(np.array([2, 0, 1]), np.array([2.0, 3.0, 1.0]), 2, owners, ranks)
    >>> found.docs.tolist(), found.scores.tolist()
    ([0, 1], [3.0, 2.0])
    """
    if owners is None:
        return top_k(chunks, scores, k, ranks)
    docs = owners[chunks]
    order = np.argsort(docs, kind="stable")  # linear where they ascend, as after a scan
    docs = docs[order]
    firsts = np.flatnonzero(np.diff(docs, prepend=-1))
    best = np.maximum.reduceat(scores.astype(np.float32)[order], firsts)
    return top_k(docs[firsts], best, k, ranks)
