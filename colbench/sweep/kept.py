"""What a sweep keeps in its output folder, so that it is not measured again.

    .points/<key>.json                    a `PointRecord`
    .points/reference-<key>/reply.json    what the worker of a system beside the points reported
                           /run.trec      its run, whose sha256 is in `reply.json`

Both JSON files carry a checksum. What does not pass it, or was kept by a colbench that measured
less, is measured again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ValidationError

from colbench.errors import StorageError
from colbench.experiment.bench import SystemReply
from colbench.files import atomic_write, sha256_file
from colbench.progress import note
from colbench.results.sealed import read_sealed, write_sealed
from colbench.sweep.task import PointRecord

_REPLY = "reply.json"
_RUN = "run.trec"
_RENEW = "it is measured again"


def write_point(record: PointRecord, file: Path) -> None:
    """Keep what was measured at a point."""
    write_sealed(file, record.model_dump(mode="json"))


def read_point(file: Path) -> PointRecord | None:
    """Return what was measured at a point; None where that is not there or cannot be used."""
    if not file.is_file():
        return None
    try:
        content = read_sealed(file, what="the record of a point", renew=_RENEW)
        return PointRecord.model_validate(content)
    except StorageError as error:
        note(str(error))
    except ValidationError:
        note(f"{file} is of another colbench: {_RENEW}")
    return None


def write_reference(folder: Path, reply: SystemReply, run_file: Path, commit: str | None) -> None:
    """Keep what was measured of a system, and its run."""
    _copy(run_file, folder / _RUN)
    content = {"commit": commit, "run_sha256": sha256_file(run_file)}
    write_sealed(folder / _REPLY, {**content, "reply": reply.model_dump(mode="json")})


def read_reference(folder: Path, run_file: Path) -> tuple[SystemReply, str | None] | None:
    """Return what was measured of a system and the commit it was measured at.

    Args:
        folder: where it was kept.
        run_file: where its run is put.

    Returns:
        None where it is not there or cannot be used; `run_file` is not there then either.
    """
    if not (folder / _REPLY).is_file():
        return None
    try:
        content = read_sealed(folder / _REPLY, what="the record of a system", renew=_RENEW)
        reply = SystemReply.model_validate(content["reply"])
        if sha256_file(folder / _RUN) == content["run_sha256"]:
            _copy(folder / _RUN, run_file)
            return reply, content["commit"]
        note(f"{folder / _RUN} was changed or damaged after it was written: {_RENEW}")
    except StorageError as error:
        note(str(error))
    except (ValidationError, KeyError):
        note(f"{folder / _REPLY} is of another colbench: {_RENEW}")
    except OSError as error:
        note(f"cannot read {folder / _RUN} ({error.strerror or error}): {_RENEW}")
    return None


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as found, atomic_write(target, "wb") as stream:
        shutil.copyfileobj(found, stream)
