"""Writing reports beside the results."""

from __future__ import annotations

from pathlib import Path

from colbench.files import atomic_write, write_json
from colbench.report.csv import write_csv
from colbench.report.html.page import render_html
from colbench.report.markdown import write_markdown
from colbench.report.pictures import write_pictures
from colbench.report.run import run_document
from colbench.report.systems import tidy
from colbench.results.schema import Results


def write_report(results: Results, folder: Path) -> Path:
    """Write `report.md`, its pictures and `report.html` into `folder`; the table of a sweep too.

    Returns:
        the path of `report.md`.

    Raises:
        StorageError: the folder cannot be written.
    """
    pictures = write_pictures(results, folder)
    with atomic_write(folder / "report.html") as stream:
        stream.write(render_html([results]))
    if results.sweep is not None:
        table = tidy(results)
        write_csv(table, folder / "sweep.csv")
        write_json(folder / "sweep.json", table.records())
    path = folder / "report.md"
    write_markdown(run_document(results, pictures), path)
    return path
