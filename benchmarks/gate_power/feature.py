"""What colbench knows of this benchmark, and the task it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colbench.features import Feature

if TYPE_CHECKING:
    from colbench.experiment.task import Finished, Invocation

FEATURE = Feature(
    name="gate_power",
    settings="benchmarks.gate_power.settings:GatePowerSettings",
    task="benchmarks.gate_power.feature:measure",
    conf=Path(__file__).resolve().parents[1] / "conf",
)


def measure(run: Invocation) -> Finished:
    """Measure, and show the report."""
    from benchmarks.gate_power.conductor import Conductor
    from benchmarks.gate_power.report import gate_power_document
    from colbench.experiment.task import Finished

    results, folder = Conductor(run.settings, run.command, run.overrides, run.folders).run()
    return Finished(
        folder,
        gate_power_document(results),
        {"results": str(folder / "gate_power.json"), "report": str(folder / "report.md")},
    )
