"""Opening what is gated and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from colbench.compare.pairing import Opened
from colbench.errors import ConfigError, StorageError
from colbench.gate.baseline import Baseline, is_baseline, read_baseline
from colbench.gate.record import GateSide
from colbench.results.schema import Results, SystemResult
from colbench.results.store import read_results


@dataclass(frozen=True)
class GatedSide(Opened):
    """One side.

    Attributes:
        path: file or folder, as it was given.
        results: its content.
        accepted: UTC time at which it became a baseline; None for plain results.
        reason: why it did.
        skipped: system → why it was not measured, where that is no failure.
        failed: system → why it failed.
    """

    accepted: str | None = None
    reason: str | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> GatedSide:
        """Read a baseline file, a `results.json`, or the folder that holds one.

        Raises:
            StorageError: it cannot be read, is damaged, or is of another version.
        """
        if is_baseline(path):
            return cls.of_baseline(path, read_baseline(path))
        return cls.of_results(path, read_results(path))

    @classmethod
    def open_candidate(cls, path: Path) -> GatedSide:
        """Read a `results.json`, or the folder that holds one.

        Raises:
            ConfigError: it is a baseline, which is no candidate.
            StorageError: it cannot be read, is damaged, or is of another version.
        """
        if is_baseline(path):
            raise ConfigError(
                f"{path} is a baseline, and a candidate is what `colbench run` leaves: name "
                "results.json or its folder"
            )
        return cls.of_results(path, read_results(path))

    @classmethod
    def of_baseline(cls, path: Path, baseline: Baseline) -> GatedSide:
        """Return a side that was read already."""
        return cls(path, baseline.results, baseline.accepted, baseline.reason, baseline.skipped)

    @classmethod
    def of_results(cls, path: Path, results: Results) -> GatedSide:
        """Return a side that was read, or made, already."""
        _check_lengths(path, results)
        skipped = {s.name: s.reason or "" for s in results.systems if s.status == "skipped"}
        failed = {s.name: s.reason or "" for s in results.systems if s.status == "failed"}
        return cls(path, results, skipped=skipped, failed=failed)

    @property
    def measured(self) -> dict[str, SystemResult]:
        """Name → system, of those that ran."""
        return {s.name: s for s in self.results.systems if s.status == "ok"}

    def record(self) -> GateSide:
        """Return it as a report names it."""
        return GateSide(
            path=str(self.path),
            experiment=self.results.experiment,
            command=self.results.command,
            created=self.results.created,
            git_commit=self.results.environment.git_commit,
            accepted=self.accepted,
            reason=self.reason,
        )


@dataclass(frozen=True)
class GatedPair:
    """A system on both sides, with its values in one order of queries.

    Attributes:
        name: the system.
        before: in the baseline.
        after: in the candidate.
        queries: query ids, in the order of the candidate's results.
        values_before: measure → one value per query.
        values_after: as `values_before`.
        exact: whether it has to be identical to the baseline.
        why_not_exact: what differs, for a system that would have to be otherwise; empty for
            one whose kind is no deterministic system.
    """

    name: str
    before: SystemResult
    after: SystemResult
    queries: list[str]
    values_before: Mapping[str, list[float]]
    values_after: Mapping[str, list[float]]
    exact: bool
    why_not_exact: str = ""


def _check_lengths(path: Path, results: Results) -> None:
    queries = len(results.queries)
    if len({query.id for query in results.queries}) < queries:
        raise StorageError(f"{path}: a query stands there twice; run the experiment again")
    for system in results.systems:
        columns = {"first_relevant": system.first_relevant, "rankings": system.rankings}
        for key, values in columns.items():
            if values is not None and len(values) != queries:
                raise StorageError(
                    f"{path}: system '{system.name}' has {len(values)} values of {key} for "
                    f"{queries} queries; run the experiment again"
                )
