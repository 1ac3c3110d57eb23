"""Reproduced, differs (and in which settings), or not run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.reproduce.matching import Opened, Wanted, find, whole_config
from colbench.reproduce.published import OTHER_METRICS, Average, Entry, Reference
from colbench.reproduce.record import (
    AverageComparison,
    Comparison,
    Counts,
    MeasuredRun,
    OtherFigure,
    SettingDifference,
    Status,
)
from colbench.results.schema import Results, SystemResult

_ENGINE_OF_KIND = {
    "bi_encoder": "colbench (faiss)",
    "colbert": "colbench (PLAID)",
    "colbert_exact": "colbench (MaxSim)",
}
_LEXICAL = frozenset({"bm25", "bm25_okapi", "bm25_lucene"})
_FIRST_STAGE = {"bi_encoder": "faiss", "bm25": "BM25", "bm25_lucene": "Lucene"}


def setting_differences(
    entry: Entry, system: SystemResult, results: Results
) -> tuple[list[SettingDifference], list[str]]:
    """Compare what an entry says with what was measured.

    Returns:
        (settings that differ, settings that the source does not give). A published setting that
        has no counterpart here differs from None.
    """
    published = _published(entry)
    measured = measured_settings(system, results)
    unknown = [key for key, value in published.items() if value is None]
    differing = [
        SettingDifference(setting=key, published=value, measured=measured.get(key))
        for key, value in published.items()
        if value is not None and not _same(value, measured.get(key))
    ]
    return differing, unknown


def _published(entry: Entry) -> dict[str, Any]:
    """Return the published settings by the names that `measured_settings` uses."""
    settings: dict[str, Any] = {"ignore_identical_ids": entry.ignore_identical_ids}
    if entry.encoder is not None:
        settings |= {
            "revision": entry.revision,
            "query_length": entry.query_length,
            "document_length": entry.document_length,
        }
    return settings | entry.engine


def measured_settings(system: SystemResult, results: Results) -> dict[str, Any]:
    """Return what a system was measured with, by the names that entries use."""
    config = whole_config(system, results)
    first = config["first_stage"] if isinstance(config.get("first_stage"), dict) else {}
    lexical = config if config.get("kind") in _LEXICAL else first
    settings: dict[str, Any] = {
        "ignore_identical_ids": ignores_identical_ids(results),
        "k": system.depth,
    }
    settings |= _of_encoder(config.get("encoder"), results)
    settings["engine"] = _engine(config, system.metadata, first)
    if lexical.get("kind") in _LEXICAL:
        settings |= {"k1": lexical["k1"], "b": lexical["b"]}
        settings |= {"fields": _fields(lexical), "tokens": _tokens(lexical)}
    if config.get("kind") == "colbert_exact":
        settings |= {"precision": config.get("precision", "fp16"), "query_precision": "fp32"}
    if config.get("kind") == "rerank_maxsim":
        settings["precision"] = "fp16"
    settings["depth"] = config.get("depth")
    settings["search"] = _search(config, first)
    if isinstance(config.get("index"), dict):
        settings["nbits"] = config["index"].get("nbits")
    if isinstance(config.get("search"), dict):
        settings |= {
            key: config["search"].get(key) for key in ("nprobe", "centroid_score_threshold")
        }
        settings["ndocs"] = config["search"].get("ndocs") or max(4 * (system.depth or 0), 4096)
    return settings


def ignores_identical_ids(results: Results) -> bool:
    """Return whether documents with the query's own id were left out."""
    dataset = results.config["dataset"]
    chosen = dataset.get("ignore_identical_ids")
    by_source = str(dataset.get("id")).startswith("beir/")
    return by_source if chosen is None else bool(chosen)


def _of_encoder(encoder: Any, results: Results) -> dict[str, Any]:
    if not isinstance(encoder, dict):
        return {}
    # Where the encoder has no length of its own, the collection's published one is taken.
    query_length = encoder.get("query_length") or results.config["dataset"].get("query_length")
    return {
        "revision": encoder.get("revision"),
        "query_length": query_length,
        "document_length": encoder.get("document_length"),
    }


def _engine(config: Mapping[str, Any], facts: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    kind = str(config.get("kind"))
    if kind in _LEXICAL:
        return str(facts.get("engine") or config.get("engine"))
    if first:
        scorer = "MaxSim" if kind == "rerank_maxsim" else "cross-encoder"
        return f"colbench ({_FIRST_STAGE.get(str(first.get('kind')), 'first stage')}, {scorer})"
    return _ENGINE_OF_KIND.get(kind, f"colbench ({kind})")


def _fields(lexical: Mapping[str, Any]) -> str:
    return f"title and text {lexical.get('fields', 'joined')}"


def _tokens(bm25: Mapping[str, Any]) -> str:
    if bm25.get("kind") == "bm25_lucene":  # each of Lucene's analysers of a language stems
        return "stemmed words"
    return "stemmed words" if bm25.get("analyser", {}).get("stemmer") else "words"


def _search(config: Mapping[str, Any], first: Mapping[str, Any]) -> str | None:
    index = (first or config).get("index")
    search = config.get("search")
    if isinstance(search, dict):
        return "exhaustive" if search.get("exhaustive") else "PLAID"
    if config.get("kind") == "colbert_exact":
        return "exact"
    return {"flat": "exact", "hnsw": "hnsw"}.get(index) if isinstance(index, str) else None


def _same(published: Any, measured: Any) -> bool:
    if isinstance(published, str) and isinstance(measured, str):
        return published.lower() == measured.lower()
    return bool(published == measured)


_ROUNDING = 1e-9

SUBSET = "a subset of the collection, which no figure of the full one is compared with"
FORUMS = "beir/cqadupstack"


def judge_entries(
    entries: Sequence[Entry],
    runs: Sequence[Opened],
    reasons: Mapping[str, str],
    reference: Reference,
    relative_to: Path | None = None,
) -> list[Comparison]:
    """Compare every entry with what was measured.

    Args:
        entries: what to compare.
        runs: what was measured.
        reasons: entry id → why it was not run, where that is known already.
        reference: all figures, to show others of the same thing.
        relative_to: folder that names of runs are relative to, where they lie below it.
    """
    same = defaultdict(list)
    for entry in reference.entries:
        same[_thing(entry)].append(entry)
    judged = []
    for entry in entries:
        others = [
            OtherFigure(id=other.id, value=other.value, source=other.source.title)
            for other in same[_thing(entry)]
            if other.id != entry.id
        ]
        judged.append(_judge(entry, runs, reasons, others, relative_to))
    return judged


def _thing(entry: Entry) -> tuple[str | None, ...]:
    """Return what two figures share that are of the same thing."""
    settings = str(sorted(entry.settings.items())) if entry.metric not in OTHER_METRICS else None
    return (entry.model.lower(), entry.dataset, entry.metric, entry.system, settings)


def _judge(
    entry: Entry,
    runs: Sequence[Opened],
    reasons: Mapping[str, str],
    others: list[OtherFigure],
    relative_to: Path | None,
) -> Comparison:
    blank = Comparison(
        id=entry.id,
        model=entry.model,
        dataset=entry.dataset,
        split=entry.split,
        metric=entry.metric,
        unit=OTHER_METRICS.get(entry.metric),
        published=entry.value,
        tolerance=entry.tolerance,
        status="not_run",
        suspect=entry.suspect,
        note=entry.note,
        others=others,
        source=entry.source,
    )
    if entry.system is None:
        return blank.model_copy(update={"reason": entry.why})
    full = [opened for opened in runs if not opened.results.collection.sampled]
    measurement = find(Wanted.of(entry), full)
    if measurement is None:
        # A run of a part of the collection is worth saying even where something else is missing.
        subset = find(Wanted.of(entry), runs) is not None
        reason = SUBSET if subset else reasons.get(entry.id, _absent(entry, runs))
        return blank.model_copy(update={"reason": reason})
    opened, system = measurement
    differing, unknown = setting_differences(entry, system, opened.results)
    measured = (system.effectiveness or {}).get(entry.metric)
    update = {
        "settings_that_differ": differing,
        "settings_unknown": unknown,
        "system": system.name,
        "untrained": system.untrained,
        "run": folder_name(opened, relative_to),
    }
    if measured is None:
        reason = f"{system.name} was run without the measure {entry.metric}"
        return blank.model_copy(update={**update, "reason": reason})
    status = _status(measured, entry.value, entry.tolerance)
    low, high = (system.intervals or {}).get(entry.metric, (None, None))
    return blank.model_copy(
        update={
            **update,
            "status": status,
            "measured": measured,
            "low": low,
            "high": high,
            "difference": measured - entry.value,
        }
    )


def _absent(entry: Entry, runs: Sequence[Opened]) -> str:
    here = [opened for opened in runs if opened.dataset == entry.dataset]
    name = Wanted.of(entry).name
    for system in (system for opened in here for system in opened.results.systems):
        if system.name == name and system.status == "failed":
            return f"{name} {system.why_not}"
    if here:
        return "not among the systems of these results"
    return "no results of this dataset"


def _status(measured: float, published: float, tolerance: float | None) -> Status:
    assert tolerance is not None  # costs have no system and are not judged
    within = abs(measured - published) <= tolerance + _ROUNDING
    return "reproduced" if within else "differs"


def judge_average(average: Average, runs: Sequence[Opened]) -> AverageComparison:
    """Compare a mean, or refuse it while a member was not measured in full."""
    full = [opened for opened in runs if not opened.results.collection.sampled]
    blank = AverageComparison(
        id=average.id,
        model=average.model,
        metric=average.metric,
        published=average.value,
        tolerance=average.tolerance,
        status="refused",
        members=average.members,
        missing=average.members or [],
        reason=average.why,
        note=average.note,
        source=average.source,
    )
    if average.system is None:
        return blank
    if average.members is None:
        reason = "the source does not say which collections it is the mean of"
        return blank.model_copy(update={"reason": reason})
    values = {member: _member(average, member, full) for member in average.members}
    missing = [member for member, value in values.items() if value is None]
    if missing:
        reason = f"{len(missing)} of {len(values)} members were not measured in full"
        return blank.model_copy(update={"reason": reason, "missing": missing})
    measured = sum(value for value in values.values() if value is not None) / len(values)
    return blank.model_copy(
        update={
            "status": _status(measured, average.value, average.tolerance),
            "measured": measured,
            "difference": measured - average.value,
            "missing": [],
        }
    )


def _member(average: Average, dataset: str, runs: Sequence[Opened]) -> float | None:
    """Return what was measured on a member; of CQADupStack the mean of its twelve forums."""
    from colbench.config.folder import options

    forums = [name for name in options("dataset") if name.startswith(f"{dataset}/")]
    if dataset == FORUMS:
        values = [_member(average, forum, runs) for forum in forums]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None
    measurement = find(Wanted.of_member(average, dataset), runs)
    return (measurement[1].effectiveness or {}).get(average.metric) if measurement else None


def count(entries: Sequence[Comparison]) -> Counts:
    """Count states; a suspect figure that differs is counted apart."""
    differing = [entry for entry in entries if entry.status == "differs"]
    return Counts(
        reproduced=sum(entry.status == "reproduced" for entry in entries),
        differs=sum(not entry.suspect for entry in differing),
        suspect=sum(entry.suspect for entry in differing),
        not_run=sum(entry.status == "not_run" for entry in entries),
    )


def describe_run(opened: Opened, relative_to: Path | None = None) -> MeasuredRun:
    """Describe results that figures were compared with."""
    results = opened.results
    return MeasuredRun(
        folder=folder_name(opened, relative_to),
        collection=results.collection.name,
        docs=results.collection.docs,
        queries=results.collection.queries,
        fingerprint=results.collection.fingerprint,
        sampled=results.collection.sampled,
        command=results.command,
        created=results.created,
        cpu=results.environment.cpu,
        git_commit=results.environment.git_commit,
    )


def folder_name(opened: Opened, relative_to: Path | None) -> str:
    """Return the folder of results, short where it lies below another."""
    if relative_to is not None and opened.folder.resolve().is_relative_to(relative_to.resolve()):
        return opened.folder.resolve().relative_to(relative_to.resolve()).as_posix()
    return str(opened.folder)
