"""The output folder of a run.

Everything is made under `work/` first and takes its place only when the whole run has succeeded,
`results.json` last: a run that fails leaves the results of an earlier one as they were.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from colbench.errors import StorageError
from colbench.files import ensure_writable


@dataclass(frozen=True)
class OutputFolder:
    """Where everything of one run goes.

    Attributes:
        root: the folder the user asked for.
    """

    root: Path

    @classmethod
    def make(cls, root: Path | None, experiment: str, now: datetime.datetime) -> OutputFolder:
        """Choose and create the folder; the default one is linked as `latest`.

        Raises:
            StorageError: it cannot be written.
        """
        if root is not None:
            ensure_writable(root)
            return cls(root)
        runs = Path("results/runs") / file_stem(experiment)
        chosen = runs / now.strftime("%Y-%m-%dT%H-%M-%S")
        ensure_writable(chosen)
        link = runs / "latest"
        if link.is_symlink() or not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(chosen.name)
        return cls(chosen)

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this run alone, with a fresh `work/`.

        Raises:
            StorageError: another run is writing to it.
        """
        lock = FileLock(self.root / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise StorageError(
                f"another run is writing to {self.root}: wait for it or choose another output_dir"
            ) from None
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            yield
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
            lock.release()
            (self.root / ".lock").unlink(missing_ok=True)

    @property
    def work(self) -> Path:
        """Scratch space: indexes, the collection's snapshot, messages to workers, files to come."""
        return self.root / "work"

    @property
    def staging(self) -> Path:
        """What `publish` moves into place."""
        return self.work / "staging"

    def run_file(self, system: str) -> Path:
        """The TREC run of a system, before it is published."""
        return self.staging / "runs" / f"{file_stem(system)}.trec"

    def per_query_file(self, system: str) -> Path:
        """The per-query values of a system, before they are published."""
        return self.staging / "per_query" / f"{file_stem(system)}.json"

    def relative(self, path: Path) -> str:
        """Path of a staged file as `results.json` names it."""
        return path.relative_to(self.staging).as_posix()

    def publish(self, *, keep_indexes: bool) -> None:
        """Put the staged files, and the indexes if they are wanted, in place of earlier ones."""
        if keep_indexes and (self.work / "indexes").is_dir():
            (self.work / "indexes").rename(self.staging / "indexes")
        for name in ("runs", "per_query", "indexes"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for entry in sorted(self.staging.iterdir(), key=lambda path: path.name == "results.json"):
            entry.replace(self.root / entry.name)


def file_stem(name: str) -> str:
    """Make a name safe as a file name.

    >>> file_stem("beir/scifact/test[docs=10]")
    'beir-scifact-test-docs-10'
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "run"
