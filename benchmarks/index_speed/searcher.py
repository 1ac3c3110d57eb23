"""Opens our index and searches it: `python -m benchmarks.index_speed.searcher JOB.json`.

A process of its own, so that its peak memory is that of searching. It imports neither torch nor
anything else that a search does without.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.files import write_json
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher, Trace
from colbench.index.colbert.settings import SearchSettings


def main(job_file: str) -> None:
    """Do the job and write the reply.

    The job holds: folder, queries, query_lengths (paths), searches (list of `SearchSettings`), k,
    timed, trials, warmup, reply (path).
    """
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    lengths = np.load(job["query_lengths"], allow_pickle=False)
    matrix = np.load(job["queries"], mmap_mode="r", allow_pickle=False)
    queries = np.split(np.asarray(matrix), np.cumsum(lengths)[:-1])
    started = time.perf_counter()
    index = ColbertIndex.open(Path(job["folder"]))
    opened = time.perf_counter() - started
    settings = [SearchSettings.model_validate(values) for values in job["searches"]]
    searches = [_search(Searcher(index, setting), queries, job) for setting in settings]
    from colbench.measures.memory import peak_rss_bytes

    reply = {"open_seconds": opened, "peak_rss_bytes": peak_rss_bytes()}
    for search in searches:
        search["docs"] = [docs.tolist() for docs in search["docs"]]
    write_json(Path(job["reply"]), {**reply, "searches": searches})


def _search(
    searcher: Searcher, queries: list[NDArray[np.float32]], job: dict[str, Any]
) -> dict[str, Any]:
    """Search all queries once and the timed ones again; keep each query's best time."""
    timed = queries[: job["timed"]]
    for query in timed[: job["warmup"]]:
        searcher.search(query, job["k"])
    best = [float("inf")] * len(timed)
    docs: list[NDArray[np.int64]] = []
    traces: list[Trace] = [Trace() for _ in timed]
    gc.collect()
    gc.disable()  # not to pause in the middle of a query, as for the peers
    for trial in range(job["trials"]):
        for number, query in enumerate(queries if trial == 0 else timed):
            trace = Trace()
            started = time.perf_counter()
            found = searcher.search(query, job["k"], trace)
            ms = (time.perf_counter() - started) * 1e3
            if trial == 0:
                docs.append(found.docs)
            if number < len(timed) and ms < best[number]:
                best[number], traces[number] = ms, trace
    gc.enable()
    return {"ms": best, "docs": docs, "stages": _medians(traces)}


def _medians(traces: list[Trace]) -> dict[str, dict[str, float | None]]:
    stages = list(dict.fromkeys(stage for trace in traces for stage in trace.seconds))
    return {
        stage: {
            "ms": float(np.median([trace.seconds.get(stage, 0.0) * 1e3 for trace in traces])),
            "items": float(np.median([trace.items.get(stage, 0) for trace in traces]))
            if stage in traces[0].items
            else None,
        }
        for stage in stages
    }


if __name__ == "__main__":
    main(sys.argv[1])
