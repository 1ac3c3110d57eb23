"""Documents into and out of a ColBERT index, whether it holds documents or chunks of them."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.cache.embeddings import Embeddings
from colbench.errors import DataError
from colbench.hits import Hits
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher, Trace
from colbench.index.colbert.stages import PreparedQuery
from colbench.retriever.chunks import Chunks, best_chunks
from colbench.vectors import Vectors

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
    mask = kept_tokens(texts, encoder, skip)
    starts = np.concatenate([[0], np.cumsum(embeddings.lengths)])
    before = np.concatenate([[0], np.cumsum(mask)]).astype(np.int64)
    lengths = before[starts[1:]] - before[starts[:-1]]

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for first, end, vectors in embeddings.blocks(most):
            yield first, end, vectors[mask[starts[first] : starts[end]]]

    return Documents(ids, lengths, embeddings.dims, read)


def holds_exactly(index: ColbertIndex, ids: Sequence[str]) -> bool:
    """Return whether an index holds these documents, in this order, and no others."""
    if index.live_documents != index.documents or index.documents != len(ids):
        return False
    stored = chain.from_iterable(segment.ids for segment in index.segments)
    return all(map(eq, stored, ids))


def chunks_of_index(index: ColbertIndex, chunks: Chunks, ids: Sequence[str]) -> Chunks:
    """Return what an index holds of a collection, by the numbers that it has in the index.

    Documents may stand in any order, and deleted ones among them. Their names are those of the
    collection, or with `#` and the number of the chunk behind them, as an application has them.

    Args:
        index: that was given.
        chunks: of the collection, as the encoder splits it.
        ids: of its documents.

    Raises:
        DataError: the index lacks a document or a chunk, or has one more.
    """
    numbers = {doc: number for number, doc in enumerate(ids)}
    counts = np.zeros(len(ids), dtype=np.int64)
    owners = np.zeros(index.documents, dtype=np.int64)
    for doc, place in index.numbers.items():
        owner = numbers.get(doc)
        if owner is None:
            owner = numbers.get(doc.rpartition("#")[0])
        if owner is None:
            raise DataError(
                f"the index in {index.folder} has a document {doc!r} that the collection lacks: "
                "measure it on the collection that it was made of"
            )
        owners[place] = owner
        counts[owner] += 1
    wanted = np.ones(len(ids), dtype=np.int64)
    if chunks.owners is not None:
        wanted = np.bincount(chunks.owners, minlength=len(ids))
    if (wrong := np.flatnonzero(counts != wanted)).size:
        doc = ids[int(wrong[0])]
        raise DataError(
            f"the index in {index.folder} has {counts[wrong[0]]} chunks of document {doc!r}, the "
            f"collection {wanted[wrong[0]]}: set encoder.long_documents and document_length as "
            "they were when it was made, and the collection that it was made of"
        )
    names = range(index.documents)
    return Chunks(names, names, owners)  # type: ignore[arg-type]


def _plain(token: str) -> str:
    return token.lstrip(_WORD_STARTS).lower()


def kept_tokens(texts: Sequence[str], encoder: Encoder, skip: str) -> NDArray[np.bool_]:
    """Return which token vectors of texts are indexed, bool (tokens of all texts,).

    Args:
        texts: of documents.
        encoder: that makes the vectors.
        skip: as in `IndexSettings.skip_tokens`.
    """
    skipped = skipped_tokens(skip)
    keep = [
        np.array([_plain(token) not in skipped for token in tokens], dtype=bool)
        for tokens in encoder.document_tokens(texts)
    ]
    return np.concatenate([*keep, np.empty(0, dtype=bool)])


@dataclass(frozen=True)
class DocumentSearch:
    """A searcher, with the chunks that its index holds.

    Where documents are split, all chunks that reach the last stage count for their documents, and
    `ndocs` is a number of chunks. Without `ndocs` more chunks are kept, twice as many each time,
    until they are of as many documents as are wanted.

    Attributes:
        searcher: over the index.
        chunks: in the order of the index.
        ranks: `tie_ranks` of the documents.
    """

    searcher: Searcher
    chunks: Chunks
    ranks: NDArray[np.int64]

    def search(self, query: Vectors, k: int) -> Hits:
        """Return the k best documents, of those whose residuals are read."""
        if self.chunks.owners is None:
            return self.searcher.search(query, k)
        prepared = self.searcher.stages.prepare(query)
        if self.searcher.settings.exhaustive:
            return self._scored(prepared, self.searcher.stages.everything(), k)
        left, _ = self._survivors(prepared, k)
        return self._scored(prepared, left, k)

    def cut_off(self, stage: str, query: Vectors, k: int) -> Hits:
        """Return the k best documents by stored vectors, of those left after a stage.

        Args:
            stage: compressed (all are), candidates or pruned.
            query: float32 (tokens, dims).
            k: documents wanted.
        """
        stages, settings = self.searcher.stages, self.searcher.settings
        prepared = stages.prepare(query)
        if stage == "compressed":
            return self._scored(prepared, stages.everything(), k)
        left = stages.candidates(stages.probe(prepared, settings.nprobe))
        if stage == "pruned":
            _, depth = self._survivors(prepared, k)
            left = stages.prune(
                prepared, left, settings.centroid_score_threshold, settings.kept(depth)
            )
        return self._scored(prepared, left, k)

    def _survivors(self, query: PreparedQuery, k: int) -> tuple[NDArray[np.int64], int]:
        """Return what reaches the last stage, and how much was asked of the index for that."""
        owners, settings = self.chunks.owners, self.searcher.settings
        depth = self.chunks.depth(k)
        while True:
            left = self.searcher.survivors(query, depth, Trace())
            if owners is None or settings.ndocs is not None:
                return left, depth
            all_left = len(left) < settings.kept(depth) // 4
            if all_left or len(np.unique(owners[left])) >= k:
                return left, depth
            depth *= 2

    def _scored(self, query: PreparedQuery, left: NDArray[np.int64], k: int) -> Hits:
        scores = self.searcher.stages.score(query, left, self.searcher.settings.arithmetic)
        if self.chunks.owners is None:
            return self.searcher.rank(left, scores, k)
        return best_chunks(left, scores, k, self.chunks.owners, self.ranks)
