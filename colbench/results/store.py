"""Reading and writing `results.json`, with the per-query values and run files beside it.

Results written before `results.json` held the values of every query have them in
`per_query/<system>.json` only. That file has no checksum: whether it was changed cannot be told, so
it is read only where `results.json`, which has one, lacks the values. A run file is read only where
it is the one that was evaluated.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from colbench.digests import sha256_file
from colbench.errors import StorageError
from colbench.paths import inner_path
from colbench.results.checksummed import read_object, verified, write_checksummed
from colbench.results.schema import SCHEMA_VERSION, Results, SystemResult
from colbench.results.upgrade import UPGRADED, upgrade
from colbench.run.model import Run
from colbench.run.trec import read_trec
from colbench.settings import explain

FILE_NAME = "results.json"
_RENEW = "run the experiment again"


def write_results(results: Results, folder: Path) -> Path:
    """Write `results.json` into `folder`, atomically, and return its path."""
    path = folder / FILE_NAME
    write_checksummed(path, results.model_dump(mode="json"))
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
    if version not in (SCHEMA_VERSION, *UPGRADED):
        raise StorageError(
            f"{file} has schema version {version}, this colbench reads up to {SCHEMA_VERSION}: "
            f"{_RENEW} with this version"
        )
    try:
        return Results.model_validate(upgrade(verified(content, file, renew=_RENEW)))
    except ValidationError as error:
        raise StorageError(f"{file}: {explain(error, Results)}") from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no path can have: opening it says so
        return False


_FILE = TypeAdapter(dict[str, dict[str, FiniteFloat]])


def per_query_values(
    results: Results, system: SystemResult, folder: Path
) -> dict[str, dict[str, float]] | None:
    """Return measure → query id → value, None where neither place has any.

    Args:
        results: what the system is part of.
        system: one of its systems.
        folder: where its `results.json` lies.

    Raises:
        StorageError: the file is there and is not of this form, or the values in `results.json`
            are not one per query.
    """
    if system.per_query is not None and results.queries:
        ids = [query.id for query in results.queries]
        for measure, values in system.per_query.items():
            if len(values) != len(ids):
                raise StorageError(
                    f"{folder}: system '{system.name}' has {len(values)} values of {measure} for "
                    f"{len(ids)} queries; run the experiment again"
                )
        return {
            measure: dict(zip(ids, values, strict=True))
            for measure, values in system.per_query.items()
        }
    if system.per_query_file is None:
        return None
    file = inner_path(folder, system.per_query_file, folder / FILE_NAME)
    try:
        return _FILE.validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}") from error
    except ValidationError:
        raise StorageError(
            f"{file} does not hold values of queries by measure; run the experiment again"
        ) from None


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
    file = inner_path(folder, system.run_file, folder / FILE_NAME)
    try:
        digest = sha256_file(file)
    except OSError as error:
        raise StorageError(
            f"cannot read {file}: {error.strerror}; name the folder of the run, or run it again"
        ) from error
    if digest != system.run_sha256:
        raise StorageError(f"{file} is not the run that was evaluated (its sha256 differs)")
    return read_trec(file)
