"""ColBERT: PLAID's search, or all documents, over a compressed index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError, DataError, StorageError, StorageUnavailable
from colbench.hits import Hits
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import read_manifest
from colbench.index.colbert.reduction import pool_documents, pooled_before, pooled_checksum
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import IndexSettings, SearchSettings
from colbench.index.size import IndexSize
from colbench.index.threads import kernels_may_overlap
from colbench.progress import note
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.chunks import Chunks
from colbench.retriever.exact import elsewhere, exact_hits, relevant_to
from colbench.retriever.index_documents import (
    DocumentSearch,
    chunks_of_index,
    documents_for_index,
    holds_exactly,
)
from colbench.retriever.kept import Place, Verdict
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
    _foreign: str = ""
    _device: str

    def prepare(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.encoder, Form.TOKENS)
        self._chunks = self.bench.chunks(self.settings.encoder, Form.TOKENS)
        self._embeddings = self.bench.embed(self.settings.encoder, Form.TOKENS)
        self._device = self.bench.search_device

    def build(self) -> None:
        """Build the index, or open the one that another system has built.

        An index in `index_dir` that somebody has changed since, or put there, is neither searched
        nor removed: the run builds its own.

        Raises:
            StorageUnavailable: an index is there and cannot be read now; it stays as it is.
        """
        if self.bench.given_index is not None:
            self._open_given(self.bench.given_index)
            return
        relevant = [self.settings.index.model_dump_json(), *elsewhere(self._device)]
        place = self._place("colbert", *relevant)
        with place.alone():
            index = self._opened_or_built(place)
        self._foreign = ""
        if index is None:
            own = self._place("colbert", *relevant, shared=self.bench.folder / "shared")
            with own.alone():
                index = self._opened_or_built(own)
            assert index is not None  # nobody else is there to have changed it
            self._compare(place, index)
        self._search = self._searched(index)

    def _open_given(self, folder: Path) -> None:
        """Search the index that `index_dir` is, as it stands, and leave it as it is.

        Raises:
            ConfigError: it was built with another encoder or other settings.
            DataError: it holds other documents than the collection.
        """
        index = ColbertIndex.open(folder, encoder=self._encoder.document_fingerprint)
        found, want = index.manifest.settings, self.settings.index
        if differing := [
            key for key in type(want).model_fields if getattr(found, key) != getattr(want, key)
        ]:
            told = ", ".join(f"index.{key}={getattr(found, key)}" for key in differing)
            raise ConfigError(
                f"{self.name}: index_dir={folder} was built with other settings than the run's: "
                f"set {told.replace('=None', '=null')}"
            )
        if not holds_exactly(index, self._chunks.ids):
            ids = self.bench.collection.doc_ids
            self._chunks = chunks_of_index(index, self._chunks, ids)
        self._shared = True
        self._foreign = f"{self.name}: the index of index_dir was searched as it stands"
        self._search = self._searched(index)

    def _opened_or_built(self, place: Place) -> ColbertIndex | None:
        """Return the index of a place; None where what lies there is not to be touched."""
        found, index, damage = None, None, ""
        try:
            found = read_manifest(place.folder).checksum
            index = ColbertIndex.open(place.folder, encoder=self._encoder.document_fingerprint)
        except StorageUnavailable:
            raise
        except (StorageError, ConfigError) as error:
            damage = str(error)
        holds = index is not None and holds_exactly(index, self._chunks.ids)
        verdict, took = place.judge(found, damaged=bool(damage), holds=holds)
        self._shared = verdict is Verdict.USE
        if verdict is Verdict.LEAVE:
            return None
        if verdict is Verdict.MAKE:
            if place.record() is not None:
                note(f"{self.name}: {damage}; it is built again now")
            place.clear()
            took = self._build(place.folder)
            index = ColbertIndex.open(
                place.folder, encoder=self._encoder.document_fingerprint, checksums=False
            )
            place.seal(took, index.manifest.checksum)
        self.counted_build_seconds = took
        return index

    def _compare(self, place: Place, built: ColbertIndex) -> None:
        """Seal an index in a place whose record is gone where it is the one built now, or tell.

        Equal documents and settings give equal bytes.
        """
        try:
            there = read_manifest(place.folder)
        except StorageError:
            there = None
        if there is None or there.checksum != built.manifest.checksum:
            self._foreign = (
                f"{self.name}: the run has built and searched an index of its own: "
                f"{self._why(place)}"
            )
        elif place.writable and self.counted_build_seconds is not None:
            place.seal(self.counted_build_seconds, there.checksum)

    def _why(self, place: Place) -> str:
        """Say what is wrong with what lies in a place that is left alone, and what to do."""
        if not os.path.lexists(place.folder):
            return f"{place.folder.parent} has none of these documents and cannot be written"
        try:
            index = ColbertIndex.open(place.folder, checksums=False)
        except StorageError:
            what = "cannot be searched or replaced"
        else:
            what = "was changed after it was built, or is another one"
            if not holds_exactly(index, self._chunks.ids):
                kind = "documents" if self._chunks.owners is None else "chunks"
                what = (
                    f"holds {index.live_documents} {kind} that are not the {len(self._chunks.ids)} "
                    "of the collection, in its order"
                )
        return f"{place.folder} {what}; it stays as it is, remove it to have it built there again"

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

    def _place(self, what: str, *relevant: str, shared: Path | None = None) -> Place:
        """Return the place of an index, or of what indexes are made of.

        Args:
            what: it is.
            relevant: what decides it besides the documents and the encoder.
            shared: folder of this run alone; default: that of all who share indexes.
        """
        folder, own = shared or self.bench.shared, shared or self.bench.shared_folder is None
        of = relevant_to(self.bench, self.settings.encoder, *relevant)
        return Place.inside(folder, what, of, own=bool(own))

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
        relevant = (settings.skip_tokens, str(settings.pooling))
        for shared in (None, self.bench.folder / "shared"):
            place = self._place("pooled", *relevant, shared=shared)
            with place.alone():
                found = pooled_checksum(place.folder)
                intact = found is not None and pooled_before(place.folder, documents)
                verdict, before = place.judge(found, damaged=not intact, holds=True)
                if verdict is Verdict.USE:
                    return pool_documents(documents, settings.pooling, place.folder), before
                if verdict is Verdict.MAKE:
                    place.clear()
                    watch = Stopwatch()
                    merged = pool_documents(documents, settings.pooling, place.folder)
                    place.seal(watch.seconds, pooled_checksum(place.folder) or "")
                    return merged, 0.0
        raise AssertionError("unreachable")  # a place of the run's own is never left alone

    def encode(self, queries: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[Vectors], k: int) -> list[Hits]:
        """Return the k best documents, of those whose residuals are read."""
        return [self._search.search(query, k) for query in queries]

    @property
    def concurrent(self) -> bool:
        """Where compiled loops may overlap."""
        return kernels_may_overlap()

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

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say where an index of `index_dir` was left alone, and why."""
        return [self._foreign] if self._foreign else []

    def stages(self, queries: Sequence[Vectors], k: int) -> dict[str, list[Hits]]:
        """Return what is found when a search is cut off after each stage, for the loss attribution.

        `exact`: uncompressed vectors, all documents. `compressed`: stored vectors, all documents.
        `candidates` and `pruned`: stored vectors, documents left after these stages. `final`: what
        `search` returns. An exhaustive search ends with `compressed`. Stored vectors are always
        scored in the arithmetic of the search.
        """
        exact = exact_hits(
            self.bench,
            self.settings.encoder,
            self._embeddings,
            queries,
            k,
            folder=self.folder / "exact",
            device=self._device,
        )
        by_stage = {"exact": exact}
        if self.settings.search.exhaustive:
            return by_stage | {"compressed": self.search(queries, k)}
        for stage in ("compressed", "candidates", "pruned"):
            by_stage[stage] = [self._search.cut_off(stage, query, k) for query in queries]
        return by_stage | {"final": self.search(queries, k)}


SYSTEM = Colbert
