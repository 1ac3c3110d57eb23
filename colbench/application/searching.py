"""From queries to results: filter, encode, search, fuse, look up, align; each stage timed."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from colbench.application.model import Model
from colbench.application.opened import Opened, owner_id
from colbench.application.results import Result
from colbench.config.models import named_settings
from colbench.errors import ConfigError, DataError, StorageError
from colbench.explain.alignment import Alignment, align
from colbench.hits import Hits
from colbench.index.colbert.settings import SearchSettings
from colbench.parallel import ALONE
from colbench.progress import quieted
from colbench.retriever.index_documents import kept_tokens
from colbench.settings import explain
from colbench.vectors import Vectors

DEFAULT = "k1000"
"""Option of `conf/search/` that holds where no other is named, as in a run."""

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a search.

    Attributes:
        k: documents of each query.
        filter: over metadata, or None.
        fields: that a filter may name beside those of the index, and their types.
        hybrid: whether BM25 is asked as well.
        align: whether results have alignments.
        settings: of the search.
    """

    k: int
    filter: Mapping[str, Any] | None
    fields: Mapping[str, Any]
    hybrid: bool
    align: bool
    settings: SearchSettings


def search_queries(
    opened: Opened,
    model: Model,
    queries: Sequence[str],
    wanted: Wanted,
    timings: dict[str, float] | None = None,
) -> list[list[Result]]:
    """Return the results of each query.

    Args:
        opened: the version that is searched.
        model: that encodes queries.
        queries: texts.
        wanted: of each of them.
        timings: receives the seconds of each stage: filter, encode, search, bm25, texts.

    Raises:
        ConfigError: the filter cannot be used, or alignments cannot be had.
    """
    if wanted.align and opened.index.manifest.settings.pooling > 1:
        raise ConfigError("align: tokens of this index were merged (pooling): they have no names")
    clock = _Clock(timings)
    allowed = clock.timed("filter", lambda: opened.allowed(wanted.filter, wanted.fields))
    vectors = clock.timed("encode", lambda: model.encode_queries(queries) if queries else [])
    depth = opened.fusion_depth(wanted.k) if wanted.hybrid else wanted.k

    def results_of(query: str, matrix: Vectors) -> list[Result]:
        with ALONE, quieted():
            found = clock.timed(
                "search", lambda: opened.search(matrix, depth, wanted.settings, allowed)
            )
            if wanted.hybrid:
                found = clock.timed("bm25", lambda: opened.fused(query, found, wanted.k, allowed))
        results = clock.timed("texts", lambda: _results(opened, *found))
        if not wanted.align:
            return results
        return [
            dataclasses.replace(one, alignment=_aligned(opened, model, query, matrix, one, passage))
            for one, passage in zip(results, found[1].tolist(), strict=True)
        ]

    return [results_of(*pair) for pair in zip(queries, vectors, strict=True)]


@dataclass
class _Clock:
    """Adds up seconds by stage, where somebody asked for them."""

    seconds: dict[str, float] | None

    def timed(self, stage: str, work: Callable[[], _Outcome]) -> _Outcome:
        started = time.perf_counter()
        outcome = work()
        if self.seconds is not None:
            took = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + took
        return outcome


def _results(opened: Opened, hits: Hits, passages: NDArray[np.int64]) -> list[Result]:
    """Look documents up in the database."""
    documents = opened.database.read([opened.row(doc) for doc in hits.docs.tolist()])
    results = []
    for rank, (document, score, passage) in enumerate(
        zip(documents, hits.scores.tolist(), passages.tolist(), strict=True), start=1
    ):
        name = opened.passage_id(passage)
        number = int(name.rpartition("#")[2])
        if owner_id(name) != document.id or not 1 <= number <= len(document.passages):
            raise StorageError(
                f"{opened.folder}: the index has {name!r} where the database has "
                f"{document.id!r}: restore the folder from one copy"
            )
        found = document.passages[number - 1]
        results.append(Result(rank, score, document.id, document.text, document.metadata, found))
    return results


def _aligned(
    opened: Opened, model: Model, query: str, matrix: Vectors, result: Result, passage: int
) -> Alignment | None:
    """Return what each query token matched in a passage; None where it has no token."""
    rows = opened.vectors(passage)
    if not len(rows):
        return None
    encoder, skip = model.encoder, opened.about.index.skip_tokens
    (asked,) = encoder.query_tokens([query])
    (labels,) = encoder.document_tokens([result.passage.text])
    if skip != "none":
        labels = labels[kept_tokens([result.passage.text], encoder, skip)]
    reduced = np.asarray(opened.index.trained.reduction.vectors(matrix), dtype=np.float32)
    return align(reduced, rows, asked.tolist(), labels.tolist())


def search_settings(name: str, k: int, settings: Mapping[str, Any]) -> SearchSettings:
    """Return checked settings of a search.

    Args:
        name: an option of `conf/search/`.
        k: documents wanted.
        settings: keys in place of those of the option.

    Raises:
        ConfigError: there is no such option or key, or a value cannot be used.
    """
    values = {**_named(name), **settings}
    if k > 1000 and "ndocs" not in settings:
        values["ndocs"] = None  # else a quarter of them is all there is
    try:
        return SearchSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, SearchSettings, "search")) from None


@functools.cache
def _named(name: str) -> dict[str, Any]:
    return named_settings("search", name, (), {})


def check_k(k: Any) -> None:
    """Refuse a number of documents that is none.

    Raises:
        DataError: it is no whole number, or less than 1.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise DataError(f"k={k!r}: ask for at least one document")
