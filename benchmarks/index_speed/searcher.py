"""Opens our index and searches it.

In a process of its own, so that its peak memory is that of searching: this imports neither torch
nor anything else that a search does without.
"""

from __future__ import annotations

import gc
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.index_speed.task import Searched, SearchReply, SearchTask, StageTimes
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher, Trace


def search(task: SearchTask) -> SearchReply:
    """Search with every setting."""
    lengths = np.load(task.query_lengths, allow_pickle=False)
    matrix = np.load(task.queries, mmap_mode="r", allow_pickle=False)
    queries = np.split(np.asarray(matrix), np.cumsum(lengths)[:-1])
    started = time.perf_counter()
    index = ColbertIndex.open(task.folder)
    opened = time.perf_counter() - started
    searches = [_search(Searcher(index, setting), queries, task) for setting in task.searches]
    from colbench.measures.machine import peak_rss_bytes

    return SearchReply(open_seconds=opened, peak_rss_bytes=peak_rss_bytes(), searches=searches)


def _search(searcher: Searcher, queries: list[NDArray[np.float32]], task: SearchTask) -> Searched:
    """Search all queries once and the timed ones again; keep each query's best time."""
    timed = queries[: task.timed]
    for query in timed[: task.warmup]:
        searcher.search(query, task.k)
    best = [float("inf")] * len(timed)
    docs: list[NDArray[np.int64]] = []
    traces: list[Trace] = [Trace() for _ in timed]
    gc.collect()
    gc.disable()  # not to pause in the middle of a query, as for other engines
    for trial in range(task.trials):
        for number, query in enumerate(queries if trial == 0 else timed):
            trace = Trace()
            started = time.perf_counter()
            hits = searcher.search(query, task.k, trace)
            ms = (time.perf_counter() - started) * 1e3
            if trial == 0:
                docs.append(hits.docs)
            if number < len(timed) and ms < best[number]:
                best[number], traces[number] = ms, trace
    gc.enable()
    return Searched(ms=best, docs=[hits.tolist() for hits in docs], stages=_medians(traces))


def _medians(traces: list[Trace]) -> dict[str, StageTimes]:
    stages = list(dict.fromkeys(stage for trace in traces for stage in trace.seconds))
    return {
        stage: StageTimes(
            ms=float(np.median([trace.seconds.get(stage, 0.0) * 1e3 for trace in traces])),
            items=float(np.median([trace.items.get(stage, 0) for trace in traces]))
            if stage in traces[0].items
            else None,
        )
        for stage in stages
    }
