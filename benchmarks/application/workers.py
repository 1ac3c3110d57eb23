"""Makes, searches and changes an index, each in a process of its own."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.application.made_up import FILTERS, MadeUpEncoder, Source, row_of, text_of
from benchmarks.application.record import Filtered, Timed
from benchmarks.application.task import (
    BuildReply,
    BuildTask,
    ChangeReply,
    ChangeTask,
    SearchReply,
    SearchTask,
    Task,
)
from colbench.application import Colbert
from colbench.measures.machine import peak_rss_bytes
from colbench.vectors import Vectors

_WARM_UP = 5


class _Timed(MadeUpEncoder):
    """Measures what making vectors up takes."""

    seconds = 0.0

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        started = time.perf_counter()
        vectors = super().encode_documents(texts)
        self.seconds += time.perf_counter() - started
        return vectors


def _encoder(task: Task) -> _Timed:
    return _Timed(Source(task.source), task.tokens, task.query_tokens)


def build(task: BuildTask) -> BuildReply:
    """Make the index of documents that come one by one."""
    encoder = _encoder(task)
    words = Source(task.source).words()
    numbers = range(task.documents)
    started = time.perf_counter()
    index = Colbert.from_pretrained(encoder).index(
        (text_of(number, words) for number in numbers),
        task.folder,
        metadata=(row_of(number) for number in numbers),
        verbose=False,
        **task.settings.model_dump(),
    )
    seconds = time.perf_counter() - started
    return BuildReply(
        seconds=seconds,
        encoding_seconds=encoder.seconds,
        peak_bytes=peak_rss_bytes(),
        vector_bytes=_bytes(task.folder / "index"),
        database_bytes=sum(_bytes(path) for path in task.folder.glob("documents.sqlite*")),
        centroids=index.state.manifest.centroids,
    )


def search(task: SearchTask) -> SearchReply:
    """Search with and without filters, and with BM25."""
    encoder = _encoder(task)
    started = time.perf_counter()
    index = Colbert.open(task.folder, encoder=encoder)
    opened = time.perf_counter() - started
    words = Source(task.source).words()
    queries = [text_of(-1 - number, words) for number in range(task.queries)]
    everything = _timed(index, queries, task)
    overlap = _overlap(index, queries[: task.judged], task.k, None)
    filters = [_filtered(index, queries, name, task) for name in FILTERS]
    peak = peak_rss_bytes()
    started = time.perf_counter()
    index.search(queries[0], k=task.k, hybrid=True)
    first = time.perf_counter() - started
    hybrid = _timed(index, queries, task, hybrid=True)
    return SearchReply(
        open_seconds=opened,
        peak_bytes=peak,
        everything=everything,
        overlap=overlap,
        filters=filters,
        hybrid=hybrid,
        hybrid_first_seconds=first,
        hybrid_peak_bytes=peak_rss_bytes(),
        bm25_bytes=_bytes(task.folder / "bm25"),
    )


def _timed(index: Colbert, queries: Sequence[str], task: SearchTask, **options: Any) -> Timed:
    """Search one query at a time; the fastest of all passes counts for each."""
    for query in queries[:_WARM_UP]:
        index.search(query, k=task.k, **options)
    passes = [_pass(index, queries, task.k, **options) for _ in range(task.trials)]
    fastest = np.min([[ms for ms, _ in one] for one in passes], axis=0)
    stages = [stages for _, stages in passes[-1]]
    return Timed(
        p50_ms=float(np.median(fastest)),
        p99_ms=float(np.quantile(fastest, 0.99)),
        stages={
            stage: 1e3 * float(np.median([one[stage] for one in stages])) for stage in stages[0]
        },
    )


def _pass(
    index: Colbert,
    queries: Sequence[str],
    k: int,
    before: Callable[[], None] = lambda: None,
    **options: Any,
) -> list[tuple[float, dict[str, float]]]:
    """Return milliseconds of each query, and the seconds of its stages."""
    times = []
    gc.collect()
    gc.disable()  # not to pause in the middle of a query
    for query in queries:
        stages: dict[str, float] = {}
        before()
        started = time.perf_counter()
        index.search(query, k=k, timings=stages, **options)
        times.append((1e3 * (time.perf_counter() - started), stages))
    gc.enable()
    return times


def _filtered(index: Colbert, queries: Sequence[str], name: str, task: SearchTask) -> Filtered:
    """Search with a filter that was not asked before, and again."""
    filter, some = FILTERS[name], queries[: task.filtered]
    allowed = index.opened.allowed(filter)
    assert allowed is not None
    index.search(some[0], k=task.k, filter=filter)
    first = _pass(index, some, task.k, index.opened._answers.clear, filter=filter)
    return Filtered(
        name=name,
        documents=int(allowed.sum()),
        first_p50_ms=float(np.median([ms for ms, _ in first])),
        repeated=_timed(index, some, task, filter=filter),
        overlap=_overlap(index, queries[: task.judged], task.k, filter),
    )


def _overlap(index: Colbert, queries: Sequence[str], k: int, filter: Any) -> float:
    """Return the share of the best of an exhaustive search that are found."""
    shares = []
    for query in queries:
        best = {one.id for one in index.search(query, k=k, filter=filter, exhaustive=True)}
        found = {one.id for one in index.search(query, k=k, filter=filter)}
        if best:
            shares.append(len(best & found) / len(best))
    return float(np.mean(shares)) if shares else 1.0


def change(task: ChangeTask) -> ChangeReply:
    """Add documents several times, and delete as many of those that were there."""
    encoder = _encoder(task)
    words = Source(task.source).words()
    index = Colbert.open(task.folder, encoder=encoder)
    seconds = []
    for number in range(task.additions):
        numbers = range(
            task.documents + number * task.changed, task.documents + (number + 1) * task.changed
        )
        texts = [text_of(one, words) for one in numbers]
        rows = [row_of(one) for one in numbers]
        ids = [f"added {one}" for one in numbers]
        seconds.append(_seconds(index.add, texts, ids=ids, metadata=rows))
    gone = [str(one) for one in _spread(task.documents, task.changed)]
    deleted = _seconds(index.delete, gone)
    return ChangeReply(
        add_seconds=seconds,
        delete_seconds=deleted,
        open_seconds=_seconds(Colbert.open, task.folder, encoder=encoder),
        peak_bytes=peak_rss_bytes(),
    )


def _spread(documents: int, wanted: int) -> Iterator[int]:
    step = max(documents // wanted, 1)
    return iter(range(0, min(step * wanted, documents), step))


def _seconds(work: Callable[..., Any], *given: Any, **options: Any) -> float:
    started = time.perf_counter()
    work(*given, **options)
    return time.perf_counter() - started


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
