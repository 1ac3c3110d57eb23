"""Writing reports beside the results."""

from __future__ import annotations

from pathlib import Path

from colbench.files import atomic_write, write_json
from colbench.report.html.page import render_html
from colbench.report.markdown import render_markdown
from colbench.report.pictures import write_pictures
from colbench.report.tidy import tidy_rows, write_csv
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
        rows = tidy_rows(results)
        write_csv(rows, folder / "sweep.csv")
        write_json(folder / "sweep.json", rows)
    path = folder / "report.md"
    with atomic_write(path) as stream:
        stream.write(render_markdown(results, pictures))
    return path
