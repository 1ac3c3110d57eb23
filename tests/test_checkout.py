"""What a clone brings: not much, and of the results only what cannot be made from the rest."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 14_000_000
MOST_BYTES_OF_RESULTS = 3_800_000


@pytest.fixture(scope="module")
def tracked():
    """Paths of the tracked files, relative to the root."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout of the repository")
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if told.returncode:
        pytest.skip(f"git does not read this checkout: {told.stderr.strip()}")
    return [Path(name) for name in told.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_a_checkout_is_small(tracked):
    assert sum((ROOT / path).stat().st_size for path in tracked) < MOST_BYTES


def test_results_are_a_small_part_of_it(tracked):
    of_results = [path for path in tracked if path.parts[0] == "results"]
    assert sum((ROOT / path).stat().st_size for path in of_results) < MOST_BYTES_OF_RESULTS


def test_results_are_json_markdown_and_svg(tracked):
    of_results = [path for path in tracked if path.parts[0] == "results"]
    assert len(of_results) > 50
    assert {path.suffix for path in of_results} == {".json", ".md", ".svg"}
    names = {path.name for path in of_results}
    assert "sweep.json" not in names, "it is made from results.json: make results-site"


def test_every_picture_of_a_committed_report_is_there_and_no_other(tracked):
    reports = [path for path in tracked if path.parts[0] == "results" and path.suffix == ".md"]
    shown = {
        report.parent / picture
        for report in reports
        for picture in re.findall(
            r"!\[[^]]*\]\(([^)]+)\)", (ROOT / report).read_text(encoding="utf-8")
        )
    }
    assert len(shown) > 30
    assert shown == {
        path for path in tracked if path.parts[0] == "results" and path.suffix == ".svg"
    }


@pytest.mark.parametrize("name", ["report.html", "pictures/a.png", "sweep.csv", "sweep.json"])
def test_what_is_made_from_the_results_is_ignored(tracked, name):
    command = ["git", "check-ignore", "-q", f"results/scifact/{name}"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["new/results.json", "new/report.md", "new/pictures/a.svg"])
def test_what_results_are_is_not_ignored(tracked, name):
    command = ["git", "check-ignore", "-q", f"results/{name}"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1
