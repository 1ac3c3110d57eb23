"""BM25 over stemmed words: Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009.

Two engines share one analyser. rank-bm25 (`BM25Okapi`: Robertson's idf, floored at a quarter of the
mean) walks every document in Python for every query term; bm25s (Lucene's idf) scores from sparse
matrices and takes over above `rank_bm25_limit` documents. The results say which one ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.files import atomic_write, write_json
from colbench.index.size import IndexSize
from colbench.progress import bar
from colbench.retriever.analysis import Analyser, AnalyserSettings
from colbench.retriever.base import Retriever, SystemSettings, Workbench
from colbench.retriever.hits import Hits, top_k


class BM25Settings(SystemSettings):
    """Parameters of BM25."""

    k1: float = Field(0.9, ge=0, description="term frequency saturation; 0.9 as Anserini")
    b: float = Field(0.4, ge=0, le=1, description="length normalisation; 0.4 as Anserini")
    engine: Literal["auto", "rank_bm25", "bm25s"] = Field(
        "auto", description="auto takes rank_bm25 up to rank_bm25_limit documents, then bm25s"
    )
    rank_bm25_limit: int = Field(100_000, ge=0, description="documents at which auto changes over")
    analyser: AnalyserSettings = Field(default_factory=AnalyserSettings)


class BM25(Retriever):
    """BM25 by rank-bm25 or bm25s; documents that share no term with the query are not returned."""

    Settings = BM25Settings

    def __init__(self, name: str, settings: BM25Settings, bench: Workbench, folder: Path) -> None:
        super().__init__(name, settings, bench, folder)
        self._analyse = Analyser(settings.analyser)
        small = len(bench.collection.documents) <= settings.rank_bm25_limit
        auto = "rank_bm25" if small else "bm25s"
        self.engine = auto if settings.engine == "auto" else settings.engine
        self._model: Any = None

    def build(self) -> None:
        """Analyse all documents and hand them to the engine."""
        texts = bar(self.bench.collection.texts, description=f"{self.name}: analysing", unit="doc")
        terms = [self._analyse(text) for text in texts]
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.engine == "bm25s":
            self._build_bm25s(terms)
        else:
            self._build_rank_bm25(terms)

    def _build_rank_bm25(self, terms: list[list[str]]) -> None:
        from rank_bm25 import BM25Okapi

        vocabulary: dict[str, int] = {}
        numbers = [vocabulary.setdefault(t, len(vocabulary)) for doc in terms for t in doc]
        write_json(self.folder / "vocabulary.json", list(vocabulary))
        with atomic_write(self.folder / "terms.npy", "wb") as stream:
            np.save(stream, np.array(numbers, dtype=np.int32), allow_pickle=False)
        with atomic_write(self.folder / "lengths.npy", "wb") as stream:
            np.save(stream, np.array([len(doc) for doc in terms], np.int32), allow_pickle=False)
        if vocabulary:  # rank-bm25 divides by the mean length and the vocabulary's size
            self._model = BM25Okapi(terms, k1=self.settings.k1, b=self.settings.b)

    def _build_bm25s(self, terms: list[list[str]]) -> None:
        import bm25s

        self._model = bm25s.BM25(method="lucene", k1=self.settings.k1, b=self.settings.b)
        self._model.index(terms, show_progress=False)
        self._model.save(self.folder)

    def encode(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the terms of each query."""
        return [self._analyse(query) for query in queries]

    def _scores(self, terms: list[str]) -> NDArray[np.float64]:
        if self._model is None or not terms:
            return np.zeros(len(self.bench.all_docs))
        return np.asarray(self._model.get_scores(terms), dtype=np.float64)

    def search(self, queries: Sequence[list[str]], k: int) -> list[Hits]:
        """Return the k best documents with a positive score."""
        results = []
        for terms in queries:
            scores = self._scores(terms)
            docs = np.flatnonzero(scores > 0)
            results.append(top_k(docs, scores[docs], k, self.bench.ranks))
        return results

    def size(self) -> IndexSize:
        """Bytes of the analysed documents (rank_bm25) or of the score matrix (bm25s)."""
        return IndexSize.of_folder(self.folder)

    def facts(self) -> dict[str, Any]:
        """Which engine ran."""
        return {"engine": self.engine}


SYSTEM = BM25
