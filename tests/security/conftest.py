"""The random numbers of a trial, a folder of somebody else's, and the seed at the end."""

from __future__ import annotations

import random

import pytest
from variants import SEED, tree


@pytest.fixture
def draw(request):
    """Random numbers of this trial."""
    return random.Random(f"{request.node.originalname} {request.param}")


@pytest.fixture
def theirs(tmp_path):
    """A folder of somebody else's with names that colbench gives, which has to stay as it is."""
    folder = tmp_path / "theirs"
    for name in ("photos", "work-1", "0" * 32, f".{'0' * 32}.1.tmp", "a" * 64, "model", "indexes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "kept").write_text(name)
    for name in ("results.json", "bm25.trec", "pareto_bytes.svg", "lock", "raises.log"):
        (folder / name).write_text("theirs")
    before = tree(folder)
    yield folder
    assert tree(folder) == before


def pytest_terminal_summary(terminalreporter):
    if any("security" in str(one) for one in terminalreporter.stats.get("failed", [])):
        terminalreporter.write_line(f"COLBENCH_SECURITY_SEED={SEED}")
