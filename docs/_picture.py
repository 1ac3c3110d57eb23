"""Make `images/report.png` anew: two parts of the quickstart's HTML report, one above the other.

    colbench report results/quickstart && python docs/_picture.py results/quickstart/report.html

It needs playwright and pillow, which the extra `test` brings, and a chromium on the path.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

TARGET = Path(__file__).with_name("images") / "report.png"
WIDTH = 1300
COLOURS = 64
"""Enough for text and its hues; the picture stays below 150 kB."""


def main(report: Path) -> None:
    """Take the picture of `report` and write it to `TARGET`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200})
        page.goto(report.resolve().as_uri())
        page.wait_for_selector(".query-list")
        page.wait_for_timeout(2000)  # charts are drawn after the page has loaded
        parts = [_part(page, 20, 665), _part(page, _top(page, "Query by query") - 30, 610)]
        browser.close()
    picture = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)))
    below = 0
    for part in parts:
        picture.paste(part, (0, below))
        below += part.height
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE).save(TARGET, optimize=True)


def _top(page: Page, heading: str) -> float:
    box = page.get_by_role("heading", name=heading).bounding_box()
    if box is None:
        raise SystemExit(f"the report has no heading '{heading}'")
    return box["y"]


def _part(page: Page, top: float, height: float) -> Image.Image:
    clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
    return Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
