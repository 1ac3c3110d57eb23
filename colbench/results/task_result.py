"""Files of MTEB's `TaskResult`, as rows beside systems that were measured here.

Such a file has means and no values of single queries: a row without tests, costs and run.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colbench.collection.validate import SHARED_IDS
from colbench.errors import DataError, StorageError, did_you_mean
from colbench.measures.catalogue import METRICS, Measure, parse
from colbench.results.mteb_tasks import TASKS, MtebTask
from colbench.results.schema import Results, SystemResult

DEPTH = 1000
"""Documents that MTEB retrieves per query."""
SUBSET = "default"
"""The one subset of a task in one language."""
KIND = "task_result"
"""Of a system that such a file is of, in place of a kind that can run."""

_LARGEST = 20_000_000
_SCORES = frozenset({"ndcg", "map", "recall", "precision", "mrr", "hit_rate"})


def score_name(measure: str, depth: int) -> str | None:
    """Return what MTEB calls a measure; None for one that it does not have.

    Args:
        measure: its name here.
        depth: documents that were retrieved per query.

    >>> score_name("ndcg@10", 1000), score_name("map", 1000), score_name("rbp.95", 1000)
    ('ndcg_at_10', 'map_at_1000', None)
    >>> score_name("map", 100) is None
    True
    """
    parsed: Measure = parse(measure)
    if parsed.metric not in _SCORES or parsed.level > 1:
        return None
    if parsed.cutoff is not None:
        return f"{parsed.metric}_at_{parsed.cutoff}"
    takes_all = METRICS[parsed.metric].parameter == "k?" and depth == DEPTH
    return f"{parsed.metric}_at_{DEPTH}" if takes_all and parsed.metric != "ndcg" else None


@dataclass(frozen=True)
class TaskResult:
    """What a file holds.

    Attributes:
        path: of the file.
        model: what was evaluated, as `model_meta.json` beside it, or else its folders, name it.
        task: name of the task.
        mteb_version: the version that evaluated it; None where that is not told.
        revision: of the task's data.
        created: UTC time of the evaluation, ISO 8601; "at an unknown time" where it is not told.
        scores: split → name of a score → mean over queries.
    """

    path: Path
    model: str
    task: str
    mteb_version: str | None
    revision: str
    created: str
    scores: dict[str, dict[str, float]]


def is_task_result(path: Path) -> bool:
    """Return whether a file is a `TaskResult` rather than results of colbench."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "task_name" in content and "scores" in content


def read_task_result(path: Path) -> TaskResult:
    """Read a file that `mteb.evaluate` has written.

    Raises:
        StorageError: it cannot be read, or is something else.
    """
    content = _object(path)
    if "mteb_dataset_name" in content:
        raise StorageError(f"{path} is of MTEB before 1.11: load it with MTEB and save it again")
    task, scores = content.get("task_name"), content.get("scores")
    if not isinstance(task, str) or not isinstance(scores, dict):
        raise StorageError(
            f"{path} is no TaskResult of MTEB, which has 'task_name' and 'scores': name the file "
            "of a task, as in results/MODEL/REVISION/SciFact.json"
        )
    version, revision = content.get("mteb_version"), content.get("dataset_revision")
    return TaskResult(
        path,
        _model_of(path),
        task,
        version if isinstance(version, str) else None,
        revision if isinstance(revision, str) else "",
        _created(content.get("date")),
        {str(split): _means(entries, path, str(split)) for split, entries in scores.items()},
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise StorageError(f"{path} has more than {_LARGEST:,} bytes: it is no TaskResult")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise StorageError(f"{path} is no TaskResult of MTEB: it holds no JSON object")
    return content


def _means(entries: Any, path: Path, split: str) -> dict[str, float]:
    """Return the scores of the one subset of a split; none where it is in several languages."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise StorageError(f"{path}: the scores of '{split}' are no list of objects")
    found = [entry for entry in entries if entry.get("hf_subset") == SUBSET]
    if len(found) > 1:
        raise StorageError(f"{path}: '{split}' has the subset '{SUBSET}' {len(found)} times")
    return {
        str(name): float(value)
        for entry in found
        for name, value in entry.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _created(date: Any) -> str:
    try:
        if isinstance(date, str):
            return datetime.datetime.fromisoformat(date).isoformat(timespec="seconds")
        return datetime.datetime.fromtimestamp(date, datetime.UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return "at an unknown time"


def _model_of(path: Path) -> str:
    try:
        name = _object(path.parent / "model_meta.json").get("name")
    except StorageError:
        name = None
    if isinstance(name, str) and name.strip():
        return " ".join(name.split())[:200]
    folders = path.absolute().parent.parts[-2:-1]
    named = folders and "__" in folders[0]
    return folders[0].replace("__", "/", 1) if named else path.stem


def task_of(results: Results) -> MtebTask | None:
    """Return the task that is the collection of results, by its id of ir_datasets; or None."""
    dataset = results.config.get("dataset")
    source = dataset.get("id") if isinstance(dataset, dict) else None
    return TASKS.get(source) if isinstance(source, str) else None


def check_task(results: Results, task: MtebTask, where: str) -> None:
    """Refuse results of another collection than a task's, or of a part of it.

    Args:
        results: of colbench.
        task: that they should be of.
        where: the file, for messages.

    Raises:
        DataError: it is a sample, or has another number of documents or queries.
    """
    found = results.collection
    if found.sampled:
        raise DataError(
            f"{where}: {found.name} is a sample, and MTEB's {task.name} is the full test set: run "
            "it without dataset.sample"
        )
    if (found.docs, found.queries) != (task.docs, task.queries):
        raise DataError(
            f"{where}: {found.name} has {found.docs:,} documents and {found.queries:,} queries, "
            f"MTEB's {task.name} {task.docs:,} and {task.queries:,}: they are not the same test "
            "set"
        )


def named_task(name: str) -> MtebTask:
    """Return the task of a name.

    Raises:
        DataError: it is none that is known here.
    """
    for task in TASKS.values():
        if task.name == name:
            return task
    hint = did_you_mean(name, {task.name for task in TASKS.values()})
    raise DataError(f"'{name}' is no task of MTEB that colbench knows the test set of: {hint}")


def with_rows(results: Results, files: Sequence[TaskResult]) -> Results:
    """Return results with a row for each file, below those of the systems.

    Raises:
        DataError: a file is of another task than the results, or lacks their primary measure.
    """
    rows: list[SystemResult] = []
    notes: list[str] = []
    for file in files:
        taken = {system.name for system in [*results.systems, *rows]}
        row = _row(results, file, taken)
        rows.append(row)
        notes += _notes(results, file, row)
    return results.model_copy(
        update={
            "systems": [*results.systems, *rows],
            "notes": list(dict.fromkeys([*results.notes, *notes])),
        }
    )


def as_results(file: TaskResult, beside: Results) -> Results:
    """Return results of one system, that of a file, on the collection of others.

    Raises:
        DataError: the file is of another task, or lacks their primary measure.
    """
    row = _row(beside, file, set())
    return beside.model_copy(
        update={
            "experiment": file.task,
            "command": f"MTEB {file.mteb_version or ''}".strip(),
            "created": file.created,
            "measures": [name for name in beside.measures if name in (row.effectiveness or {})],
            "reference": None,
            "sweep": None,
            "notes": _notes(beside, file, row),
            "systems": [row],
        }
    )


def _row(results: Results, file: TaskResult, taken: set[str]) -> SystemResult:
    task = named_task(file.task)
    known = task_of(results)
    where = str(file.path)
    if known is not None and known != task:
        raise DataError(
            f"{where} is of MTEB's {task.name}, and {results.collection.name} is {known.name}: "
            "they are not the same test set"
        )
    check_task(results, task, where)
    scores = file.scores.get(task.split, {})
    means = {
        measure: scores[name]
        for measure in results.measures
        if (name := score_name(measure, min(DEPTH, _depth(results)))) in scores
    }
    primary = results.primary or results.measures[0]
    if primary not in means or not all(0 <= value <= 1 for value in means.values()):
        raise DataError(
            f"{where}: no {primary} of the split '{task.split}' is there, as a number from 0 to 1"
        )
    name = file.model
    if name in taken:
        name = f"{name} (MTEB)"
    number = 2
    while name in taken:
        name, number = f"{file.model} (MTEB {number})", number + 1
    facts = {
        "task": task.name,
        "mteb_version": file.mteb_version,
        "dataset_revision": file.revision,
    }
    return SystemResult(
        name=name,
        status="ok",
        config={"kind": KIND},
        metadata=facts,
        effectiveness=means,
        depth=min(DEPTH, task.docs),
    )


def _depth(results: Results) -> int:
    return max((system.depth or 0 for system in results.systems), default=0)


def _notes(results: Results, file: TaskResult, row: SystemResult) -> list[str]:
    task = named_task(file.task)
    version = f" {file.mteb_version}" if file.mteb_version else ""
    notes = [
        f"{row.name}: means of MTEB{version} ({task.name}), without values of queries: not tested, "
        "and without costs"
    ]
    if file.revision != task.revision:
        notes.append(
            f"{row.name}: of another revision of {task.name}'s data than MTEB has today, "
            f"{file.revision[:12] or 'not told'}"
        )
    ours = drops_identical_ids(results)
    if ours != task.drops_identical_ids and (not ours or ids_meet(results)):
        keeps, drops = ("MTEB", "colbench") if ours else ("colbench", "MTEB")
        notes.append(
            f"{row.name}: {drops} drops the document with the query's own id here, {keeps} keeps it"
        )
    return notes


def drops_identical_ids(results: Results) -> bool:
    """Return whether a document with the query's own id was left out of these results."""
    dataset = results.config.get("dataset")
    if not isinstance(dataset, dict):
        return False
    rule = dataset.get("ignore_identical_ids")
    return str(dataset.get("id", "")).startswith("beir/") if rule is None else bool(rule)


def ids_meet(results: Results) -> bool:
    """Return whether the notes say that queries have the id of a document.

    Where the rule of identical ids is off, nothing says so.
    """
    return any(SHARED_IDS in note for note in results.collection.notes)
