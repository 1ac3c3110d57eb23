"""From what engines report to rows of the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.engines.reply import BuildReply, SearchReply
from benchmarks.engines.run import peer_available, run_peer
from benchmarks.engines.settings import PeerData, PeerSettings, peer_settings
from benchmarks.index_speed.floors import IndexShape, stage_costs
from benchmarks.index_speed.judge import Judge
from benchmarks.index_speed.record import EngineResult, Machine, SearchResult
from benchmarks.index_speed.settings import IndexSpeedSettings
from colbench.errors import ColbenchError
from colbench.experiment.measurement import other_processes
from colbench.index.colbert.settings import IndexSettings
from colbench.progress import note


def own_result(
    index: IndexSettings, measured: dict[str, Any], judge: Judge, machine: Machine
) -> EngineResult:
    """Judge our own searches and set their stages beside the machine's floors."""
    built, found = measured["build"], measured["search"]
    shape = IndexShape(
        centroids=built["centroids"],
        dims=built["dims"],
        tokens=built["tokens"],
        documents=built["documents"],
        code_bytes=built["code_bytes"],
    )
    searches = []
    for settings, one in zip(measured["settings"], found["searches"], strict=True):
        result = judge.result(settings["name"], settings, one["ms"], one["docs"])
        costs = stage_costs(one["stages"], shape, judge.query_tokens(), machine)
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
        open_seconds=found["open_seconds"],
        search_peak_bytes=found["peak_rss_bytes"],
        searches=searches,
    )


def peer_result(
    name: str,
    speed: IndexSpeedSettings,
    judge: Judge,
    *,
    folder: Path,
    work: Path,
    threads: int,
    seed: int,
) -> EngineResult:
    """Let a peer build and search; what it cannot do is an `error` and not a missing row."""
    peer = peer_settings(name)
    described: dict[str, Any] = {"engine": name, "about": peer.about, "parameters": peer.build}
    if speed.peer_python is None:
        why = "not measured: name the Python of its environment with index_speed.peer_python"
        return EngineResult(**described, error=why)
    if why_not := peer_available(speed.peer_python, peer):
        return EngineResult(**described, error=f"not measured: {why_not}")
    files = judge.files
    data = PeerData(
        vectors=files.vectors,
        lengths=files.lengths,
        queries=files.queries,
        query_lengths=files.query_lengths,
    )
    common: dict[str, Any] = {
        "folder": folder,
        "work": work,
        "threads": threads,
        "timeout_seconds": speed.peer_timeout,
        "seed": seed,
    }
    try:
        note(f"{name}: building")
        with other_processes() as building:
            built = run_peer(speed.peer_python, peer, "build", data, **common)
        note(f"{name}: built in {built.seconds:.0f} s, searching")
        common |= {"k": speed.k, "trials": speed.trials, "warmup": speed.warmup}
        with other_processes() as searching:
            found = run_peer(speed.peer_python, peer, "search", data, **common, timed=judge.timed)
    except ColbenchError as error:
        return EngineResult(**described, error=str(error))
    described |= {"build_others": building[0], "search_others": searching[0]}
    return _peer_row(described, peer, built, found, judge)


def _peer_row(
    described: dict[str, Any],
    peer: PeerSettings,
    built: BuildReply,
    found: SearchReply,
    judge: Judge,
) -> EngineResult:
    searches = []
    for settings, one in zip(peer.search, found.settings, strict=True):
        values = settings.model_dump()
        if one.error is not None:
            searches.append(SearchResult(name=one.name, parameters=values, error=one.error))
        else:
            searches.append(judge.result(one.name, values, one.ms, one.docs))
    tokens = judge.files.documents().tokens
    return EngineResult(
        **described,
        version=found.version,
        build_seconds=built.seconds,
        build_peak_bytes=built.peak_rss_bytes,
        index_bytes=built.index_bytes,
        bytes_per_vector=built.index_bytes / tokens,
        open_seconds=found.open_seconds,
        search_peak_bytes=found.peak_rss_bytes,
        searches=searches,
    )
