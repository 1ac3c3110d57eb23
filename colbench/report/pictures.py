"""The charts of a run as files, for a README or a pull request."""

from __future__ import annotations

from pathlib import Path

from colbench.files import atomic_write
from colbench.report.charts.catalogue import CHARTS
from colbench.report.charts.draw import picture
from colbench.report.charts.frame import WIDE
from colbench.report.table import Picture, caption
from colbench.results.schema import Results

FOLDER = "pictures"
"""Where the pictures go, beside the report."""


def write_pictures(results: Results, folder: Path) -> list[Picture]:
    """Write `pictures/<name>.svg` and `.png` into `folder`: the charts that the results allow.

    Raises:
        StorageError: the folder cannot be written.
    """
    written = []
    for kind in CHARTS:
        chart = kind.draw(results, WIDE)
        if chart is None:
            continue
        svg, png = picture(chart, kind.title, caption(results))
        stem = folder / FOLDER / kind.name
        with atomic_write(stem.with_suffix(".svg")) as stream:
            stream.write(svg)
        with atomic_write(stem.with_suffix(".png"), "wb") as stream:
            stream.write(png)
        written.append(Picture(kind.name, kind.title, kind.summary, f"{FOLDER}/{kind.name}.svg"))
    return written
