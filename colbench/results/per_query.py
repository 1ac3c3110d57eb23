"""Per-query values of a system: from `results.json`, or from the file beside it.

Results written before `results.json` held these values have them in `per_query/<system>.json` only.
That file has no checksum: whether it was changed cannot be told, so it is read only where
`results.json`, which has one, lacks the values.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from colbench.errors import StorageError
from colbench.results.schema import Results, SystemResult

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
            are not one a query.
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
    file = folder / system.per_query_file
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
