"""Writing reports beside the results."""

from __future__ import annotations

from pathlib import Path

from colbench.files import atomic_write
from colbench.report.markdown import render_markdown
from colbench.results.schema import Results


def write_report(results: Results, folder: Path) -> Path:
    """Write `report.md` into `folder` and return its path."""
    path = folder / "report.md"
    with atomic_write(path) as stream:
        stream.write(render_markdown(results))
    return path
