"""What lexical systems share: an analyser, the vocabulary of a collection, notes on what was lost.

BM25 is of Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from pydantic import Field

from colbench.index.size import IndexSize
from colbench.progress import bar
from colbench.retriever.analysis import Analyser, AnalyserSettings
from colbench.retriever.analysis_notes import query_notes, text_notes
from colbench.retriever.base import Retriever, SystemSettings, Workbench


class LexicalSettings(SystemSettings):
    """Parameters of BM25, whoever computes it."""

    k1: float = Field(0.9, ge=0, description="term frequency saturation; 0.9 as Anserini")
    b: float = Field(0.4, ge=0, le=1, description="length normalisation; 0.4 as Anserini")
    analyser: AnalyserSettings = Field(default_factory=AnalyserSettings)

    def reads_texts(self) -> bool:
        """Terms are of texts."""
        return True


class Lexical(Retriever):
    """Documents and queries as terms; exactly the documents that share one with the query."""

    Settings = LexicalSettings

    def __init__(
        self, name: str, settings: LexicalSettings, bench: Workbench, folder: Path
    ) -> None:
        super().__init__(name, settings, bench, folder)
        self._analyse = Analyser(settings.analyser)

    @abstractmethod
    def index(self, docs: list[list[int]], vocabulary: Mapping[str, int]) -> None:
        """Index documents given as term numbers; there is at least one term."""

    def build(self) -> None:
        """Analyse all documents and index them; terms are numbered as they first occur."""
        texts = bar(self.bench.collection.texts, description=f"{self.name}: analysing", unit="doc")
        vocabulary: dict[str, int] = {}
        docs = [
            [vocabulary.setdefault(term, len(vocabulary)) for term in self._analyse(text)]
            for text in texts
        ]
        if vocabulary:  # engines divide by the mean length
            self.index(docs, vocabulary)

    def encode(self, queries: Sequence[str]) -> list[list[str]]:
        """Return the terms of each query."""
        return [self._analyse(query) for query in queries]

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Queries without terms, words left out, and a stemmer of another script."""
        settings, texts = self.settings.analyser, self.bench.collection.texts
        found = chain(
            query_notes(self._analyse, settings, queries),
            text_notes(settings, chain(queries, texts)),
        )
        return [f"{self.name}: {note}" for note in found]

    def size(self) -> IndexSize:
        """Bytes of the index."""
        return IndexSize.of_folder(self.folder)
