"""From what engines report to rows of the comparison."""

from __future__ import annotations

from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index_speed.engine_settings import EngineSearch, engine_settings
from benchmarks.index_speed.evaluator import Evaluator
from benchmarks.index_speed.floors import IndexShape, stage_costs
from benchmarks.index_speed.record import EngineResult, Machine, SearchResult
from benchmarks.index_speed.settings import IndexSpeedSettings
from colbench.errors import ColbenchError, PackagesUnavailable
from colbench.experiment.measurement import other_processes
from colbench.index.colbert.settings import IndexSettings
from colbench.paths import remove_made
from colbench.progress import note
from colbench.retriever.engines.process import EngineError, EngineProcess, Limits


def own_result(
    index: IndexSettings, measured: dict[str, Any], evaluator: Evaluator, machine: Machine
) -> EngineResult:
    """Evaluate our own searches and set their stages beside the machine's floors."""
    built, searched = measured["build"], measured["search"]
    shape = IndexShape(
        centroids=built["centroids"],
        dims=built["dims"],
        tokens=built["tokens"],
        documents=built["documents"],
        code_bytes=built["code_bytes"],
    )
    searches = []
    for settings, one in zip(measured["settings"], searched["searches"], strict=True):
        result = evaluator.result(settings["name"], settings, one["ms"], one["docs"])
        costs = stage_costs(one["stages"], shape, evaluator.query_tokens(), machine)
        searches.append(result.model_copy(update={"stages": costs}))
    return EngineResult(
        engine="colbench",
        about="this index",
        parameters=index.model_dump(mode="json"),
        build_seconds=built["seconds"],
        build_peak_bytes=built["peak_rss_bytes"],
        build_others=measured["build_others"],
        search_others=measured["search_others"],
        index_bytes=built["index_bytes"],
        bytes_per_vector=built["index_bytes"] / built["tokens"],
        open_seconds=searched["open_seconds"],
        search_peak_bytes=searched["peak_rss_bytes"],
        searches=searches,
    )


def engine_result(
    name: str,
    speed: IndexSpeedSettings,
    evaluator: Evaluator,
    *,
    folder: Path,
    threads: int,
    seed: int,
) -> EngineResult:
    """Let an engine build and search; what it cannot do is an `error` and not a missing row.

    One process builds, and a fresh one opens the index and searches it.
    """
    settings = engine_settings(name)
    described: dict[str, Any] = {
        "engine": name,
        "about": settings.about,
        "parameters": settings.build,
    }
    declared = settings.declaration
    python = declared.find_python(speed.engine_python)
    if python is None:
        why = f"name a Python that has it with index_speed.engine_python; {declared.advice()}"
        return EngineResult(**described, error=f"not measured: {why}")
    limits = Limits(build_seconds=speed.engine_timeout, query_seconds=speed.engine_timeout)
    options: dict[str, Any] = {"threads": threads, "seed": seed, "limits": limits}
    options["default_openmp"] = True  # what is another's keeps its defaults
    try:
        note(f"{name}: building")
        with closing(EngineProcess(declared, python, **options)) as process:
            version = process.versions.get(declared.package)
            if other := declared.other_version(version):
                raise PackagesUnavailable(f"{other}; {declared.advice()}")
            files = evaluator.files
            remove_made(folder, inside=folder.parent)
            with other_processes() as building:
                seconds = process.build(files.vectors, files.lengths, folder, settings.build)
            described |= {
                "version": version,
                "build_seconds": seconds,
                "build_peak_bytes": process.peak_bytes(),
                "build_others": building[0],
            }
        note(f"{name}: built in {seconds:.0f} s, searching")
        with closing(EngineProcess(declared, python, **options)) as process:
            with other_processes() as searching:
                opened, sizes = process.open(folder)
                searches = [
                    _searched(process, search, speed, evaluator) for search in settings.search
                ]
            index_bytes = sum(sizes.values())
            described |= {
                "open_seconds": opened,
                "search_peak_bytes": process.peak_bytes(),
                "search_others": searching[0],
                "index_bytes": index_bytes,
                "bytes_per_vector": index_bytes / evaluator.files.documents().tokens,
            }
    except PackagesUnavailable as error:
        return EngineResult(**described, error=f"not measured: {error}")
    except ColbenchError as error:
        return EngineResult(**described, error=str(error))
    return EngineResult(**described, searches=searches)


def _searched(
    process: EngineProcess, search: EngineSearch, speed: IndexSpeedSettings, evaluator: Evaluator
) -> SearchResult:
    """Search all queries with one setting, the timed ones in every trial; keep their least times.

    The documents of a query stand in the order of their scores, and -1 where there are fewer.
    """
    given, values = search.given(), search.model_dump()
    queries = evaluator.files.read_queries()
    documents = len(evaluator.files.documents().ids)
    best = [float("inf")] * len(queries)
    docs: list[list[int]] = []
    try:
        for query in islice(cycle(queries), speed.warmup):
            process.search(query, speed.k, given, documents=documents)
        for trial in range(speed.trials):
            for number, query in enumerate(queries if trial == 0 else queries[: evaluator.timed]):
                found = process.search(query, speed.k, given, documents=documents)
                best[number] = min(best[number], found.nanoseconds / 1e6)
                if trial == 0:
                    ranking = found.docs[np.argsort(-found.scores, kind="stable")][: speed.k]
                    docs.append([*ranking.tolist(), *[-1] * (speed.k - len(ranking))])
    except EngineError as error:
        told = str(error).partition(": search: ")[2]
        return SearchResult(name=search.name, parameters=values, error=told)
    return evaluator.result(search.name, values, best, docs)
