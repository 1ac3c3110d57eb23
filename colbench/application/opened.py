"""An index of an application, open for reading in one version: its vectors and its database.

The index holds passages, named `<document>#<number>`; what follows the last # is the number. The
n-th live document of the index is the n-th live row of the database.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.application.bm25 import BM25
from colbench.application.database import Database
from colbench.application.filters import Condition, Mask, matching
from colbench.application.settings import About
from colbench.errors import StorageError
from colbench.hits import Hits
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher, Trace
from colbench.index.colbert.settings import SearchSettings
from colbench.index.colbert.stages import PreparedQuery
from colbench.retriever.systems.rrf import fuse_hits
from colbench.vectors import Vectors

INDEX = "index"
"""Folder of the vectors."""

RRF_K = 60
_FUSED = 1000
"""Documents that each side of a fusion gives, as of the system `hybrid_rrf`."""

_ANSWERS = 256 << 20
"""Bytes of answered conditions that are kept."""


class Opened:
    """One version. Document numbers are 0, 1, … in the order of the index, deleted ones included.

    Args:
        folder: of the application's index.
        about: what it was made with.
        index: its vectors.
        database: its texts.

    Raises:
        StorageError: vectors and texts are of different documents.
    """

    def __init__(self, folder: Path, about: About, index: ColbertIndex, database: Database) -> None:
        self.folder = folder
        self.about = about
        self.index = index
        self.database = database
        self.version = index.manifest.change
        self.rows = database.live(self.version)
        """int64 (live documents,), rows of the database, ascending."""
        self.owners = _owners(index)
        """int64 (passages,), the document of each, not descending."""
        live = np.concatenate(
            [np.empty(0, dtype=np.bool_), *(segment.live for segment in index.segments)]
        )
        self.live = np.unique(self.owners[live])
        """int64 (live documents,), their numbers, ascending."""
        if len(self.live) != len(self.rows):
            raise StorageError(
                f"{folder} holds vectors of {len(self.live)} documents and texts of "
                f"{len(self.rows)}: restore the folder from one copy"
            )
        self._searchers: dict[SearchSettings, Searcher] = {}
        self._answers: OrderedDict[Condition, Mask] = OrderedDict()
        self._lock = threading.Lock()
        self._fill_lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.rows)

    @functools.cached_property
    def fields(self) -> dict[str, Any]:
        """Fields of the metadata and their types."""
        return self.database.fields()

    def row(self, document: int) -> int:
        """Return the row of a live document."""
        return int(self.rows[np.searchsorted(self.live, document)])

    def passage_id(self, passage: int) -> str:
        """Return the id of a passage."""
        return self.index.doc_id(passage)

    def document_id(self, document: int) -> str:
        """Return the id of a document."""
        return owner_id(self.index.doc_id(int(np.searchsorted(self.owners, document))))

    # Filters.

    def allowed(self, filter: Any, fields: Mapping[str, Any] | None = None) -> Mask | None:
        """Return which live documents a filter is true of, bool (live documents,); None for all.

        Args:
            filter: over metadata; None for none.
            fields: that it may name besides, and their types.

        Raises:
            ConfigError: the filter cannot be used.
        """
        if filter is None:
            return None
        return matching(filter, {**(fields or {}), **self.fields}, self._answer, len(self))

    def _answer(self, condition: Condition) -> Mask:
        with self._lock:
            known = self._answers.get(condition)
            if known is not None:
                self._answers.move_to_end(condition)
                return known
        rows = self.database.rows_with(condition)
        mask = np.zeros(len(self), dtype=np.bool_)
        if len(mask):
            places = np.minimum(np.searchsorted(self.rows, rows), len(mask) - 1)
            mask[places[self.rows[places] == rows]] = True
        mask.setflags(write=False)
        with self._lock:
            self._answers[condition] = mask
            while len(self._answers) > max(1, _ANSWERS // max(1, len(mask))):
                self._answers.popitem(last=False)
        return mask

    def passages(self, allowed: Mask) -> Mask:
        """Return the passages of allowed documents, bool (passages,)."""
        documents = np.zeros(int(self.owners[-1]) + 1 if len(self.owners) else 0, dtype=np.bool_)
        documents[self.live[allowed]] = True
        mask: Mask = documents[self.owners]
        return mask

    # Search.

    def search(
        self, query: Vectors, k: int, settings: SearchSettings, allowed: Mask | None = None
    ) -> tuple[Hits, NDArray[np.int64]]:
        """Return the k best documents and the passage that each scored with.

        The search is that of the system `colbert`: passages are candidates, are pruned and scored,
        and a document counts as its best one. Where fewer documents are left than are wanted, and
        more match, it goes on until there are as many.

        Args:
            query: float32 (tokens, dims).
            k: at least 1.
            settings: of the search.
            allowed: live documents that may be found.
        """
        matching = len(self) if allowed is None else int(allowed.sum())
        if not matching or not len(query) or not self.index.manifest.centroids:
            return _nothing()
        searcher = self._searcher(settings)
        stages = searcher.stages
        prepared = stages.prepare(query)
        mask = None if allowed is None else self.passages(allowed)
        if settings.exhaustive:
            left = stages.everything(mask)
        else:
            left = self._survivors(searcher, prepared, k, mask, matching)
        scores = stages.score(prepared, left, settings.arithmetic)
        return self._best(left, scores, k)

    def _searcher(self, settings: SearchSettings) -> Searcher:
        with self._lock:
            return self._searchers.setdefault(settings, Searcher(self.index, settings))

    def _survivors(
        self,
        searcher: Searcher,
        query: PreparedQuery,
        k: int,
        mask: Mask | None,
        matching: int,
    ) -> NDArray[np.int64]:
        """Return the passages whose residuals are read."""
        passages = len(self.owners)
        depth = min(-(-k * passages // (int(self.owners[-1]) + 1)), passages)
        settings, fill = searcher.settings, mask is not None
        while True:
            left = searcher.survivors(query, depth, Trace(), allowed=mask, fill=fill)
            enough = len(np.unique(self.owners[left])) >= min(k, matching)
            if enough or (fill and depth >= passages):
                return left
            all_left = settings.ndocs is not None or len(left) < settings.kept(depth) // 4
            if not fill and all_left:
                fill = True  # here a run is content with fewer
            else:
                depth = min(2 * depth, passages)

    def _best(
        self, passages: NDArray[np.int64], scores: NDArray[np.float32], k: int
    ) -> tuple[Hits, NDArray[np.int64]]:
        """Return the k best documents by their best passages, ties by id, descending."""
        if not len(passages):
            return _nothing()
        documents = self.owners[passages]
        order = np.lexsort((passages, -scores, documents))
        firsts = order[np.flatnonzero(np.diff(documents[order], prepend=-1))]
        documents, best, scores = documents[firsts], passages[firsts], scores[firsts]
        if len(documents) > k:
            cut = np.partition(scores, len(scores) - k)[len(scores) - k]
            near = scores >= cut
            documents, best, scores = documents[near], best[near], scores[near]
        order = np.argsort(-scores, kind="stable")
        documents, best, scores = documents[order], best[order], scores[order]
        starts = np.flatnonzero(np.diff(scores, prepend=np.nan) != 0)
        for start, end in zip(starts, [*starts[1:], len(scores)], strict=True):
            if end - start > 1:
                ids = [self.document_id(int(document)) for document in documents[start:end]]
                tied = start + np.array(sorted(range(len(ids)), key=ids.__getitem__, reverse=True))
                documents[start:end], best[start:end] = documents[tied], best[tied]
        return Hits(documents[:k], scores[:k]), best[:k]

    # Lexical search beside it.

    @functools.cached_property
    def bm25(self) -> BM25:
        """BM25 over the live documents, made when it is first asked for and kept in the folder."""
        return BM25.of(
            self.folder,
            self.about.analyser,
            self.version,
            lambda: self.database.texts(self.rows),
            len(self),
        )

    def fused(
        self,
        query: str,
        found: tuple[Hits, NDArray[np.int64]],
        k: int,
        allowed: Mask | None,
    ) -> tuple[Hits, NDArray[np.int64]]:
        """Return the k best of BM25 and a ranking, fused by reciprocal rank.

        The passage of a document that only BM25 has found is its first.
        """
        hits, passages = found
        with self._fill_lock:
            bm25 = self.bm25
        places, scores = bm25.search(query, allowed)
        lexical = self._lexical(places, scores)
        both = np.unique(np.concatenate([hits.docs, lexical.docs]))
        ids = [self.document_id(int(document)) for document in both]
        ranks = np.empty(len(both), dtype=np.int64)
        ranks[sorted(range(len(both)), key=ids.__getitem__, reverse=True)] = np.arange(len(both))
        local = [Hits(np.searchsorted(both, one.docs), one.scores) for one in (lexical, hits)]
        fused = fuse_hits(local, RRF_K, k, ranks)
        chosen = dict(zip(hits.docs.tolist(), passages.tolist(), strict=True))
        documents = both[fused.docs]
        firsts = np.searchsorted(self.owners, documents)
        best = [
            chosen.get(doc, first) for doc, first in zip(documents.tolist(), firsts, strict=True)
        ]
        return Hits(documents, fused.scores), np.array(best, dtype=np.int64)

    def _lexical(self, places: NDArray[np.int64], scores: NDArray[np.float32]) -> Hits:
        """Return the best documents of BM25 in order."""
        if len(places) > _FUSED:
            cut = np.partition(scores, len(scores) - _FUSED)[len(scores) - _FUSED]
            places, scores = places[scores >= cut], scores[scores >= cut]
        documents = self.live[places]
        ids = [self.document_id(int(document)) for document in documents]
        order = sorted(range(len(ids)), key=lambda n: (scores[n], ids[n]), reverse=True)[:_FUSED]
        return Hits(documents[order], scores[order])

    def fusion_depth(self, k: int) -> int:
        """Return how many documents the vectors give to a fusion."""
        return max(k, _FUSED)

    # What is stored.

    def place(self, row: int) -> int:
        """Return the number of the document of a live row."""
        return int(self.live[np.searchsorted(self.rows, row)])

    def vectors(self, passage: int) -> Vectors:
        """Return the vectors of a passage as search scores them, float32 (tokens, dims)."""
        ((segment, local),) = self.index.parts(np.array([passage], dtype=np.int64))
        span = slice(int(segment.offsets[local[0]]), int(segment.offsets[local[0] + 1]))
        trained = self.index.trained
        if trained.settings.nbits == 16:
            return np.asarray(segment.residuals[span]).view(np.float16).astype(np.float32)
        codes, residuals = segment.codes[span], segment.residuals[span]
        if not len(codes):
            return np.empty((0, self.index.manifest.dims), dtype=np.float32)
        return np.asarray(trained.codec.decompress(codes, residuals), dtype=np.float32)

    def check(self) -> None:
        """Compare the ids of all documents in the database and in the index.

        Raises:
            StorageError: they differ.
        """
        stored = (self.document_id(int(document)) for document in self.live)
        for row, (one, other) in zip(
            self.rows.tolist(),
            zip(self.database.ids(self.rows), stored, strict=True),
            strict=True,
        ):
            if one != other:
                raise StorageError(
                    f"{self.folder}: row {row} of the database is {one!r}, and the index has "
                    f"{other!r} there: restore the folder from one copy"
                )


def owner_id(passage_id: str) -> str:
    """Return the id of the document of a passage.

    >>> owner_id("a#b#2")
    'a#b'
    """
    return passage_id.rpartition("#")[0]


def passage_ids(doc_id: str, count: int) -> list[str]:
    """Return the ids of the passages of a document.

    >>> passage_ids("a", 2)
    ['a#1', 'a#2']
    """
    return [f"{doc_id}#{number}" for number in range(1, count + 1)]


def _owners(index: ColbertIndex) -> NDArray[np.int64]:
    """Return the number of each passage's document: a passage of number 1 begins one."""
    begins = np.fromiter(
        (doc.endswith("#1") for segment in index.segments for doc in segment.ids),
        dtype=np.bool_,
        count=index.documents,
    )
    owners: NDArray[np.int64] = np.cumsum(begins, dtype=np.int64) - 1
    if len(owners) and owners[0] < 0:
        raise StorageError(
            f"{index.folder} holds other documents than an application's: build it anew"
        )
    return owners


def _nothing() -> tuple[Hits, NDArray[np.int64]]:
    empty = np.empty(0, dtype=np.int64)
    return Hits(empty, np.empty(0, dtype=np.float32)), empty
