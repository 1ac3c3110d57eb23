"""From what engines report to rows of the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.engines.reply import BuildReply, SearchReply
from benchmarks.engines.run import engine_available, run_engine
from benchmarks.engines.settings import EngineData, EngineSettings, engine_settings
from benchmarks.index_speed.evaluator import Evaluator
from benchmarks.index_speed.floors import IndexShape, stage_costs
from benchmarks.index_speed.record import EngineResult, Machine, SearchResult
from benchmarks.index_speed.settings import IndexSpeedSettings
from colbench.errors import ColbenchError
from colbench.experiment.measurement import other_processes
from colbench.index.colbert.settings import IndexSettings
from colbench.progress import note


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
    work: Path,
    threads: int,
    seed: int,
) -> EngineResult:
    """Let an engine build and search; what it cannot do is an `error` and not a missing row."""
    engine = engine_settings(name)
    described: dict[str, Any] = {"engine": name, "about": engine.about, "parameters": engine.build}
    if speed.engine_python is None:
        why = "not measured: name the Python of its environment with index_speed.engine_python"
        return EngineResult(**described, error=why)
    if why_not := engine_available(speed.engine_python, engine):
        return EngineResult(**described, error=f"not measured: {why_not}")
    files = evaluator.files
    data = EngineData(
        vectors=files.vectors,
        lengths=files.lengths,
        queries=files.queries,
        query_lengths=files.query_lengths,
    )
    common: dict[str, Any] = {
        "folder": folder,
        "work": work,
        "threads": threads,
        "timeout_seconds": speed.engine_timeout,
        "seed": seed,
    }
    try:
        note(f"{name}: building")
        with other_processes() as building:
            built = run_engine(speed.engine_python, engine, "build", data, **common)
        note(f"{name}: built in {built.seconds:.0f} s, searching")
        common |= {"k": speed.k, "trials": speed.trials, "warmup": speed.warmup}
        with other_processes() as searching:
            searched = run_engine(
                speed.engine_python, engine, "search", data, **common, timed=evaluator.timed
            )
    except ColbenchError as error:
        return EngineResult(**described, error=str(error))
    described |= {"build_others": building[0], "search_others": searching[0]}
    return _engine_row(described, engine, built, searched, evaluator)


def _engine_row(
    described: dict[str, Any],
    engine: EngineSettings,
    built: BuildReply,
    searched: SearchReply,
    evaluator: Evaluator,
) -> EngineResult:
    searches = []
    for settings, one in zip(engine.search, searched.settings, strict=True):
        values = settings.model_dump()
        if one.error is not None:
            searches.append(SearchResult(name=one.name, parameters=values, error=one.error))
        else:
            searches.append(evaluator.result(one.name, values, one.ms, one.docs))
    tokens = evaluator.files.documents().tokens
    return EngineResult(
        **described,
        version=searched.version,
        build_seconds=built.seconds,
        build_peak_bytes=built.peak_rss_bytes,
        index_bytes=built.index_bytes,
        bytes_per_vector=built.index_bytes / tokens,
        open_seconds=searched.open_seconds,
        search_peak_bytes=searched.peak_rss_bytes,
        searches=searches,
    )
