"""Results of a full test set as files of MTEB.

They are a `TaskResult`, `model_meta.json` and `run_settings.jsonl` for each system, in the folders
of MTEB's `ResultCache`: `results/<model>/<revision>/<task>.json`. Scores are rounded to five
digits, as MTEB rounds them. Format: mteb 2.26.24.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.files import atomic_write, ensure_writable, write_json
from colbench.mteb.meta import model_meta
from colbench.results.mteb_tasks import MTEB_VERSION, MtebTask
from colbench.results.schema import Results, SystemResult
from colbench.results.store import verified_run
from colbench.results.task_result import (
    KIND,
    SUBSET,
    check_task,
    drops_identical_ids,
    ids_meet,
    named_task,
    score_name,
    task_of,
)

_MAIN = "ndcg@10"
_LANGUAGES = ["eng-Latn"]
_DIGITS = 5


def export_results(
    results: Results,
    folder: Path,
    output: Path,
    *,
    systems: Sequence[str] = (),
    task: str | None = None,
) -> list[Path]:
    """Write a `TaskResult` for each system that was measured.

    Args:
        results: of a full test set that MTEB has as a task.
        folder: where they lie.
        output: folder of MTEB's results.
        systems: those to write; all that were measured where empty.
        task: name of the task, where the id of the dataset does not tell; sizes are checked.

    Returns:
        The files of the tasks.

    Raises:
        ConfigError: a system is unknown or was not measured.
        DataError: the collection is no task of MTEB, or a part of one; documents with the query's
            own id count where MTEB drops them, or were dropped where it keeps them.
        StorageError: a file cannot be written, or a run that is needed cannot be read.
    """
    where = str(folder)
    found = named_task(task) if task is not None else task_of(results)
    if found is None:
        raise DataError(
            f"{where}: colbench knows no task of MTEB whose test set is {results.collection.name}: "
            "name it with --task, if it is one"
        )
    known = task_of(results)
    if known is not None and known != found:
        raise DataError(f"{where}: {results.collection.name} is {known.name}, not {found.name}")
    check_task(results, found, where)
    if _MAIN not in results.measures:
        raise DataError(f"{where}: {found.name} is scored by {_MAIN}, which was not measured")
    chosen = _chosen(results, systems)
    for system in chosen:
        _check_rule(results, system, folder, found)
    return [_write(results, system, found, output) for system in chosen]


def _chosen(results: Results, wanted: Sequence[str]) -> list[SystemResult]:
    by_name = {system.name: system for system in results.systems}
    for name in wanted:
        if name not in by_name:
            raise ConfigError(f"no system '{name}' in the results: {did_you_mean(name, by_name)}")
        if by_name[name].status != "ok":
            raise ConfigError(f"'{name}' was not measured: {by_name[name].why_not}")
    chosen = [by_name[name] for name in dict.fromkeys(wanted)] or [
        system
        for system in results.systems
        if system.status == "ok" and system.config.get("kind") != KIND
    ]
    if not chosen:
        raise ConfigError("no system of these results was measured: there is nothing to write")
    return chosen


def _check_rule(results: Results, system: SystemResult, folder: Path, task: MtebTask) -> None:
    """Refuse rankings that MTEB would have evaluated with other documents in them."""
    ours = drops_identical_ids(results)
    if ours == task.drops_identical_ids:
        return
    if ours:
        differs, other = ids_meet(results), "false"
    else:
        rankings = verified_run(results, system, folder).rankings
        differs = any(query in ranking.doc_ids for query, ranking in rankings.items())
        other = "true"
    if differs:
        does = "drops" if task.drops_identical_ids else "keeps"
        raise DataError(
            f"{system.name}: MTEB's {task.name} {does} documents with the query's own id: run it "
            f"with dataset.ignore_identical_ids={other}"
        )


def _write(results: Results, system: SystemResult, task: MtebTask, output: Path) -> Path:
    meta = model_meta(system.name, _settings(results, system))
    name = str(meta["name"]).replace("/", "__").replace(" ", "_")
    place: Path = output / "results" / name / meta["revision"]
    path = place / f"{task.name}.json"
    ensure_writable(place)
    write_json(place / "model_meta.json", {**meta, "loader": None, "is_cross_encoder": False})
    _write_settings(results, system, task, place / "run_settings.jsonl")
    write_json(path, _task_result(results, system, task))
    return path


def _settings(results: Results, system: SystemResult) -> dict[str, Any]:
    """Return the settings of a system and of those that it names among the systems of the run."""
    running = results.config.get("system")
    running = running if isinstance(running, Mapping) else {}
    found: dict[str, Any] = {system.name: system.config}
    waiting: list[Any] = [system.config]
    while waiting:
        for value in waiting.pop().values():
            for name in value if isinstance(value, list) else [value]:
                part = running.get(name) if isinstance(name, str) else None
                if isinstance(part, Mapping) and name not in found:
                    found[name] = part
                    waiting.append(part)
    return found


def _task_result(results: Results, system: SystemResult, task: MtebTask) -> dict[str, Any]:
    depth = system.depth or 0
    scores: dict[str, Any] = {}
    for measure, value in (system.effectiveness or {}).items():
        name = score_name(measure, depth)
        if name is not None:
            scores[name] = round(value, _DIGITS)
    if "recall_at_1" in scores:
        scores["accuracy"] = scores["recall_at_1"]
    scores |= {
        "main_score": scores["ndcg_at_10"],
        "hf_subset": SUBSET,
        "languages": _LANGUAGES,
        "mteb_version": MTEB_VERSION,
    }
    return {
        "dataset_revision": task.revision,
        "task_name": task.name,
        "mteb_version": MTEB_VERSION,
        "scores": {task.split: [scores]},
        "evaluation_time": None,
        "kg_co2_emissions": None,
        "date": _date(results.created),
        "evaluation_phases": None,
    }


def _date(created: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(created).timestamp()
    except (ValueError, OverflowError):
        return None


def _write_settings(results: Results, system: SystemResult, task: MtebTask, path: Path) -> None:
    """Put the line of a task among those of others, as MTEB does."""
    packages = results.environment.packages
    entry = {
        "task": task.name,
        "splits": [task.split],
        "version": {
            "mteb": None,
            "colbench": results.colbench_version,
            **{name: packages.get(name) for name in ("torch", "sentence-transformers")},
            "transformers": packages.get("transformers"),
        },
        "encode_kwargs": {},
        "colbench": {"command": results.command, "system": system.config, "depth": system.depth},
        "subsets": [SUBSET],
    }
    others = [line for line in _lines(path) if line.get("task") != task.name]
    with atomic_write(path) as stream:
        stream.writelines(json.dumps(line) + "\n" for line in [*others, entry])


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found = []
    for text in texts:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            found.append(line)
    return found
