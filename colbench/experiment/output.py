"""The output folder of a run.

Everything is made in a scratch folder inside it first and takes its place only when the whole run
has succeeded, `results.json` last: a run that fails leaves the results of an earlier one as they
were. A folder that holds files of the same names but no results of colbench is left alone.

    .colbench/lock         held by the run that writes to the folder
             /work-<pid>/  scratch space of one process
             /replacing/   finished files, from the moment on that they are to take their places;
                           what lies there is being moved away
             /placing/     the same files once the places are free

A run that is killed while it publishes leaves one of the last two, and the next one goes on there.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from colbench.errors import StorageError
from colbench.experiment.ownership import FOLDERS, refuse_others
from colbench.files import ensure_writable
from colbench.locks import another_run, holder_of, locked
from colbench.paths import clear_made, own_folder, plain_name, remove_made
from colbench.results.store import FILE_NAME, read_results

_PUBLISHED = (
    *("runs", "stages", "per_query", "indexes", "pictures", "logs"),
    "steps",  # as stages were called before version 2
    *("config.json", "report.md", "report.html", "slices.csv", "sweep.csv", "sweep.json"),
    *("gate.json", "gate.md"),
    FILE_NAME,
)
_SCRATCH = ".colbench"
_UNFINISHED = ".unfinished"
UNFINISHED = re.compile(r"[0-9a-f]{24}|[\w.-]+\.log")
"""Names of what a run that did not end well leaves in the folder for that."""
_WORK = "work-"
_REPLACING = "replacing"
_PLACING = "placing"
_MADE = re.compile(rf"lock|{_WORK}\d+|{_REPLACING}|{_PLACING}")
"""Names of what lies in the scratch folder."""


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
        own_folder(self.unfinished)
        scratch = self.root / _SCRATCH
        with _locked(scratch) as held:
            if not held:
                raise StorageError(another_run(self.root, holder_of(scratch / "lock")))
            try:
                _remove_work(scratch)
                self._place()
                if self.latest is not None:
                    _clear_killed_runs(self.root)
                yield
            finally:
                _remove_scratch(scratch)
                if self.latest is not None:
                    with contextlib.suppress(OSError):
                        self.root.rmdir()  # succeeds only where nothing was published

    @property
    def work(self) -> Path:
        """Scratch space: indexes, the collection's snapshot, messages to workers, files to come.

        Of this process alone: a worker of a killed run cannot write into it.
        """
        return self.root / _SCRATCH / f"{_WORK}{os.getpid()}"

    @property
    def unfinished(self) -> Path:
        """What a run that did not end well leaves for the next one: its finished systems, and logs.

        Where each run has a folder of its own it lies beside those folders.
        """
        return (self.root if self.latest is None else self.root.parent) / _UNFINISHED

    @property
    def staging(self) -> Path:
        """What `publish` moves into place."""
        return self.work / "staging"

    @property
    def indexes(self) -> Path:
        """Where indexes are built, one folder per system."""
        return self.work / "indexes"

    def run_file(self, system: str) -> Path:
        """The TREC run of a system, before it is published."""
        return self.staging / "runs" / f"{plain_name(system)}.trec"

    def stages_folder(self, system: str) -> Path:
        """Where the runs of a system's stages go, before they are published."""
        return self.staging / "stages" / plain_name(system)

    def stage_file(self, system: str, stage: str) -> Path:
        """The TREC run of a system cut off after one stage, before it is published."""
        return stage_path(self.stages_folder(system), stage)

    def per_query_file(self, system: str) -> Path:
        """The per-query values of a system, before they are published."""
        return self.staging / "per_query" / f"{plain_name(system)}.json"

    def log_file(self, name: str) -> Path:
        """What the process of a system, or of an encoder, said before it failed."""
        return self.staging / "logs" / f"{plain_name(name)}.log"

    def relative(self, path: Path) -> str:
        """Path of a staged file as `results.json` names it."""
        return path.relative_to(self.staging).as_posix()

    def publish(self, *, keep_indexes: bool) -> None:
        """Put the staged files, and the indexes if they are wanted, in place of earlier ones.

        Raises:
            StorageError: a file cannot be put there; the same command does it again.
        """
        check_output(self.root)  # once more: much may have happened since the run began
        if keep_indexes and self.indexes.is_dir():
            self.indexes.rename(self.staging / "indexes")
        self.staging.rename(self.root / _SCRATCH / _REPLACING)
        self._place()
        if self.latest is not None and _is_replaceable(self.latest):
            with contextlib.suppress(OSError):  # a file system without links does without it
                self.latest.unlink(missing_ok=True)
                self.latest.symlink_to(self.root.name)

    def _place(self) -> None:
        """Go on with what `publish` has begun, if it has."""
        replacing, placing = (self.root / _SCRATCH / name for name in (_REPLACING, _PLACING))
        try:
            if replacing.is_dir():
                away = self.work / "replaced"
                away.mkdir(parents=True)
                for name in _PUBLISHED:
                    stays = name == FILE_NAME and (replacing / name).exists()
                    if (self.root / name).exists() and not stays:
                        (self.root / name).rename(away / name)
                replacing.rename(placing)
                remove_made(away, inside=self.work)
            if placing.is_dir():
                for entry in sorted(placing.iterdir(), key=lambda path: path.name == FILE_NAME):
                    entry.replace(self.root / entry.name)
                placing.rmdir()
        except OSError as error:
            raise StorageError(
                f"cannot put the results into {self.root}: {error.strerror or error}; free some "
                "space and run the same command again, or choose another output_dir"
            ) from error


def _locked(scratch: Path) -> AbstractContextManager[bool]:
    """Make the scratch folder and hold its lock; False where another process does."""
    return locked(
        scratch / "lock",
        wait=False,
        cannot=f"cannot lock {scratch}",
        remedy="choose another output_dir",
    )


def _is_replaceable(latest: Path) -> bool:
    """Return whether nothing stands there, or a link to a folder beside it, as runs make it."""
    if not latest.is_symlink():
        return not latest.exists()
    return len(latest.readlink().parts) == 1


def _remove_work(scratch: Path) -> None:
    if scratch.is_symlink():  # put there while the run went on
        return
    for folder in scratch.glob(f"{_WORK}*"):
        if _MADE.fullmatch(folder.name) and not folder.is_symlink():
            remove_made(folder, inside=scratch)


def _remove_scratch(scratch: Path) -> None:
    """Remove the scratch folder, but not files that are being published. Only under the lock."""
    _remove_work(scratch)
    if not half_published(scratch.parent):
        clear_made(scratch, _MADE)


def _clear_killed_runs(root: Path) -> None:
    """Remove what killed runs left in the folders of other times, which no run goes back to."""
    for scratch in root.parent.glob(f"*/{_SCRATCH}"):
        if scratch.parent == root or scratch.parent.is_symlink() or scratch.is_symlink():
            continue
        with contextlib.suppress(OSError, StorageError), _locked(scratch) as held:
            if held:
                _remove_scratch(scratch)
                scratch.parent.rmdir()  # succeeds only where nothing was published


def half_published(root: Path) -> bool:
    """Return whether a run was killed while it put its files into a folder."""
    return any((root / _SCRATCH / name).is_dir() for name in (_REPLACING, _PLACING))


def stage_path(folder: Path, stage: str) -> Path:
    """Return the TREC run of one stage among those of its system."""
    return folder / f"{plain_name(stage)}.trec"


def check_output(root: Path) -> None:
    """Fail now if a run could not publish to `root`.

    Raises:
        StorageError: it cannot be written, or holds files that colbench would replace without
            having made them, or a link where a folder of colbench's own is to be.
    """
    ensure_writable(root)
    scratch = (_SCRATCH, f"{_SCRATCH}/{_REPLACING}", f"{_SCRATCH}/{_PLACING}", _UNFINISHED)
    for own in (*scratch, *FOLDERS):
        own_folder(root / own)
    taken = [name for name in _PUBLISHED if os.path.lexists(root / name)]
    if not taken or half_published(root):
        refuse_others(root, None)
        return
    try:
        results = read_results(root)
    except StorageError as error:
        raise StorageError(
            f"{root} holds {', '.join(taken)} but no results of this colbench ({error}): "
            "choose another output_dir"
        ) from None
    refuse_others(root, results)


def file_stem(name: str) -> str:
    """Return the name of a folder that people look for: `plain_name` with `-` for `/`.

    >>> file_stem("beir/scifact/test"), file_stem("..")
    ('beir-scifact-test', 'name-5ec1f7e700f37c3d0b2981d04855fc34')
    """
    return plain_name(name.replace("/", "-"))
