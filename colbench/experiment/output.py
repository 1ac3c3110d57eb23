"""The output folder of a run.

Everything is made in a scratch folder inside it first and takes its place only when the whole run
has succeeded, `results.json` last: a run that fails leaves the results of an earlier one as they
were. A folder that holds files of the same names but no results of colbench is left alone.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from colbench.errors import StorageError
from colbench.files import ensure_writable
from colbench.results.store import FILE_NAME, read_results

_PUBLISHED = (
    *("runs", "steps", "per_query", "indexes", "pictures"),
    *("config.json", "report.md", "report.html", "sweep.csv", "sweep.json", FILE_NAME),
)
_SCRATCH = ".colbench"


@dataclass(frozen=True)
class OutputFolder:
    """Where everything of one run goes.

    Attributes:
        root: the folder the user asked for, or the default one.
        latest: link that is pointed at `root` when the run has succeeded.
    """

    root: Path
    latest: Path | None = None

    @classmethod
    def choose(cls, root: Path | None, experiment: str, now: datetime.datetime) -> OutputFolder:
        """Return the folder asked for, or `results/runs/<experiment>/<time>`; makes nothing."""
        if root is not None:
            return cls(root)
        runs = Path("results/runs") / file_stem(experiment)
        return cls(runs / now.strftime("%Y-%m-%dT%H-%M-%S"), latest=runs / "latest")

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder for this run alone, with fresh scratch space.

        Raises:
            StorageError: it cannot be written, holds files that are not colbench's, or another run
                is writing to it.
        """
        check_output(self.root)
        scratch = self.root / _SCRATCH
        scratch.mkdir(exist_ok=True)
        lock = FileLock(scratch / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise StorageError(
                f"another run is writing to {self.root}: wait for it or choose another output_dir"
            ) from None
        try:
            for left_over in scratch.glob("work-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            yield
        finally:
            lock.release()
            shutil.rmtree(scratch, ignore_errors=True)
            if self.latest is not None:
                with contextlib.suppress(OSError):
                    self.root.rmdir()  # succeeds only where nothing was published

    @property
    def work(self) -> Path:
        """Scratch space: indexes, the collection's snapshot, messages to workers, files to come.

        Of this process alone: a worker of a killed run cannot write into it.
        """
        return self.root / _SCRATCH / f"work-{os.getpid()}"

    @property
    def staging(self) -> Path:
        """What `publish` moves into place."""
        return self.work / "staging"

    @property
    def indexes(self) -> Path:
        """Where indexes are built, one folder a system."""
        return self.work / "indexes"

    def run_file(self, system: str) -> Path:
        """The TREC run of a system, before it is published."""
        return self.staging / "runs" / f"{file_stem(system)}.trec"

    def steps_folder(self, system: str) -> Path:
        """Where the runs of a system's stages go, before they are published."""
        return self.staging / "steps" / file_stem(system)

    def step_file(self, system: str, step: str) -> Path:
        """The TREC run of a system cut off after one stage, before it is published."""
        return step_path(self.steps_folder(system), step)

    def per_query_file(self, system: str) -> Path:
        """The per-query values of a system, before they are published."""
        return self.staging / "per_query" / f"{file_stem(system)}.json"

    def relative(self, path: Path) -> str:
        """Path of a staged file as `results.json` names it."""
        return path.relative_to(self.staging).as_posix()

    def publish(self, *, keep_indexes: bool) -> None:
        """Put the staged files, and the indexes if they are wanted, in place of earlier ones."""
        if keep_indexes and self.indexes.is_dir():
            self.indexes.rename(self.staging / "indexes")
        for name in _PUBLISHED:
            if (self.root / name).is_dir():
                shutil.rmtree(self.root / name)
            elif not (self.staging / name).exists():
                (self.root / name).unlink(missing_ok=True)
        for entry in sorted(self.staging.iterdir(), key=lambda path: path.name == FILE_NAME):
            entry.replace(self.root / entry.name)
        if self.latest is not None and (self.latest.is_symlink() or not self.latest.exists()):
            with contextlib.suppress(OSError):  # a file system without links does without it
                self.latest.unlink(missing_ok=True)
                self.latest.symlink_to(self.root.name)


def step_path(folder: Path, step: str) -> Path:
    """Return the TREC run of one stage among those of its system."""
    return folder / f"{file_stem(step)}.trec"


def check_output(root: Path) -> None:
    """Fail now if a run could not publish to `root`.

    Raises:
        StorageError: it cannot be written, or holds files that colbench would replace without
            having made them.
    """
    ensure_writable(root)
    taken = [name for name in _PUBLISHED if (root / name).exists()]
    if not taken:
        return
    try:
        read_results(root)
    except StorageError as error:
        raise StorageError(
            f"{root} holds {', '.join(taken)} but no results of this colbench ({error}): "
            "choose another output_dir"
        ) from None


def file_stem(name: str) -> str:
    """Make a name safe as a file name.

    >>> file_stem("beir/scifact/test[docs=10]")
    'beir-scifact-test-docs-10'
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.") or "run"
