"""What colbench knows of this benchmark, and the task it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colbench.features import Feature

if TYPE_CHECKING:
    from colbench.experiment.task import Finished, Invocation

FEATURE = Feature(
    name="encode_speed",
    settings="benchmarks.encode_speed.settings:EncodeSpeedSettings",
    task="benchmarks.encode_speed.feature:measure",
    conf=Path(__file__).resolve().parents[1] / "conf",
)


def measure(run: Invocation) -> Finished:
    """Measure, and show the report."""
    from benchmarks.encode_speed.conductor import Conductor
    from benchmarks.encode_speed.report import encode_speed_document
    from colbench.experiment.task import Finished

    results, folder = Conductor(run.settings, run.command, run.overrides, run.folders).run()
    return Finished(
        folder,
        encode_speed_document(results),
        {"results": str(folder / "encode_speed.json"), "report": str(folder / "report.md")},
    )
