"""What of an output folder is a run's to replace: only what a run has made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from colbench.errors import StorageError
from colbench.paths import own_folder, plain_name, refuse_foreign
from colbench.results.schema import Results
from colbench.retriever.registry import system_folder

_FILES = {
    "runs": re.compile(r"[\w.-]+\.trec"),
    "per_query": re.compile(r"[\w.-]+\.json"),
    "pictures": re.compile(r"[\w-]+\.(?:svg|png)"),
    "logs": re.compile(r"[\w.-]+\.log"),
}
"""Published folder of files → their names."""

_STAGES = ("stages", "steps")
"""Published folders that hold one for each system, with files like those of `runs`."""

_INDEXES = "indexes"

FOLDERS = (*_FILES, *_STAGES, _INDEXES)
"""Folders of an output folder that a run replaces as a whole."""

_SHARED = re.compile(r"(?:colbert|pooled|exact)-[0-9a-f]{16}(?:\.(?:json|lock|hits|part))?")
_SOME_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")


def refuse_others(root: Path, results: Results | None) -> None:
    """Refuse an output folder in which a run would replace what no run has made.

    Args:
        root: the output folder.
        results: of the run that published what is there; None where it was killed while it did.

    Raises:
        StorageError: a folder of colbench's own is a link, or holds something else; names it.
    """
    for name, made in _FILES.items():
        refuse_foreign(root / name, _of(results, made, name))
    systems = _SOME_NAME if results is None else _any_of(_stems(results))
    for folder in (root / name for name in _STAGES):
        refuse_foreign(folder, systems)
        for entry in sorted(folder.glob("*")):
            refuse_foreign(entry, _FILES["runs"])
    indexes = root / _INDEXES
    refuse_foreign(indexes, _SOME_NAME if results is None else _any_of(_index_folders(results)))
    refuse_foreign(indexes / "shared", _SHARED)


def refuse_foreign_files(folder: Path, files: Iterable[str]) -> None:
    """Refuse a folder that holds other files than those of a record, however deep.

    Raises:
        StorageError: it is a link, or holds a link or another file; names it.
    """
    own_folder(folder)
    known = set(files)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or name in known):
            raise StorageError(
                f"{folder} holds {name!r}, which is not of colbench: move it elsewhere or choose "
                "another output_dir"
            )


def _of(results: Results | None, made: re.Pattern[str], folder: str) -> re.Pattern[str]:
    """Return the names of files that a run has made: those of its systems, where it says so."""
    if folder == "pictures":
        from colbench.report.charts.catalogue import CHARTS  # a worker does without

        return _any_of(f"{chart.name}.{end}" for chart in CHARTS for end in ("svg", "png"))
    if results is None or folder not in ("runs", "per_query"):
        return made
    named = [path for s in results.systems for path in (s.run_file, s.per_query_file) if path]
    files = {PurePosixPath(path).name for path in named}
    suffix = ".trec" if folder == "runs" else ".json"
    return _any_of(files | {stem + suffix for stem in _stems(results)})


def _stems(results: Results) -> set[str]:
    """Return what files of systems are called, of earlier versions too."""
    stems = {plain_name(system.name) for system in results.systems}
    files = [PurePosixPath(s.run_file).stem for s in results.systems if s.run_file]
    return stems | set(files)


def _index_folders(results: Results) -> set[str]:
    names = {system_folder(Path(), system.name).name for system in results.systems}
    return names | {system.name for system in results.systems} | {"shared", "sweep"}


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(names))) or r"(?!)")
