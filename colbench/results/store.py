"""Reading and writing `results.json`."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from colbench.errors import StorageError
from colbench.results.schema import SCHEMA_VERSION, Results
from colbench.results.sealed import read_object, verified, write_sealed
from colbench.validation import explain

FILE_NAME = "results.json"
_RENEW = "run the experiment again"


def write_results(results: Results, folder: Path) -> Path:
    """Write `results.json` into `folder`, atomically, and return its path."""
    path = folder / FILE_NAME
    write_sealed(path, results.model_dump(mode="json"))
    return path


def read_results(path: Path) -> Results:
    """Read and validate results.

    Args:
        path: a `results.json` or the folder that holds one.

    Raises:
        StorageError: the file is missing, not JSON, of another schema version, changed since it
            was written, or not valid; the message names the file and the key.
    """
    file = path / FILE_NAME if _is_folder(path) else path
    content = read_object(file, what="results of colbench", renew=_RENEW)
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise StorageError(
            f"{file} has schema version {version}, this colbench reads {SCHEMA_VERSION}: "
            f"{_RENEW} with this version"
        )
    try:
        return Results.model_validate(verified(content, file, renew=_RENEW))
    except ValidationError as error:
        raise StorageError(f"{file}: {explain(error, Results)}") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no path can have: opening it says so
        return False
