"""What colbench knows of this benchmark, and the task it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colbench.features import Feature

if TYPE_CHECKING:
    from colbench.experiment.task import Finished, Invocation

FEATURE = Feature(
    name="application",
    settings="benchmarks.application.settings:ApplicationSettings",
    task="benchmarks.application.feature:measure",
    conf=Path(__file__).resolve().parents[1] / "conf",
)


def measure(run: Invocation) -> Finished:
    """Measure, and show the report."""
    from benchmarks.application.conductor import Conductor
    from benchmarks.application.report import application_document
    from colbench.experiment.task import Finished

    results, folder = Conductor(run.settings, run.command).run()
    return Finished(
        folder,
        application_document(results),
        {"results": str(folder / "application.json"), "report": str(folder / "report.md")},
    )
