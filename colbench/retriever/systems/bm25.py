"""BM25 with Lucene's idf, by bm25s: scores are computed when the index is built.

The idf is positive for every term, log(1 + (N - n + ½) / (n + ½)), so that a document never loses
by another occurrence of a query term. Lù, "BM25S: Orders of magnitude faster lexical search via
eager sparse scoring", 2024; Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020, on the variants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colbench.errors import StorageError
from colbench.hits import Hits, top_k
from colbench.retriever.lexical import Lexical


class BM25(Lexical):
    """BM25 with Lucene's idf (bm25s); exactly the documents that share a term with the query."""

    concurrent = True
    _model: Any = None

    def index(self, docs: list[list[int]], vocabulary: Mapping[str, int]) -> None:
        """Score every document for each of its terms, in float32."""
        import bm25s

        model = bm25s.BM25(method="lucene", k1=self.settings.k1, b=self.settings.b)
        model.index((docs, dict(vocabulary)), show_progress=False)
        try:
            model.save(self.folder)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.folder}: {error.strerror or error}; "
                "free some space or choose another folder"
            ) from error
        self._model = model

    def search(self, queries: Sequence[list[str]], k: int) -> list[Hits]:
        """Return the k best documents that share a term with the query."""
        return [self._search(terms, k) for terms in queries]

    def _search(self, terms: list[str], k: int) -> Hits:
        numbers = self._model.get_tokens_ids(terms) if self._model else []
        if not numbers:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        scores = self._model.get_scores_from_ids(numbers)
        docs = np.flatnonzero(scores)  # a term's share is positive: who has none has none of them
        return top_k(docs, scores[docs], k, self.bench.ranks)

    def metadata(self) -> dict[str, Any]:
        """The library that scored."""
        return {"engine": "bm25s"}


SYSTEM = BM25
