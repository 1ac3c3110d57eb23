"""PLAID's stages, each a function of its own that can be measured on its own.

    centroid scores   query x centroids
    probe             each query token marks its nprobe best centroids
    candidates        live documents on the lists of the marked centroids
    prune             interaction with the centroids that reach the threshold; the best ndocs stay
    interact          interaction with all centroids; the best ndocs/4 stay
    score             MaxSim with the residuals; the best k stay

Santhanam et al. 2022, https://arxiv.org/abs/2205.09707, section 4. A cut between equal scores is
made by document id, so that a result does not depend on the order in which documents were added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.kernels import byte_instructions, bytes_reference, bytes_vnni
from colbench.index.colbert.kernels.floats import (
    centroid_scores,
    lanes_of,
    score_halves,
    score_residuals,
)
from colbench.index.colbert.kernels.lists import (
    interact,
    listed_documents,
    nearest_centroids,
    reached_centroids,
)
from colbench.index.colbert.kernels.tables import byte_query
from colbench.index.colbert.segment import Segment

_ALL = np.empty(0, dtype=np.bool_)
_Number = TypeVar("_Number", np.int64, np.float32)


@dataclass(frozen=True)
class PreparedQuery:
    """A query and its scores with every centroid.

    Attributes:
        vectors: float32 (tokens, dims), in the dimensions of the index.
        lanes: `lanes_of` them.
        scores: float32 (centroids, lanes), the first `tokens` lanes count.
    """

    vectors: NDArray[np.float32]
    lanes: NDArray[np.float32]
    scores: NDArray[np.float32]

    @property
    def tokens(self) -> int:
        """Query tokens."""
        return len(self.vectors)


class Stages:
    """The stages over one index. Document numbers go in and come out ascending.

    Args:
        index: an open index.
        portable: score bytes with the kernel that runs on any processor; same results, slower.
    """

    def __init__(self, index: ColbertIndex, *, portable: bool = False) -> None:
        self.index = index
        self.codec = index.trained.codec
        fast = byte_instructions.available() and not portable
        self._score_bytes = bytes_vnni.score_bytes if fast else bytes_reference.score_bytes

    def prepare(self, query: NDArray[np.float32]) -> PreparedQuery:
        """Score every centroid for every query token.

        Args:
            query: float32 (tokens, dims of the encoder).

        Raises:
            DataError: another number of dimensions, NaN or infinity.
        """
        want = self.index.manifest.encoder_dims
        if query.ndim != 2 or query.shape[1] != want:
            shape = "x".join(map(str, query.shape))
            raise DataError(f"the query has shape {shape}, the index takes tokens x {want}")
        if not np.isfinite(query).all():
            raise DataError("the query holds NaN or infinity: the encoder produced invalid vectors")
        reduced = self.index.trained.reduction.vectors(query)
        vectors = np.ascontiguousarray(reduced, dtype=np.float32)
        lanes = lanes_of(vectors)
        return PreparedQuery(vectors, lanes, centroid_scores(self.codec.centroid_bits, lanes))

    def probe(self, query: PreparedQuery, nprobe: int) -> NDArray[np.bool_]:
        """Mark the `nprobe` best centroids of each query token, bool (centroids,)."""
        probed = np.zeros(len(query.scores), dtype=np.bool_)
        nearest_centroids(query.scores, query.tokens, min(nprobe, len(query.scores)), probed)
        return probed

    def candidates(
        self, probed: NDArray[np.bool_], allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Return the live documents, of those allowed, that have a token of a marked centroid."""
        documents = [
            segment.base
            + listed_documents(
                probed,
                segment.list_centroids,
                segment.list_offsets,
                segment.list_docs,
                live,
            )
            for segment, live in self._live(allowed)
        ]
        return _joined(documents)

    def everything(self, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return every live document, of those allowed, that has a token."""
        documents = [
            segment.base + np.flatnonzero(live & (np.diff(segment.offsets) > 0))
            for segment, live in self._live(allowed)
        ]
        return _joined(documents)

    def _live(
        self, allowed: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Segment, NDArray[np.bool_]]]:
        """Yield the segments and which of their documents may be found."""
        want = self.index.documents
        if allowed is not None and (allowed.shape != (want,) or allowed.dtype != np.bool_):
            raise DataError(
                f"the filter is {allowed.dtype} of shape {allowed.shape}: give bool ({want},), one "
                "for each document number"
            )
        for segment in self.index.segments:
            if allowed is None:
                yield segment, segment.live
            else:
                part = allowed[segment.base : segment.base + len(segment)]
                yield segment, segment.live & part

    def prune(
        self, query: PreparedQuery, docs: NDArray[np.int64], threshold: float | None, keep: int
    ) -> NDArray[np.int64]:
        """Keep the best documents by the centroids that reach the threshold for some token."""
        if len(docs) <= keep:
            return docs
        mask = (
            _ALL if threshold is None else reached_centroids(query.scores, query.tokens, threshold)
        )
        return self._best(docs, self._interact(query, docs, mask), keep)

    def interact(
        self, query: PreparedQuery, docs: NDArray[np.int64], keep: int
    ) -> NDArray[np.int64]:
        """Keep the best documents by all of their centroids."""
        if len(docs) <= keep:
            return docs
        return self._best(docs, self._interact(query, docs, _ALL), keep)

    def _interact(
        self, query: PreparedQuery, docs: NDArray[np.int64], kept: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        scores = [
            interact(local, segment.offsets, segment.codes, query.scores, kept, query.tokens)
            for segment, local in self.index.parts(docs)
        ]
        return _joined(scores)

    def score(
        self, query: PreparedQuery, docs: NDArray[np.int64], arithmetic: str
    ) -> NDArray[np.float32]:
        """Return MaxSim with the stored vectors, float32 (documents,), in the order of `docs`.

        Args:
            query: prepared.
            docs: ascending.
            arithmetic: "int8" or "fp32"; without packed residuals it is always fp32.
        """
        if not len(docs):
            return np.empty(0, dtype=np.float32)
        nbits = self.index.manifest.settings.nbits
        if nbits == 16:
            scores = [
                score_halves(local, segment.offsets, segment.residuals, query.lanes)
                for segment, local in self.index.parts(docs)
            ]
        elif nbits == 0 or arithmetic == "fp32":
            values = self.codec.byte_values if nbits else np.zeros((256, 1), dtype=np.float32)
            scores = [
                score_residuals(
                    local,
                    segment.tokens,
                    self.codec.centroid_bits,
                    values,
                    query.lanes,
                )
                for segment, local in self.index.parts(docs)
            ]
        else:
            scores = self._score_with_bytes(query, docs)
        return _joined(scores)

    def _score_with_bytes(
        self, query: PreparedQuery, docs: NDArray[np.int64]
    ) -> list[NDArray[np.float32]]:
        tables = self.index.byte_tables
        rounded = byte_query(query.vectors, tables)
        return [
            self._score_bytes(local, segment.tokens, query.scores, tables, rounded)
            for segment, local in self.index.parts(docs)
        ]

    def _best(
        self, docs: NDArray[np.int64], scores: NDArray[np.float32], keep: int
    ) -> NDArray[np.int64]:
        """Return the `keep` best documents, ascending; equals at the cut by id, descending."""
        cut = np.partition(scores, len(scores) - keep)[len(scores) - keep]
        above = docs[scores > cut]
        equal = docs[scores == cut]
        room = keep - len(above)
        if len(equal) > room:
            ids = sorted(equal.tolist(), key=self.index.doc_id, reverse=True)[:room]
            equal = np.array(ids, dtype=np.int64)
        return np.sort(np.concatenate([above, equal]))


def _joined(parts: list[NDArray[_Number]]) -> NDArray[_Number]:
    """Concatenate what segments gave; most indexes have one, which is then not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
