"""Finished systems of a run that has not ended well, so that the next one does not measure them.

    <folder>/<key>/reply.json         what the system's worker reported
                  /run.trec           its run
                  /stages/<stage>     the runs of its stages

The key is the digest of everything that the numbers depend on, the code of colbench and of the
user's own modules among it. `reply.json` is a file of `experiment.store` and names the sha256 of
the others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

import colbench
from colbench.digests import json_digest, sha256_file
from colbench.encoder.loading.contents import file_digests
from colbench.encoder.loading.hub import cached_snapshot
from colbench.encoder.loading.weights import EMBEDDED
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings
from colbench.errors import ConfigError, StorageError
from colbench.experiment.bench import SystemReply
from colbench.experiment.output import stage_path
from colbench.experiment.store import keep, recall
from colbench.files import atomic_write
from colbench.progress import note
from colbench.records import Record

_REPLY = "reply.json"
_RUN = "run.trec"
_STAGES = "stages"
_RENEW = "it is measured again"


class FinishedSystem(Record):
    """A system that was measured.

    Attributes:
        commit: of the working tree it was measured in.
        measured: UTC time, ISO 8601.
        docs_encoded: documents encoded for it.
        notes: what encoding them had to say.
        sha256: of its runs, by their path in the folder.
        reply: of its worker.
    """

    commit: str | None
    measured: str
    docs_encoded: int = 0
    notes: list[str] = Field(default=[])
    sha256: dict[str, str]
    reply: SystemReply


def write_finished(
    folder: Path,
    reply: SystemReply,
    run_file: Path,
    stages_folder: Path | None = None,
    **about: Any,
) -> None:
    """Keep what was measured of a system, and its runs; a link to each where that can be.

    Args:
        folder: where; its name is the key.
        reply: of its worker.
        run_file: its run.
        stages_folder: the runs of its stages.
        about: the other fields of a `FinishedSystem`.

    Raises:
        StorageError: the folder cannot be written.
    """
    files = _files(folder, reply, run_file, stages_folder)
    try:
        for kept, staged in files.items():
            _copy(staged, kept)
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}; free some space or choose another "
            "output_dir"
        ) from error
    digests = {str(kept.relative_to(folder)): sha256_file(kept) for kept in files}
    keep(folder / _REPLY, folder.name, FinishedSystem(sha256=digests, reply=reply, **about))


def read_finished(
    folder: Path, run_file: Path, stages_folder: Path | None = None
) -> FinishedSystem | None:
    """Return what was kept of a system, its runs put where a new measurement would.

    Args:
        folder: where it was kept.
        run_file: where its run is put.
        stages_folder: where the runs of its stages are put.

    Returns:
        None where it is not there or cannot be used; its run is not there then either.
    """
    check = FinishedSystem.model_validate
    held = recall(folder / _REPLY, folder.name, check, what="the record of a system")
    if held is None:
        return None
    files = _files(folder, held.reply, run_file, stages_folder)
    try:
        for kept in files:
            if sha256_file(kept) != held.sha256.get(str(kept.relative_to(folder))):
                note(f"{kept} was changed or damaged after it was written: {_RENEW}")
                return None
        for kept, staged in files.items():
            _copy(kept, staged)
    except OSError as error:
        note(f"cannot read {folder} ({error.strerror or error}): {_RENEW}")
        return None
    return held


def _files(
    folder: Path, reply: SystemReply, run_file: Path, stages_folder: Path | None
) -> dict[Path, Path]:
    """Return the place of each run in the folder, and in the output of a run."""
    files = {folder / _RUN: run_file}
    if stages_folder is not None:
        for stage in reply.stages:
            files[stage_path(folder / _STAGES, stage)] = stage_path(stages_folder, stage)
    return files


def _copy(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, which nobody writes to any more, or a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links, or another one
        with source.open("rb") as original, atomic_write(target, "wb") as stream:
            shutil.copyfileobj(original, stream)


@cache
def code_digest() -> str:
    """Return a digest of the source of colbench: what was measured by other code is not taken."""
    root = Path(colbench.__file__).parent
    return json_digest(
        {str(file.relative_to(root)): sha256_file(file) for file in sorted(root.rglob("*.py"))}
    )


def weights_state(
    models: Iterable[EncoderSettings | CrossEncoderSettings],
) -> Mapping[str, Mapping[str, str]]:
    """Return the files of models with their sha256; of none for what comes with colbench.

    Settings name a folder, which may hold another model by now, or a model of the hub, whose
    branch may have moved on.

    Raises:
        ConfigError, StorageError: a folder holds what cannot be read.
    """
    found = {}
    for model in models:
        if model.model.startswith(EMBEDDED):
            continue
        named = Path(model.model).expanduser()
        folder = named if named.is_dir() else _on_this_machine(model)
        if folder is not None:
            found[f"{model.model}@{model.revision}"] = file_digests(folder)
    return found


def _on_this_machine(model: EncoderSettings | CrossEncoderSettings) -> Path | None:
    try:
        return cached_snapshot(model.model, model.revision)
    except ConfigError:  # a name that only a module of the user knows
        return None
