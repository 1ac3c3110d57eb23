"""ColBERT: PLAID's search, or all documents, over a compressed index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from colbench.digests import json_digest, text_digest
from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import DataError, StorageError
from colbench.files import write_json
from colbench.hits import Hits
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.reduction import pool_documents, pooled_before
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.maxsim import MaxSimScanner
from colbench.index.size import IndexSize
from colbench.locks import locked
from colbench.paths import remove_made
from colbench.progress import note
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.chunks import Chunks
from colbench.retriever.exhaustive import build_token_index, read_hits, search_all, write_hits
from colbench.retriever.index_documents import DocumentSearch, documents_for_index
from colbench.timing import Stopwatch
from colbench.vectors import Vectors


class ColbertSettings(SystemSettings):
    """Parameters of a compressed index and of a search in it."""

    search_keys: ClassVar[frozenset[str]] = frozenset({"search"})

    encoder: EncoderSettings = Field(description="the late-interaction model")
    index: IndexSettings = Field(description="build parameters")
    search: SearchSettings = Field(description="search parameters")

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """Token vectors of all documents."""
        return [(self.encoder, Form.TOKENS)]

    def fewer_are_first(self) -> bool:
        """Where the number of documents kept does not depend on k."""
        return self.search.exhaustive or self.search.ndocs is not None


class Colbert(Retriever):
    """A ColBERT index, shared by all systems that build it alike, of a run or of several."""

    Settings = ColbertSettings
    _chunks: Chunks
    _embeddings: Embeddings
    _encoder: Encoder
    _search: DocumentSearch
    _shared: bool
    _device: str

    def prepare(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.encoder, Form.TOKENS)
        self._chunks = self.bench.chunks(self.settings.encoder, Form.TOKENS)
        self._embeddings = self.bench.embed(self.settings.encoder, Form.TOKENS)
        self._device = self.bench.search_device

    def build(self) -> None:
        """Build the index, or open the one that another system has built."""
        name = self._name("colbert", self.settings.index.model_dump_json(), *self._elsewhere)
        folder, record = self.bench.shared / name, self.bench.shared / f"{name}.json"
        with self._alone(name):
            took = _read_seconds(record)
            index = None if took is None else self._opened(folder)
            self._shared = index is not None
            if took is None or index is None:
                record.unlink(missing_ok=True)
                remove_made(folder, inside=self.bench.shared)  # damaged, or not finished
                took = self._build(folder)
                _write_seconds(record, took)
                index = ColbertIndex.open(folder, encoder=self._encoder.document_fingerprint)
        self.counted_build_seconds = took
        self._search = self._searched(index)

    def _opened(self, folder: Path) -> ColbertIndex | None:
        """Open an index that was built before; None where it was damaged since."""
        try:
            return ColbertIndex.open(folder, encoder=self._encoder.document_fingerprint)
        except StorageError as error:
            note(f"{self.name}: {error}; it is built again now")
            return None

    def use(self, settings: ColbertSettings) -> None:
        """Search the same index in another way."""
        super().use(settings)
        self._search = self._searched(self._index)

    def _searched(self, index: ColbertIndex) -> DocumentSearch:
        searcher = Searcher(index, self.settings.search)
        return DocumentSearch(searcher, self._chunks, self.bench.ranks)

    @property
    def _index(self) -> ColbertIndex:
        return self._search.searcher.stages.index

    def _name(self, what: str, *relevant: str) -> str:
        """Return a file name that stands for the documents and what else matters."""
        parts = [self._encoder.document_fingerprint, self.bench.collection.fingerprint, *relevant]
        if self._chunks.owners is not None:
            parts.append(f"chunk_overlap={self.settings.encoder.chunk_overlap}")
        return f"{what}-{text_digest(' '.join(parts))[:16]}"

    @property
    def _elsewhere(self) -> list[str]:
        """What tells files made on another device than the CPU from those made there."""
        return [] if self._device == "cpu" else [self._device.partition(":")[0]]

    def _alone(self, name: str) -> AbstractContextManager[bool]:
        return locked(self.bench.shared / f"{name}.lock", remedy="choose another index_dir")

    def _build(self, folder: Path) -> float:
        """Build the index and return what it took, merging tokens counted for each index."""
        settings = self.settings.index
        watch = Stopwatch()
        documents = documents_for_index(
            self._embeddings,
            self._chunks.ids,
            self._chunks.texts,
            self._encoder,
            settings.skip_tokens,
        )
        if not documents.tokens:
            raise DataError("no document has a token: there is nothing to index")
        merged_before = 0.0
        if settings.pooling > 1:
            documents, merged_before = self._merged(documents)
        build_index(
            folder,
            documents,
            settings,
            encoder=self._encoder.document_fingerprint,
            device=self._device,
        )
        return watch.seconds + merged_before

    def _merged(self, documents: Documents) -> tuple[Documents, float]:
        """Return documents with merged tokens, and what that took for another index before."""
        settings = self.settings.index
        name = self._name("pooled", settings.skip_tokens, str(settings.pooling))
        folder, record = self.bench.shared / name, self.bench.shared / f"{name}.json"
        with self._alone(name):
            before = _read_seconds(record)
            if before is not None and pooled_before(folder):
                return pool_documents(documents, settings.pooling, folder), before
            record.unlink(missing_ok=True)
            remove_made(folder, inside=self.bench.shared)
            watch = Stopwatch()
            documents = pool_documents(documents, settings.pooling, folder)
            _write_seconds(record, watch.seconds)
        return documents, 0.0

    def encode(self, queries: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        """Return the k best documents, of those whose residuals are read."""
        return [self._search.search(query, k) for query in queries]

    def size(self) -> IndexSize:
        """Bytes by file."""
        return self._index.size()

    def metadata(self) -> dict[str, Any]:
        """What the index turned out to be."""
        manifest = self._index.manifest
        return {
            "centroids": manifest.centroids,
            "tokens": sum(segment.tokens for segment in manifest.segments),
            "index_shared": self._shared,
            **({} if self._device == "cpu" else {"build_device": self._device}),
        }

    def stages(self, queries: Sequence[Vectors], k: int) -> dict[str, list[Hits]]:
        """Return what is found when a search is cut off after each stage, for the loss attribution.

        `exact`: uncompressed vectors, all documents. `compressed`: stored vectors, all documents.
        `candidates` and `pruned`: stored vectors, documents left after these stages. `final`: what
        `search` returns. An exhaustive search ends with `compressed`. Stored vectors are always
        scored in the arithmetic of the search.
        """
        by_stage = {"exact": self._exact(queries, k)}
        if self.settings.search.exhaustive:
            return by_stage | {"compressed": self.search(queries, k)}
        for stage in ("compressed", "candidates", "pruned"):
            by_stage[stage] = [self._search.cut_off(stage, query, k) for query in queries]
        return by_stage | {"final": self.search(queries, k)}

    def _exact(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        """Search the uncompressed vectors, or recall what another system of this run found."""
        name = self._name("exact", self._encoder.fingerprint, str(k), *self._elsewhere)
        digest = hashlib.sha256(name.encode())
        for query in queries:
            digest.update(query.tobytes())
        file = self.bench.shared / f"exact-{digest.hexdigest()[:16]}.hits"
        exact_hits = read_hits(file)
        if exact_hits is None:
            exact_hits = self._scan(queries, k)
            write_hits(file, exact_hits)
        return exact_hits

    def _scan(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        folder = self.folder / "exact"
        index = build_token_index(self._embeddings, folder, in_place=True)
        scanner = MaxSimScanner(index, self.bench.memory_bytes, self._device)
        hits = search_all(scanner, queries, k, self.bench.ranks, self._chunks.owners)
        remove_made(folder, inside=self.folder)
        return hits


def _write_seconds(note: Path, seconds: float) -> None:
    content = {"build_seconds": seconds}
    write_json(note, {**content, "sha256": json_digest(content)})


def _read_seconds(note: Path) -> float | None:
    """Return what a build took, None where that was not written or was damaged."""
    try:
        content = json.loads(note.read_bytes())
        digest = content.pop("sha256")
        return float(content["build_seconds"]) if digest == json_digest(content) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


SYSTEM = Colbert
