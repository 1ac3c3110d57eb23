"""Searching an index: the stages one after the other, timed where that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError
from colbench.hits import Hits
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.settings import SearchSettings
from colbench.index.colbert.stages import PreparedQuery, Stages

_Result = TypeVar("_Result")

_FURTHER = 2
"""With a filter, times as many centroids are probed, beyond what makes up for its rarity, and times
as many documents kept: the best k of few lie further from the query than the best k of all."""

_ALL_OF = 4
"""A filter's documents are all candidates where they are at most this many times `ndocs`."""


@dataclass
class Trace:
    """What one search did, stage by stage.

    Attributes:
        seconds: stage → wall time.
        items: stage → centroids or documents that came out of it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)

    def timed(self, stage: str, work: Callable[[], _Result]) -> _Result:
        """Run a stage and add its time."""
        started = time.perf_counter()
        result = work()
        self.seconds[stage] = time.perf_counter() - started
        return result


class Searcher:
    """Searches one index with one group of search settings.

    Args:
        index: an open index.
        settings: search parameters.
        portable: do not use instructions that only some processors have; same results.
    """

    def __init__(
        self, index: ColbertIndex, settings: SearchSettings, *, portable: bool = False
    ) -> None:
        self.settings = settings
        self.stages = Stages(index, portable=portable)

    def search(
        self,
        query: NDArray[np.float32],
        k: int,
        trace: Trace | None = None,
        *,
        allowed: NDArray[np.bool_] | None = None,
        fill: bool = False,
    ) -> Hits:
        """Return the k best documents, fewer where fewer are candidates.

        With `allowed` or `fill` fewer come back only where there are fewer: more centroids are
        probed until k documents are candidates. A filter acts before the search: documents outside
        it are no candidates, are never scored, and take no place under `ndocs`. More centroids are
        probed the fewer it allows, so that as many candidates remain as without it; where it allows
        no more than `ndocs`, all of them are scored.

        Args:
            query: float32 (tokens, dims of the encoder), unit rows.
            k: at least 1.
            trace: filled with what each stage took.
            allowed: bool (documents of the index,), by number; the documents that may be found.
            fill: find k documents where there are as many.

        Raises:
            DataError: a query of another number of dimensions, NaN or infinity; k below 1; a filter
                of another length.
        """
        if k < 1:
            raise DataError(f"k={k}: ask for at least one document")
        trace = trace if trace is not None else Trace()
        stages, settings = self.stages, self.settings
        prepared = trace.timed("centroid scores", lambda: stages.prepare(query))
        trace.items["centroid scores"] = len(prepared.scores)
        if settings.exhaustive:
            docs = stages.everything(allowed)
        else:
            docs = self.survivors(prepared, k, trace, allowed=allowed, fill=fill)
        scores = trace.timed("score", lambda: stages.score(prepared, docs, settings.arithmetic))
        trace.items["score"] = len(docs)
        return trace.timed("rank", lambda: self.rank(docs, scores, k))

    def survivors(
        self,
        query: PreparedQuery,
        k: int,
        trace: Trace,
        *,
        allowed: NDArray[np.bool_] | None = None,
        fill: bool = False,
    ) -> NDArray[np.int64]:
        """Return the documents whose residuals are read, ascending; arguments as of `search`."""
        if not query.tokens:  # it would probe for ever
            return np.empty(0, dtype=np.int64)
        keep, nprobe = self.settings.kept(k), self.settings.nprobe
        if allowed is None:
            candidates = self._candidates(query, nprobe, trace)
            if not fill or (len(candidates) >= k and keep >= 4 * k):
                return self._pruned(query, candidates, keep, trace)
        matching = self.stages.everything(allowed)
        keep = max(keep, 4 * k) * (_FURTHER if allowed is not None else 1)
        if len(matching) <= (k if allowed is None else keep):
            return matching
        enough = 0
        if allowed is not None:
            nprobe = -(-_FURTHER * nprobe * self.stages.index.live_documents // len(matching))
            enough = _ALL_OF * keep
        while len(matching) > enough and nprobe * query.tokens < len(query.scores):
            candidates = self._candidates(query, nprobe, trace, allowed)
            if len(candidates) >= k:
                return self._pruned(query, candidates, keep, trace)
            nprobe *= 2
        trace.items |= {"probe": len(query.scores), "candidates": len(matching)}
        return self._pruned(query, matching, keep, trace)

    def _candidates(
        self,
        query: PreparedQuery,
        nprobe: int,
        trace: Trace,
        allowed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        stages = self.stages
        probed = trace.timed("probe", lambda: stages.probe(query, nprobe))
        candidates = trace.timed("candidates", lambda: stages.candidates(probed, allowed))
        trace.items |= {"probe": int(probed.sum()), "candidates": len(candidates)}
        return candidates

    def _pruned(
        self, query: PreparedQuery, candidates: NDArray[np.int64], keep: int, trace: Trace
    ) -> NDArray[np.int64]:
        """Keep the best by their centroids alone: `keep` of them, then a quarter."""
        stages, threshold = self.stages, self.settings.centroid_score_threshold
        pruned = candidates
        if threshold is not None:  # else the next stage would repeat these scores: one cut will do
            pruned = trace.timed("prune", lambda: stages.prune(query, candidates, threshold, keep))
        last = trace.timed("interact", lambda: stages.interact(query, pruned, keep // 4))
        trace.items |= {"prune": len(pruned), "interact": len(last)}
        return last

    def rank(self, docs: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
        """Return the k best of scored documents in order."""
        if len(docs) > k:
            cut = np.partition(scores, len(scores) - k)[len(scores) - k]
            docs, scores = docs[scores >= cut], scores[scores >= cut]
        order = np.argsort(-scores, kind="stable")
        docs, scores = docs[order], scores[order]
        docs = self._ties_by_id(docs, scores)
        return Hits(docs[:k], scores[:k])

    def _ties_by_id(
        self, docs: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
        for start, end in zip(starts, [*starts[1:], len(docs)], strict=True):
            if end - start > 1:
                tied = docs[start:end].tolist()
                docs[start:end] = sorted(tied, key=self.stages.index.doc_id, reverse=True)
        return docs
