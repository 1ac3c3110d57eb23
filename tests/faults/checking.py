"""What must hold of an operation that was stopped: all of the old state, or all of the new."""

from __future__ import annotations

from pathlib import Path

from operations import TEXTS, HashEncoder, opened
from states import cached, files, left_over, outcome
from stopping import Stopping

from colbench.encoder.cache.store import EmbeddingCache, cached_documents
from colbench.errors import StorageError
from colbench.results.store import read_results


def check(operation: Stopping, folder: Path) -> None:
    """Look at the folder as it was left, take the operation up again, and compare the outcome."""
    _CHECKS.get(operation.name, _change)(operation, folder)


def _encode(operation: Stopping, folder: Path) -> None:
    operation.resume(folder)
    assert vectors(folder) == vectors(operation.after)


def vectors(folder: Path) -> list[tuple[int, int, bytes]]:
    """Return what the cache gives for every text; all of it must be there."""
    found = cached_documents(HashEncoder(), TEXTS, EmbeddingCache(folder / "cache"))
    assert found is not None
    return [(first, end, block.tobytes()) for first, end, block in found.blocks(50)]


def _build(operation: Stopping, folder: Path) -> None:
    try:
        opened(folder)
    except StorageError as error:
        assert "\n" not in str(error)
        operation.resume(folder)
    assert files(folder) == files(operation.after)
    assert not left_over(folder)


def _change(operation: Stopping, folder: Path) -> None:
    states = [opened(state).manifest for state in (operation.before, operation.after)]
    assert opened(folder).manifest in states  # it holds the sha256 of every file, all compared
    operation.resume(folder)
    assert files(folder) == files(operation.after)


def _run(operation: Stopping, folder: Path) -> None:
    wanted = outcome(operation.after / "out")
    if (folder / "out" / "results.json").exists():
        read_results(folder / "out")
        found = outcome(folder / "out")["systems"]
        assert found.keys() == wanted["systems"].keys()
        for name, row in found.items():
            if row["status"] != "failed":
                assert row == wanted["systems"][name]
    operation.resume(folder)
    read_results(folder / "out")
    assert outcome(folder / "out") == wanted
    assert cached(folder / "cache") == cached(operation.after / "cache")


def _report(operation: Stopping, folder: Path) -> None:
    before, after = (files(state / "out") for state in (operation.before, operation.after))
    for path, content in files(folder / "out").items():
        if not path.endswith(".tmp"):
            assert content in (before.get(path), after.get(path)), path
    operation.resume(folder)
    assert files(folder / "out") == after


_CHECKS = {"encode": _encode, "build": _build, "run": _run, "report": _report}
