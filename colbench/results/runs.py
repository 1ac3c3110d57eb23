"""Run files that lie beside `results.json`, read only where they are those that were evaluated."""

from __future__ import annotations

from pathlib import Path

from colbench.errors import StorageError
from colbench.files import sha256_file
from colbench.results.schema import Results, SystemResult
from colbench.run.model import Run
from colbench.run.trec import read_trec


def verified_run(results: Results, system: SystemResult, folder: Path) -> Run:
    """Read the TREC run of a system.

    Args:
        results: what the system is part of.
        system: one of its systems.
        folder: where its `results.json` lies.

    Raises:
        StorageError: no run was written, the file is missing, or its sha256 is not the one that
            the results name.
        DataError: it is no TREC run.
    """
    if system.run_file is None:
        raise StorageError(
            f"{folder}: the results of '{results.experiment}' name no run file of '{system.name}'; "
            "name the folder of the run, or run it again"
        )
    file = folder / system.run_file
    try:
        found = sha256_file(file)
    except OSError as error:
        raise StorageError(
            f"cannot read {file}: {error.strerror}; name the folder of the run, or run it again"
        ) from error
    if found != system.run_sha256:
        raise StorageError(f"{file} is not the run that was evaluated (its sha256 differs)")
    return read_trec(file)
