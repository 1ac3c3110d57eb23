"""What `colbench run` does once its configuration stands: the task of the core, and of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from colbench.config.settings import RunSettings
from colbench.results.schema import Results, SystemResult

if TYPE_CHECKING:
    from colbench.report.table import Document


@dataclass(frozen=True)
class Invocation:
    """A command line, composed.

    Attributes:
        settings: what to do.
        command: the command line, for the results.
        overrides: those of the command line, for tasks that compose further runs.
        folders: further configuration folders.
    """

    settings: RunSettings
    command: Sequence[str] = ()
    overrides: Sequence[str] = ()
    folders: Sequence[Path] = ()


@dataclass(frozen=True)
class Finished:
    """What a task leaves.

    Attributes:
        folder: where it wrote.
        document: what it found, as it is shown.
        files: what was written → where, as it is printed.
        results: of a run, for what looks at them afterwards; None where there are no such.
        brief: whether the terminal shows only what comes first in the document.
    """

    folder: Path
    document: Document
    files: dict[str, str] = field(default_factory=dict)
    results: Results | None = None
    brief: bool = False

    @property
    def failed(self) -> list[SystemResult]:
        """The systems that ended in an error."""
        rows = self.results.systems if self.results is not None else []
        return [system for system in rows if system.status == "failed"]


def measure_systems(run: Invocation) -> Finished:
    """Measure the systems that were chosen."""
    from colbench.experiment.runner import Runner

    return finished_run(*Runner(run.settings, run.command).run())


def finished_run(results: Results, folder: Path) -> Finished:
    """Return what is shown of results with the reports of a run."""
    from colbench.report.run import run_document

    return Finished(
        folder,
        run_document(results),
        {
            "results": str(folder / "results.json"),
            "report": f"{folder / 'report.html'}, and report.md beside it",
        },
        results,
        brief=True,
    )
