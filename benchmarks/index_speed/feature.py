"""What colbench knows of this benchmark, and the task it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colbench.features import Feature

if TYPE_CHECKING:
    from colbench.experiment.task import Finished, Invocation

FEATURE = Feature(
    name="index_speed",
    settings="benchmarks.index_speed.settings:IndexSpeedSettings",
    task="benchmarks.index_speed.feature:measure",
    conf=Path(__file__).resolve().parents[1] / "conf",
)


def measure(run: Invocation) -> Finished:
    """Measure, and show the report."""
    from benchmarks.index_speed.conductor import Conductor
    from benchmarks.index_speed.report import index_speed_document
    from colbench.experiment.task import Finished

    results, folder = Conductor(run.settings, run.command).run()
    return Finished(
        folder,
        index_speed_document(results),
        {"results": str(folder / "index_speed.json"), "report": str(folder / "report.md")},
    )
