"""Which system of A stands beside which of B, and when A and B cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colbench.compare.record import Unpaired
from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.results.schema import Results, SystemResult
from colbench.results.store import per_query_values, read_results
from colbench.results.task_result import KIND, as_results, is_task_result, read_task_result

_NAMED = 5
"""Queries a message names at most."""


@dataclass(frozen=True)
class Opened:
    """Results, and where they lie.

    Attributes:
        path: file or folder, as it was given.
        results: its content.
    """

    path: Path
    results: Results

    @classmethod
    def read(cls, path: Path) -> Opened:
        """Read a `results.json` or the folder that holds one.

        Raises:
            StorageError: it cannot be read.
        """
        return cls(path, read_results(path))

    @classmethod
    def read_both(cls, a: Path, b: Path) -> tuple[Opened, Opened]:
        """Read two results, one of which may be a TaskResult file of MTEB.

        Raises:
            ConfigError: both are such files.
            DataError: such a file is of another test set than the other side.
            StorageError: one cannot be read.
        """
        foreign = [is_task_result(path) for path in (a, b)]
        if all(foreign):
            raise ConfigError(
                f"{a} and {b} are both files of MTEB: compare one with results of colbench"
            )
        if foreign[0]:
            second = cls.read(b)
            return cls.of_task_result(a, second), second
        first = cls.read(a)
        if foreign[1]:
            return first, cls.of_task_result(b, first)
        return first, first if a == b else cls.read(b)

    @classmethod
    def of_task_result(cls, path: Path, beside: Opened) -> Opened:
        """Read a TaskResult file of MTEB as results of one system.

        Raises:
            DataError: it is of another test set than the results beside it.
            StorageError: it cannot be read.
        """
        return cls(path, as_results(read_task_result(path), beside.results))

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.path if self.path.is_dir() else self.path.parent

    def values(self, system: SystemResult) -> dict[str, dict[str, float]] | None:
        """Return measure → query id → value; None where they were not kept."""
        return per_query_values(self.results, system, self.folder)

    def query_ids(self) -> set[str] | None:
        """Return the queries evaluated; None where no values of single queries were kept."""
        if self.results.queries:
            return {query.id for query in self.results.queries}
        for system in self.results.systems:
            for values in (self.values(system) or {}).values():
                return set(values)
        return None


def check_comparable(a: Opened, b: Opened) -> None:
    """Refuse results whose effectiveness has another meaning.

    Raises:
        DataError: other documents, queries or judgments; the message names queries that are in one
            of them alone.
    """
    first, second = a.results.collection, b.results.collection
    queries_a, queries_b = a.query_ids(), b.query_ids()
    problem = f"cannot compare {a.path} with {b.path}: "
    if first.name != second.name:
        problem += f"A searched {first.name}, B {second.name}; "
    if queries_a is not None and queries_b is not None and queries_a != queries_b:
        parts = [_missing("B", queries_a - queries_b), _missing("A", queries_b - queries_a)]
        problem += f"they were evaluated on different queries ({'; '.join(filter(None, parts))})"
    elif first.fingerprint == second.fingerprint:
        return
    else:
        problem += "their documents or judgments differ"
    raise DataError(f"{problem}; run both on the same collection")


def _missing(side: str, ids: set[str]) -> str:
    if not ids:
        return ""
    named = ", ".join(sorted(ids)[:_NAMED]) + (", …" if len(ids) > _NAMED else "")
    return f"{len(ids)} missing in {side}: {named}"


def pair_systems(
    a: Results, b: Results, wanted: Sequence[str] = ()
) -> tuple[list[tuple[SystemResult, SystemResult]], list[Unpaired]]:
    """Return pairs of measured systems, and those that have no measured partner.

    Args:
        a: results whose order the pairs are in.
        b: the other results.
        wanted: pairs `name in A=name in B`, or a name that both have; all systems of one name
            where empty.

    Raises:
        ConfigError: a name is unknown or was not measured, or no system is in both.
    """
    systems_a = {system.name: system for system in a.systems}
    systems_b = {system.name: system for system in b.systems}
    if wanted:
        names = [_split(pair, systems_a, systems_b) for pair in wanted]
        chosen = [(systems_a[first], systems_b[second]) for first, second in names]
        for side, system in ((s, p[n]) for p in chosen for n, s in enumerate("AB")):
            if system.status != "ok":
                what = "was skipped" if system.status == "skipped" else "failed"
                raise ConfigError(f"'{system.name}' {what} in {side}: {system.reason}")
        return chosen, []
    if alone := _of_mteb(a, b):
        return alone, []
    pairs, unpaired = [], []
    for name in dict.fromkeys([*systems_a, *systems_b]):
        first, second = systems_a.get(name), systems_b.get(name)
        if first and second and first.status == second.status == "ok":
            pairs.append((first, second))
        else:
            unpaired.append(Unpaired(system=name, reason=_why(first, second)))
    if not pairs:
        raise ConfigError(
            "no system was measured in both: name what to compare with --systems A=B; "
            f"A has {_measured(a)}; B has {_measured(b)}"
        )
    return pairs, unpaired


def _of_mteb(a: Results, b: Results) -> list[tuple[SystemResult, SystemResult]]:
    """Return every measured system beside the one of an MTEB file; nothing without such a file."""
    measured_a, measured_b = (
        [system for system in side.systems if system.status == "ok"] for side in (a, b)
    )
    if not any(
        side and all(s.config.get("kind") == KIND for s in side)
        for side in (measured_a, measured_b)
    ):
        return []
    return [(first, second) for first in measured_a for second in measured_b]


def _measured(results: Results) -> str:
    return ", ".join(s.name for s in results.systems if s.status == "ok") or "none"


def _split(pair: str, a: dict[str, SystemResult], b: dict[str, SystemResult]) -> tuple[str, str]:
    """Return both names. A name may hold "=" itself, as those of a sweep's variants do."""
    if pair in a and pair in b:
        return pair, pair
    cuts = [place for place, character in enumerate(pair) if character == "="]
    parts = [(pair[:cut], pair[cut + 1 :]) for cut in cuts] or [(pair, pair)]
    for first, second in parts:
        if first in a and second in b:
            return first, second
    first, second = parts[len(parts) // 2]
    side, name, known = ("A", first, a) if first not in a else ("B", second, b)
    raise ConfigError(f"no system '{name}' in {side}: {did_you_mean(name, known)}")


def _why(first: SystemResult | None, second: SystemResult | None) -> str:
    reasons = []
    for side, system in (("A", first), ("B", second)):
        if system is None:
            reasons.append(f"not in {side}")
        elif system.status != "ok":
            reasons.append(f"{system.status} in {side}: {system.reason}")
    if first and second and (first.status, first.reason) == (second.status, second.reason):
        return f"{first.status} in both: {first.reason}"
    return "; ".join(reasons)
