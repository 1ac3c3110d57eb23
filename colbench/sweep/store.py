"""What a sweep keeps in its output folder, so that it is not measured again.

    .variants/<key>.json                    a `VariantRecord`
    .variants/reference-<key>/reply.json    what the worker of a system beside the variants reported
                           /run.trec      its run, whose sha256 is in `reply.json`

Both JSON files are those of `experiment.store`; the key is in the name of the file or the folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from colbench.digests import sha256_file
from colbench.experiment.bench import SystemReply
from colbench.experiment.store import keep, recall
from colbench.files import atomic_write
from colbench.progress import note
from colbench.records import Record
from colbench.sweep.task import VariantRecord

_REPLY = "reply.json"
_RUN = "run.trec"
_RENEW = "it is measured again"


class _Reference(Record):
    commit: str | None
    run_sha256: str
    reply: SystemReply


def write_variant(record: VariantRecord, file: Path) -> None:
    """Keep what was measured of a variant, under the key that its file is named by."""
    keep(file, file.stem, record)


def read_variant(file: Path) -> VariantRecord | None:
    """Return what was measured of a variant; None where that is not there or cannot be used."""
    return recall(file, file.stem, VariantRecord.model_validate, what="the record of a variant")


def write_reference(folder: Path, reply: SystemReply, run_file: Path, commit: str | None) -> None:
    """Keep what was measured of a system, and its run."""
    _copy(run_file, folder / _RUN)
    kept = _Reference(commit=commit, run_sha256=sha256_file(run_file), reply=reply)
    keep(folder / _REPLY, folder.name, kept)


def read_reference(folder: Path, run_file: Path) -> tuple[SystemReply, str | None] | None:
    """Return what was measured of a system and the commit it was measured at.

    Args:
        folder: where it was kept.
        run_file: where its run is put.

    Returns:
        None where it is not there or cannot be used; `run_file` is not there then either.
    """
    check = _Reference.model_validate
    held = recall(folder / _REPLY, folder.name, check, what="the record of a system")
    if held is None:
        return None
    try:
        if sha256_file(folder / _RUN) == held.run_sha256:
            _copy(folder / _RUN, run_file)
            return held.reply, held.commit
        note(f"{folder / _RUN} was changed or damaged after it was written: {_RENEW}")
    except OSError as error:
        note(f"cannot read {folder / _RUN} ({error.strerror or error}): {_RENEW}")
    return None


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as original, atomic_write(target, "wb") as stream:
        shutil.copyfileobj(original, stream)
