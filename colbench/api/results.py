"""Results of a run, as Python has them."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from colbench.api.shown import Shown, frame
from colbench.errors import ConfigError, StorageError, did_you_mean
from colbench.files import ensure_writable
from colbench.report.run import run_document
from colbench.report.slices import slice_values
from colbench.report.table import Document
from colbench.report.tidy import tidy
from colbench.report.write import write_report
from colbench.results.schema import Results as Record
from colbench.results.schema import Slice, SystemResult
from colbench.results.sliced import sliced
from colbench.results.store import per_query_values, read_results, write_results

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]


class Results(Shown):
    """What `run` found: a table as text, with plots in a notebook, a data frame, files.

    Attributes:
        record: all of it, as `results.json` has it.
        folder: where it lies, with reports and run files.

    >>> import colbench
    >>> results = colbench.load_results("first")
    >>> [(system.name, system.status) for system in results.systems]
    [('mine', 'ok')]
    >>> results.to_frame()["recall@100"].to_dict(), results["mine"].effectiveness["recall@100"]
    ({'mine': 1.0}, 1.0)
    """

    def __init__(self, record: Record, folder: Path) -> None:
        self.record = record
        self.folder = folder

    @property
    def systems(self) -> list[SystemResult]:
        """One entry a system, in order: `name`, `status` (ok, skipped, failed), `reason`,
        `effectiveness`, `latency_ms`, `index`, `significance` and more."""
        return self.record.systems

    @property
    def measures(self) -> list[str]:
        """The measures reported, the primary one first."""
        return self.record.measures

    @property
    def notes(self) -> list[str]:
        """What a reader must know."""
        return [*self.record.collection.notes, *self.record.notes]

    @property
    def slices(self) -> list[Slice]:
        """Every measure by group of queries, an entry for each of the setting `slices`."""
        return self.record.slices

    def by(self, *slices: str) -> Results:
        """Return these results with other slices: by `length`, `relevant` (documents), or
        `metadata.` and a column that the run was sliced by. Nothing is measured again.

        Raises:
            ConfigError: the queries cannot be grouped so.

        >>> import colbench
        >>> results = colbench.load_results("first")
        >>> (by_length,) = results.by("length").slices
        >>> sum(group.queries for group in by_length.groups) == len(results.record.queries)
        True
        """
        return Results(sliced(self.record, slices), self.folder)

    def __getitem__(self, name: str) -> SystemResult:
        """Return a system by its name.

        Raises:
            ConfigError: there is none of that name; says what is near.
        """
        for system in self.systems:
            if system.name == name:
                return system
        hint = did_you_mean(str(name), [system.name for system in self.systems])
        raise ConfigError(f"no system '{name}' in these results: {hint}")

    def __len__(self) -> int:
        """Return the number of systems."""
        return len(self.systems)

    def per_query(self, system: str) -> Mapping[str, Mapping[str, float]]:
        """Return measure → query id → value of a system; nothing of one that was not measured.

        Raises:
            ConfigError: there is no such system.
            StorageError: the file of the values is damaged.
        """
        return per_query_values(self.record, self[system], self.folder) or {}

    def to_frame(self, *, per_query: bool = False, slices: bool = False) -> pandas.DataFrame:
        """Return all values as a data frame of pandas.

        Args:
            per_query: a row for each query of each system, columns the measures, in place of a row
                for each system, columns measures, tests and costs.
            slices: a row for each slice, group, system and measure in place of these.

        Raises:
            PackagesUnavailable: pandas is not installed.
        """
        if slices:
            return frame(
                slice_values(self.record).records(), ["slice", "group", "system", "measure"]
            )
        if not per_query:
            return frame(tidy(self.record).records(), ["system"])
        rows = []
        for system in self.systems:
            values = self.per_query(system.name)
            for query in next(iter(values.values()), {}):
                measured = {measure: by_query[query] for measure, by_query in values.items()}
                rows.append({"system": system.name, "query": query, **measured})
        return frame(rows, ["system", "query"])

    def save(self, folder: str | Path) -> Path:
        """Write everything to another folder: results, reports, and files of `folder`.

        Args:
            folder: new or empty.

        Returns:
            The folder.

        Raises:
            StorageError: it holds something, or cannot be written.
        """
        target = Path(folder).expanduser()
        ensure_writable(target)
        if any(target.iterdir()):
            raise StorageError(f"{target} is not empty: choose another folder")
        try:
            for part in ("runs", "stages", "per_query", "logs"):
                if (self.folder / part).is_dir():
                    shutil.copytree(self.folder / part, target / part)
        except (OSError, shutil.Error) as error:
            raise StorageError(f"cannot write {target}: {error}") from error
        write_report(self.record, target)
        write_results(self.record, target)
        return target

    def document(self) -> Document:
        """Return the report."""
        return run_document(self.record)

    @functools.cached_property
    def _html(self) -> str:
        from colbench.report.html.fragment import drawn, render_fragment, shown_in_brief

        pictures, svgs = drawn(self.record)
        document = run_document(self.record, pictures)
        return render_fragment(shown_in_brief(list(document.blocks())), svgs)


def load_results(folder: str | Path) -> Results:
    """Read results that lie in a folder.

    Args:
        folder: that of a run, or its `results.json`.

    Raises:
        StorageError: there are none, or they are damaged.

    >>> import colbench
    >>> colbench.load_results("first").record.collection.name
    'my_folder/test'
    """
    path = Path(folder).expanduser()
    record = read_results(path)
    return Results(record, path if path.is_dir() else path.parent)
