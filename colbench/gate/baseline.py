"""The baseline file: results without documents, the values of every query on lines of their own.

What changed between two baselines is seen in their diff: one line per query and system. The file
carries its own checksum and where it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from colbench.errors import ConfigError, StorageError, did_you_mean
from colbench.results.checksummed import read_object, verified, write_checksummed
from colbench.results.schema import SCHEMA_VERSION, Results, SystemResult
from colbench.results.upgrade import UPGRADED, upgrade
from colbench.settings import explain
from colbench.timing import now

BASELINE_VERSION = 2
FIRST_RELEVANT, RANKING = "first_relevant", "ranking"
"""Columns beside the measures."""

_DIGITS = 10
"""Decimals of a value: differences below 1e-9 are ties everywhere."""

_RENEW = "run the experiment again and accept it: colbench baseline accept RESULTS"


@dataclass(frozen=True)
class Baseline:
    """Accepted results.

    Attributes:
        results: of the measured systems, without documents, judgments and runs.
        accepted: UTC time, ISO 8601.
        reason: why, as it was given.
        skipped: system → why it is not among those measured.
    """

    results: Results
    accepted: str
    reason: str | None
    skipped: Mapping[str, str]


class _File(BaseModel):
    """The file, key by key, but for its checksum."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    baseline_version: int
    accepted: str = Field(description="UTC time, ISO 8601")
    reason: str | None = Field(description="why it was accepted")
    skipped: dict[str, str] = Field(description="system → why it has no values")
    results: Results = Field(description="everything but the values of single queries")
    columns: dict[str, list[str]] = Field(description="system → what its lists below hold")
    queries: dict[str, dict[str, list[float | int | str | None]]] = Field(
        description="query id → system → values"
    )


def accept(
    results: Results, systems: Sequence[str] | None = None, reason: str | None = None
) -> Baseline:
    """Make results a baseline.

    Args:
        results: of a run; systems that were skipped or failed are named, not measured.
        systems: those to keep; all where None.
        reason: why.

    Raises:
        ConfigError: a system is unknown, none was measured, or values of single queries are
            missing.
    """
    known = {system.name: system for system in results.systems}
    for name in systems or []:
        if name not in known:
            raise ConfigError(f"no system '{name}' in these results: {did_you_mean(name, known)}")
    chosen = [system for name, system in known.items() if systems is None or name in systems]
    measured = [system for system in chosen if system.status == "ok"]
    if not measured:
        raise ConfigError("no system was measured in these results: nothing to hold anything to")
    for system in measured:
        has_values = system.per_query if results.measures else system.per_query is not None
        if not results.queries or not has_values or system.rankings is None:
            raise ConfigError(
                f"system '{system.name}' has no rankings of single queries in these results: a "
                "sweep keeps none, and an older colbench kept none; make a run of it"
            )
    return Baseline(
        results=_reduced(results, measured),
        accepted=now(),
        reason=reason,
        skipped={s.name: _why_not(s) for s in chosen if s.status != "ok"},
    )


def _why_not(system: SystemResult) -> str:
    return system.reason or "" if system.status == "skipped" else system.why_not


def _reduced(results: Results, systems: Sequence[SystemResult]) -> Results:
    """Return results without what a gate does not look at."""
    names = {system.name for system in systems}
    return results.model_copy(
        update={
            "reference": results.reference if results.reference in names else None,
            "documents": [],
            "queries": [
                query.model_copy(update={"judged": None, "relevant_docs": None})
                for query in results.queries
            ],
            "systems": [_reduced_system(system) for system in systems],
        }
    )


def _reduced_system(system: SystemResult) -> SystemResult:
    latency = system.latency_ms
    single = {"encode_ms": None, "search_ms": None, "total": latency and latency.end_to_end}
    return system.model_copy(
        update={
            "attribution": None,
            "fidelity": None,
            "latency_ms": latency and latency.model_copy(update=single),
            "per_query_file": None,
            "relevant_ranks": None,
            "run_file": None,
            "significance": None,
            "top": None,
        }
    )


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, atomically.

    Raises:
        StorageError: the file cannot be written.
    """
    columns = {s.name: [*(s.per_query or {}), *_ranks(s)] for s in baseline.results.systems}
    queries = {
        query.id: {system.name: _line(system, place) for system in baseline.results.systems}
        for place, query in enumerate(baseline.results.queries)
    }
    without = {"per_query": None, "first_relevant": None, "rankings": None}
    bare = [system.model_copy(update=without) for system in baseline.results.systems]
    file = _File(
        baseline_version=BASELINE_VERSION,
        accepted=baseline.accepted,
        reason=baseline.reason,
        skipped=dict(baseline.skipped),
        results=baseline.results.model_copy(update={"systems": bare}),
        columns=columns,
        queries=queries,
    )
    write_checksummed(path, _compact(file.model_dump(mode="json")))


def _ranks(system: SystemResult) -> list[str]:
    columns = ((FIRST_RELEVANT, system.first_relevant), (RANKING, system.rankings))
    return [name for name, values in columns if values is not None]


def _line(system: SystemResult, place: int) -> list[float | int | str | None]:
    line: list[float | int | str | None] = [
        round(values[place], _DIGITS) for values in (system.per_query or {}).values()
    ]
    if system.first_relevant is not None:
        line.append(system.first_relevant[place])
    if system.rankings is not None:
        line.append(system.rankings[place])
    return line


def _compact(content: dict[str, Any]) -> dict[str, Any]:
    """Drop keys of the results that are null and have null for their default."""
    results = content["results"]
    for record in [*results["systems"], *results["queries"]]:
        for key in [key for key, value in record.items() if value is None]:
            del record[key]
    return content


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        StorageError: the file is missing, damaged, of another version, or not a baseline; says how
            to renew it.
    """
    content = read_object(path, what="a baseline", renew=_RENEW)
    _check_version(path, "baseline", content.get("baseline_version"), BASELINE_VERSION)
    results = content.get("results")
    if isinstance(results, dict):
        _check_version(path, "schema", results.get("schema_version"), SCHEMA_VERSION)
    try:
        file = _File.model_validate(upgrade(verified(content, path, renew=_RENEW)))
    except ValidationError as error:
        raise StorageError(f"{path}: {explain(error, _File)}; {_RENEW}") from None
    return Baseline(_whole(file, path), file.accepted, file.reason, file.skipped)


def is_baseline(path: Path) -> bool:
    """Return whether a file says of itself that it is a baseline; False where it cannot be read."""
    try:
        content = read_object(path, what="a baseline", renew=_RENEW)
    except StorageError:
        return False
    return "baseline_version" in content


def _check_version(path: Path, what: str, version: Any, read: int) -> None:
    if version not in (read, *UPGRADED):
        raise StorageError(
            f"{path} has {what} version {version}, this colbench reads up to {read}: {_RENEW}"
        )


def _whole(file: _File, path: Path) -> Results:
    """Return the results with the values of single queries put back."""
    ids = [query.id for query in file.results.queries]
    if ids != list(file.queries) or {s.name for s in file.results.systems} != set(file.columns):
        raise StorageError(f"{path}: its queries or systems do not fit together; {_RENEW}")
    systems = []
    for system in file.results.systems:
        columns = _columns(file, system.name, path)
        first, rankings = columns.pop(FIRST_RELEVANT, None), columns.pop(RANKING, None)
        values = {"per_query": columns, "first_relevant": first, "rankings": rankings}
        systems.append(system.model_copy(update=values))
    whole = file.results.model_copy(update={"systems": systems})
    try:
        return Results.model_validate(whole.model_dump(warnings=False))
    except ValidationError as error:
        raise StorageError(f"{path}: {explain(error, Results)}; {_RENEW}") from None


def _columns(file: _File, system: str, path: Path) -> dict[str, Any]:
    names = file.columns[system]
    lines = [values.get(system, []) for values in file.queries.values()]
    for query, line in zip(file.queries, lines, strict=True):
        if len(line) != len(names):
            raise StorageError(
                f"{path}: query '{query}' has {len(line)} values of '{system}' for {len(names)} "
                f"columns; {_RENEW}"
            )
    return {name: [line[place] for line in lines] for place, name in enumerate(names)}
