"""Writing the reports of a run beside its results, and its charts as files."""

from __future__ import annotations

from pathlib import Path

from colbench.files import atomic_write, write_json
from colbench.progress import note
from colbench.report.charts.catalogue import CHARTS
from colbench.report.charts.draw import write_chart
from colbench.report.charts.frame import WIDE
from colbench.report.csv import write_csv
from colbench.report.html.page import render_html
from colbench.report.markdown import write_markdown
from colbench.report.run import run_document
from colbench.report.slices import slice_values
from colbench.report.table import Picture, caption
from colbench.report.tidy import tidy
from colbench.results.schema import Results
from colbench.shortage import cannot_draw

FOLDER = "pictures"
"""Where the pictures go, beside the report."""


def write_pictures(results: Results, folder: Path) -> list[Picture]:
    """Write `pictures/<name>.svg` and `.png` into `folder`: the charts that the results allow.

    None where the address space is too small for it; the page draws its own in the browser.

    Raises:
        StorageError: the folder cannot be written.
    """
    if (reason := cannot_draw()) is not None:
        note(f"no pictures beside the report: {reason}")
        return []
    written = []
    for kind in CHARTS:
        chart = kind.draw(results, WIDE)
        if chart is None:
            continue
        write_chart(chart, kind.title, caption(results), folder / FOLDER / kind.name)
        written.append(Picture(kind.name, kind.title, kind.summary, f"{FOLDER}/{kind.name}.svg"))
    return written


def write_report(results: Results, folder: Path) -> Path:
    """Write `report.md`, its pictures and `report.html`; of slices and sweeps tables too.

    Returns:
        the path of `report.md`.

    Raises:
        StorageError: the folder cannot be written.
    """
    pictures = write_pictures(results, folder)
    with atomic_write(folder / "report.html") as stream:
        stream.write(render_html([results]))
    if results.slices:
        write_csv(slice_values(results), folder / "slices.csv")
    if results.sweep is not None:
        table = tidy(results)
        write_csv(table, folder / "sweep.csv")
        write_json(folder / "sweep.json", table.records())
    path = folder / "report.md"
    write_markdown(run_document(results, pictures), path)
    return path
