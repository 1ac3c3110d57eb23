"""BM25 as rank-bm25's `BM25Okapi` scores it, from an inverted index.

Robertson's idf, log((N - n + ½) / (n + ½)), is 0 for a term of half the documents and below 0
beyond; rank-bm25 raises those to a quarter of the mean idf, which is itself negative where most
terms are that frequent: a small collection may rank what matches more below what matches less. The
statistics are rank-bm25's own; its search, which asks every document for every query term in
Python, is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from colbench.files import write_json, write_npy
from colbench.hits import Hits, top_k
from colbench.retriever.lexical import Lexical


class _Postings(NamedTuple):
    """The documents of term t, ascending, and its share of their scores: starts[t] : starts[t+1].

    Shares are float64, as rank-bm25's, and computed in its order of operations.
    """

    vocabulary: Mapping[str, int]
    starts: NDArray[np.int64]
    docs: NDArray[np.int32]
    shares: NDArray[np.float64]
    documents: int

    def scores(self, terms: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the score of every document, and whether it has any of the terms."""
        scores, shared = np.zeros(self.documents), np.zeros(self.documents, np.bool_)
        for term in terms:
            if (number := self.vocabulary.get(term)) is not None:
                here = slice(self.starts[number], self.starts[number + 1])
                docs = self.docs[here]
                scores[docs] += self.shares[here]
                shared[docs] = True
        return scores, shared


class _Statistics(BM25Okapi):  # type: ignore[misc]
    """rank-bm25's idf from document frequencies, without its dictionary of every document."""

    def __init__(self, frequencies: dict[str, int], documents: int, **parameters: float) -> None:
        self._documents = documents
        super().__init__(frequencies, **parameters)

    def _initialize(self, corpus: dict[str, int]) -> dict[str, int]:
        self.corpus_size = self._documents
        return corpus


def invert(
    docs: Sequence[Sequence[int]], vocabulary: Mapping[str, int], *, k1: float, b: float
) -> _Postings:
    """Return the postings of documents given as term numbers, in order of first occurrence.

    Args:
        docs: term numbers of each document, with repetitions.
        vocabulary: term → number, ascending; not empty.
        k1: saturation of term frequencies.
        b: length normalisation.
    """
    lengths = np.array([len(doc) for doc in docs], np.int64)
    numbers = np.fromiter((n for doc in docs for n in doc), np.int64, int(lengths.sum()))
    pairs = np.sort(numbers * len(docs) + np.repeat(np.arange(len(docs)), lengths))
    first = np.flatnonzero(np.diff(pairs, prepend=-1))  # np.unique hashes, which takes longer
    counts = np.diff(first, append=len(pairs))
    terms, of = np.divmod(pairs[first], len(docs))
    starts = np.searchsorted(terms, np.arange(len(vocabulary) + 1))
    frequencies = dict(zip(vocabulary, np.diff(starts).tolist(), strict=True))
    # k1 = 0 would divide 0 by 0 where a term is absent; 1e-100 gives the same scores.
    rank = _Statistics(frequencies, len(docs), k1=max(k1, 1e-100), b=b)
    idf = np.array([rank.idf[term] for term in vocabulary])
    mean = int(lengths.sum()) / len(docs)
    norm = rank.k1 * (1 - rank.b + rank.b * lengths / mean)
    shares = idf[terms] * (counts * (rank.k1 + 1) / (counts + norm[of]))
    return _Postings(vocabulary, starts, of.astype(np.int32), shares, len(docs))


class Okapi(Lexical):
    """BM25 as rank-bm25 scores it; exactly the documents that share a term with the query."""

    concurrent = True
    _postings: _Postings | None = None

    def index(self, docs: list[list[int]], vocabulary: Mapping[str, int]) -> None:
        """Compute each term's share of its documents' scores."""
        postings = invert(docs, vocabulary, k1=self.settings.k1, b=self.settings.b)
        write_json(self.folder / "vocabulary.json", list(vocabulary))
        write_npy(self.folder / "starts.npy", postings.starts)
        write_npy(self.folder / "docs.npy", postings.docs)
        write_npy(self.folder / "shares.npy", postings.shares)
        self._postings = postings

    def search(self, queries: Sequence[list[str]], k: int) -> list[Hits]:
        """Return the k best documents that share a term with the query."""
        return [self._search(terms, k) for terms in queries]

    def _search(self, terms: list[str], k: int) -> Hits:
        if self._postings is None:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        scores, shared = self._postings.scores(terms)
        docs = np.flatnonzero(shared)  # not by the sign: a share may be 0 or negative
        return top_k(docs, scores[docs], k, self.bench.ranks)

    def metadata(self) -> dict[str, Any]:
        """The library whose statistics these are."""
        return {"engine": "rank_bm25"}


SYSTEM = Okapi
