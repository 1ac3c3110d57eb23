"""BM25 over stemmed words: Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009.

Two engines share one analyser. rank-bm25 (`BM25Okapi`: Robertson's idf, floored at a quarter of the
mean) walks every document in Python for every query term; bm25s (Lucene's idf) scores from sparse
matrices and takes over above `rank_bm25_limit` documents. The results say which one ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.errors import StorageError
from colbench.files import write_json, write_npy
from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.progress import bar
from colbench.retriever.analysis import Analyser, AnalyserSettings
from colbench.retriever.base import Retriever, SystemSettings, Workbench


class BM25Settings(SystemSettings):
    """Parameters of BM25."""

    k1: float = Field(0.9, ge=0, description="term frequency saturation; 0.9 as Anserini")
    b: float = Field(0.4, ge=0, le=1, description="length normalisation; 0.4 as Anserini")
    engine: Literal["auto", "rank_bm25", "bm25s"] = Field(
        "auto", description="auto takes rank_bm25 up to rank_bm25_limit documents, then bm25s"
    )
    rank_bm25_limit: int = Field(100_000, ge=0, description="documents at which auto changes over")
    analyser: AnalyserSettings = Field(default_factory=AnalyserSettings)


@dataclass(frozen=True)
class _Postings:
    """The documents of each term: those of term number t are `docs[starts[t] : starts[t + 1]]`.

    They decide what is returned, not the sign of the score: Okapi's idf is zero or negative for a
    term of half the documents, and even its floor is where most terms are that frequent.
    """

    vocabulary: Mapping[str, int]
    starts: NDArray[np.int64]
    docs: NDArray[np.int32]
    documents: int

    @classmethod
    def of_terms(
        cls,
        vocabulary: Mapping[str, int],
        numbers: NDArray[np.int32],
        lengths: NDArray[np.int32],
    ) -> _Postings:
        """Invert documents given as term numbers, one after the other, and their lengths."""
        documents = len(lengths)
        of = np.repeat(np.arange(documents), lengths)
        pairs = np.sort(numbers.astype(np.int64) * documents + of)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique hashes: a hundred times slower
        starts = np.searchsorted(pairs, np.arange(len(vocabulary) + 1) * documents)
        return cls(vocabulary, starts, (pairs % documents).astype(np.int32), documents)

    def sharing(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Return the documents that contain at least one of `terms`, ascending."""
        shared = np.zeros(self.documents, dtype=np.bool_)
        for number in {self.vocabulary[term] for term in terms if term in self.vocabulary}:
            shared[self.docs[self.starts[number] : self.starts[number + 1]]] = True
        return np.flatnonzero(shared)


class BM25(Retriever):
    """BM25 by rank-bm25 or bm25s; exactly the documents that share a term with the query."""

    Settings = BM25Settings

    def __init__(self, name: str, settings: BM25Settings, bench: Workbench, folder: Path) -> None:
        super().__init__(name, settings, bench, folder)
        self._analyse = Analyser(settings.analyser)
        small = len(bench.collection.documents) <= settings.rank_bm25_limit
        auto = "rank_bm25" if small else "bm25s"
        self.engine = auto if settings.engine == "auto" else settings.engine
        self._model: Any = None
        self._postings: _Postings | None = None

    def build(self) -> None:
        """Analyse all documents and hand them to the engine."""
        texts = bar(self.bench.collection.texts, description=f"{self.name}: analysing", unit="doc")
        terms = [self._analyse(text) for text in texts]
        if self.engine == "bm25s":
            if any(terms):  # bm25s takes the largest of the term numbers
                self._build_bm25s(terms)
        else:
            self._build_rank_bm25(terms)

    def _build_rank_bm25(self, terms: list[list[str]]) -> None:
        from rank_bm25 import BM25Okapi

        vocabulary: dict[str, int] = {}
        numbers = np.array(
            [vocabulary.setdefault(t, len(vocabulary)) for doc in terms for t in doc], np.int32
        )
        lengths = np.array([len(doc) for doc in terms], np.int32)
        write_json(self.folder / "vocabulary.json", list(vocabulary))
        write_npy(self.folder / "terms.npy", numbers)
        write_npy(self.folder / "lengths.npy", lengths)
        if vocabulary:  # rank-bm25 divides by the mean length and the vocabulary's size
            # k1 = 0 would divide 0 by 0 where a term is absent; 1e-100 gives the same scores.
            self._model = BM25Okapi(terms, k1=max(self.settings.k1, 1e-100), b=self.settings.b)
            self._postings = _Postings.of_terms(vocabulary, numbers, lengths)

    def _build_bm25s(self, terms: list[list[str]]) -> None:
        import bm25s

        self._model = bm25s.BM25(method="lucene", k1=self.settings.k1, b=self.settings.b)
        self._model.index(terms, show_progress=False)
        matrix = self._model.scores
        self._postings = _Postings(
            self._model.vocab_dict, matrix["indptr"], matrix["indices"], len(terms)
        )
        try:
            self._model.save(self.folder)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.folder}: {error.strerror or error}; "
                "free some space or choose another folder"
            ) from error

    def encode(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the terms of each query."""
        return [self._analyse(query) for query in queries]

    def _scores(self, terms: list[str]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # b = 1: 0 / 0 for empty documents, never returned
            return np.asarray(self._model.get_scores(terms), dtype=np.float64)

    def search(self, queries: Sequence[list[str]], k: int) -> list[Hits]:
        """Return the k best documents that share a term with the query."""
        results = []
        for terms in queries:
            docs = self._postings.sharing(terms) if self._postings else np.empty(0, np.int64)
            scores = self._scores(terms)[docs] if len(docs) else np.empty(0)
            results.append(top_k(docs, scores, k, self.bench.ranks))
        return results

    def size(self) -> IndexSize:
        """Bytes of the analysed documents (rank_bm25) or of the score matrix (bm25s)."""
        return IndexSize.of_folder(self.folder)

    def metadata(self) -> dict[str, Any]:
        """Which engine ran."""
        return {"engine": self.engine}


SYSTEM = BM25
