"""BM25 as Anserini measures it: the reference that published figures are of.

Anserini indexes the collection with Lucene and searches it, inside this process, in the steps of
its own commands: `IndexCollection` with `BeirFlatCollection` or `BeirMultifieldCollection`, then
`SearchCollection -bm25`. Measured are the analysis of a query (`encode`) and Lucene's search for
it, as far as the documents' numbers (`search`).

Its scores are Anserini's, to the digit: rounded to four decimals, with ties in the order of their
ids, each a millionth below the last. Lin & Yang, "The Impact of Score Ties on Repeatability in
Document Ranking", 2019.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.errors import ColbenchError, ConfigError, StorageError, did_you_mean
from colbench.files import atomic_write
from colbench.hits import Hits, top_k
from colbench.index.size import IndexSize
from colbench.paths import remove_made
from colbench.retriever.anserini import languages, look_for_anserini, silence, start_java, version
from colbench.retriever.base import Retriever, SystemSettings, Workbench

_COLLECTIONS = {"joined": "BeirFlatCollection", "apart": "BeirMultifieldCollection"}


class BM25LuceneSettings(SystemSettings):
    """Parameters of Anserini's BM25."""

    k1: float = Field(0.9, ge=0, description="term frequency saturation; 0.9 as Anserini")
    b: float = Field(0.4, ge=0, le=1, description="length normalisation; 0.4 as Anserini")
    fields: Literal["joined", "apart"] = Field(
        "joined",
        description="title and text joined (Anserini's flat), or apart, each with a score of its "
        "own that are added (multifield)",
    )
    language: str = Field(
        "en", description="language of Lucene's analyser: ar, de, en, fr, hi, ja, ru, zh, …"
    )

    def look_for_packages(self) -> None:
        """Look for Java and Anserini.

        Raises:
            PackagesUnavailable: they are not installed.
        """
        look_for_anserini()

    def reads_texts(self) -> bool:
        """Terms are of texts."""
        return True


class BM25Lucene(Retriever):
    """BM25 of Anserini, whose index and search are Lucene's."""

    Settings = BM25LuceneSettings
    concurrent = True

    def __init__(
        self, name: str, settings: BM25LuceneSettings, bench: Workbench, folder: Path
    ) -> None:
        super().__init__(name, settings, bench, folder)
        # Anserini orders ties by id, ascending. Ids may hold anything, so it is given numbers in
        # that order instead, all of one length.
        documents = len(bench.collection.documents)
        self._by_number = np.argsort(-bench.ranks)  # place among the sorted ids → document
        self._digits = len(str(documents))
        self._dropped = 0
        self._java: Any = None

    def prepare(self) -> None:
        """Start Java, and look for the analyser.

        Raises:
            PackagesUnavailable: Java or Anserini is not installed.
            ConfigError: Anserini has no analyser of that language.
        """
        self._java = start_java(self.bench.memory_bytes)
        known = languages(self._java)
        if self.settings.language not in known:
            raise ConfigError(
                f"system.{self.name}.language: Anserini has no analyser of "
                f"'{self.settings.language}': {did_you_mean(self.settings.language, known)}"
            )

    def build(self) -> None:
        """Write the documents as Anserini reads them, and let it index them.

        Raises:
            StorageError: the index cannot be written.
        """
        if self._java is None:
            self.prepare()
        corpus, index = self.folder / "corpus", self.folder / "index"
        remove_made(self.folder, inside=self.folder.parent)
        with atomic_write(corpus / "documents.jsonl") as stream:
            stream.writelines(self._lines())
        with self._answering("indexing"):
            self._index(corpus, index)
            self._open(index)
        remove_made(corpus, inside=self.folder)

    def _lines(self) -> Iterator[str]:
        """Yield the documents, in the order of their ids, one JSON object a line."""
        documents = self.bench.collection.documents
        for number, document in enumerate(self._by_number.tolist()):
            yield (
                json.dumps(
                    {
                        "_id": f"{number:0{self._digits}}",
                        "title": documents[document].title,
                        "text": documents[document].body,
                    }
                )
                + "\n"
            )

    def _index(self, corpus: Path, index: Path) -> None:
        """Do what Anserini's command `IndexCollection` does; one thread makes one segment."""
        arguments = self._java.JClass("io.anserini.index.IndexCollection$Args")()
        arguments.collectionClass = _COLLECTIONS[self.settings.fields]
        arguments.generatorClass = "DefaultLuceneDocumentGenerator"
        arguments.input, arguments.index = str(corpus), str(index)
        arguments.language = self.settings.language
        arguments.threads, arguments.optimize, arguments.quiet = 1, True, True
        arguments.memoryBuffer = max(self.bench.memory_bytes // 4 // 2**20, 16)
        if self.settings.fields == "apart":
            arguments.fields = ["title"]
        indexer = self._java.JClass("io.anserini.index.IndexCollection")(arguments)
        silence(self._java)
        indexer.run()
        self._check(indexer.getCounters(), index)

    def _check(self, counters: Any, index: Path) -> None:
        """Look whether all documents are in the index: Anserini logs what went wrong and ends."""
        if not any(index.glob("segments*")):
            raise StorageError(
                f"cannot write {index}: Lucene stopped; free some space or choose another folder"
            )
        documents = len(self.bench.collection.documents)
        seen = int(counters.indexed.get()) + int(counters.empty.get())
        if seen != documents:
            raise ColbenchError(f"{self.name}: Anserini took {seen} of {documents} documents")

    def _open(self, index: Path) -> None:
        """Open the index for searching, as Anserini's `SearchCollection` does."""
        java = self._java.JClass
        searcher = java("io.anserini.search.SimpleSearcher")(str(index))
        searcher.set_language(self.settings.language)
        self._analyzer = searcher.get_analyzer()
        searcher.close()
        folder = java("org.apache.lucene.store.FSDirectory").open(
            java("java.nio.file.Path").of(str(index))
        )
        reader = java("org.apache.lucene.index.DirectoryReader").open(folder)
        self._dropped = len(self.bench.collection.documents) - int(reader.numDocs())
        self._searcher = java("org.apache.lucene.search.IndexSearcher")(reader)
        self._searcher.setSimilarity(
            java("org.apache.lucene.search.similarities.BM25Similarity")(
                self._java.JFloat(self.settings.k1), self._java.JFloat(self.settings.b)
            )
        )
        self._order = java("io.anserini.search.SearchCollection").BREAK_SCORE_TIES_BY_DOCID
        self._documents = self._by_number[self._stored_numbers(reader)]
        self._read = _Reader(self._java)
        self._query = java("io.anserini.search.query.BagOfWordsQueryGenerator")().buildQuery
        self._searched: Any = "contents"
        if self.settings.fields == "apart":
            weight = java("java.lang.Float").valueOf(self._java.JFloat(1))
            self._searched = java("java.util.HashMap")()
            self._searched.put("contents", weight)
            self._searched.put("title", weight)

    def encode(self, queries: Sequence[str]) -> list[Any]:
        """Return Lucene's query of each text."""
        with self._answering("reading the queries"):
            return [self._query(self._searched, self._analyzer, query) for query in queries]

    def search(self, queries: Sequence[Any], k: int) -> list[Hits]:
        """Return the k best documents of each query, as Anserini scores them."""
        with self._answering("searching"):
            return [self._search(query, k) for query in queries]

    def _search(self, query: Any, k: int) -> Hits:
        found, scores = self._read(self._searcher.search(query, k, self._order, True))
        return top_k(self._documents[found], scores, k, self.bench.ranks)

    def _stored_numbers(self, reader: Any) -> NDArray[np.int64]:
        """Return the id of every document of the index: Lucene may merge in another order."""
        numbers = np.empty(int(reader.maxDoc()), dtype=np.int64)
        for leaf in reader.leaves():
            stored = leaf.reader().getBinaryDocValues("id")
            for document in range(int(leaf.reader().maxDoc())):
                stored.advanceExact(document)
                numbers[leaf.docBase + document] = int(str(stored.binaryValue().utf8ToString()))
        return numbers

    @contextmanager
    def _answering(self, doing: str) -> Iterator[None]:
        """Turn what Java raises into one line."""
        try:
            yield
        except self._java.JException as error:
            name = type(error).__name__
            if "OutOfMemoryError" in name:
                raise ColbenchError(
                    f"{self.name}: {doing} needs more memory than memory_gb allows; raise it"
                ) from None
            if "IOException" in name or "UncheckedIO" in name or "FileSystemException" in name:
                raise StorageError(
                    f"cannot write {self.folder}: {error}; free some space or choose another folder"
                ) from None
            raise ColbenchError(f"{self.name}: Lucene failed at {doing}: {error}") from None

    def size(self) -> IndexSize:
        """Bytes of Lucene's index."""
        return IndexSize.of_folder(self.folder / "index")

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say how many queries have no terms, and how many documents Anserini left out."""
        analyse = self._java.JClass("io.anserini.analysis.AnalyzerUtils").analyze
        empty = sum(not analyse(self._analyzer, query) for query in queries)
        notes = []
        if empty:
            notes.append(f"{empty} of {len(queries)} queries have no terms left after analysis")
        if self._dropped and self.settings.fields == "apart":
            documents = len(self.bench.collection.documents)
            notes.append(f"{self._dropped} of {documents} documents without a text were left out")
        return [f"{self.name}: {note}" for note in notes]

    def metadata(self) -> dict[str, Any]:
        """Which versions ran, and how many documents Anserini left out: those without text."""
        jar, _ = look_for_anserini()
        return {
            "engine": "Lucene",
            "lucene": str(self._java.JClass("org.apache.lucene.util.Version").LATEST),
            "anserini": version(jar),
            "java": ".".join(map(str, self._java.getJVMVersion())),
            "documents_left_out": self._dropped,
        }


class _Reader:
    """Turns what Lucene found into arrays.

    Java does it: handing over a thousand objects one by one takes as long as the search, and so
    does reading their ids from Lucene's stored fields, as Anserini's commands do.
    """

    def __init__(self, jpype: Any) -> None:
        java = jpype.JClass
        hit = java("org.apache.lucene.search.ScoreDoc").class_
        field = java("java.lang.invoke.MethodHandles").publicLookup().findGetter
        function = java("java.lang.invoke.MethodHandleProxies").asInterfaceInstance
        self._document = function(
            java("java.util.function.ToIntFunction").class_,
            field(hit, "doc", java("java.lang.Integer").TYPE),
        )
        self._score = function(
            java("java.util.function.ToDoubleFunction").class_,
            field(hit, "score", java("java.lang.Float").TYPE),
        )
        self._stream = java("java.util.Arrays").stream
        self._ties = java("io.anserini.rerank.lib.ScoreTiesAdjusterReranker")()
        self._scored = java("io.anserini.search.ScoredDocs")
        self._stored = jpype.JArray(java("org.apache.lucene.document.Document"))
        self._floats = jpype.JArray(jpype.JFloat)

    def __call__(self, top: Any) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return Lucene's numbers of the documents found, best first, and Anserini's scores."""
        hits = top.scoreDocs
        documents = np.array(self._stream(hits).mapToInt(self._document).toArray(), np.int32)
        scores = np.array(self._stream(hits).mapToDouble(self._score).toArray(), np.float32)
        scored = self._scored()
        scored.scores, scored.lucene_documents = self._floats(scores), self._stored(len(scores))
        return documents, np.array(self._ties.rerank(scored, None).scores, np.float32)


SYSTEM = BM25Lucene
