"""Results as a flat table for other programs: one row a system, one column a value.

Columns are named as in `results.json`, with the unit. Values are not rounded.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colbench.files import atomic_write
from colbench.results.schema import Results, SweepInfo, SystemResult

Row = dict[str, Any]
"""Column → text, number, truth value, null, or of a sweep's parameter whatever it was set to."""

_POINT = "is_point"


def tidy_rows(results: Results) -> list[Row]:
    """Return one row a system, skipped ones included, all with the same columns in one order.

    First what it is: experiment, collection, system, status, and of a sweep whether it is a point
    of the grid (else a reference) and every parameter. Then each measure, its difference to the
    baseline and the Holm-corrected p-value where it was tested, the overlap with another system,
    the costs, and of a sweep whether the system is on a front. A parameter that has the name of
    another column is preceded by the swept system's.

    Returns:
        rows whose values JSON can hold.
    """
    return _aligned([_row(system, results) for system in results.systems])


def tidy_runs(runs: Mapping[str, Results]) -> list[Row]:
    """Return the rows of several results, with the name of each in the column `run`."""
    return _aligned(
        [{"run": name, **row} for name, results in runs.items() for row in tidy_rows(results)]
    )


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same columns as CSV (RFC 4180, but lines end in LF).

    Truth values are `true` and `false`; lists and mappings are JSON. An empty cell is null.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return stream.getvalue()


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of the same columns to a file.

    Raises:
        StorageError: the file cannot be written.
    """
    with atomic_write(path) as stream:
        stream.write(csv_text(rows))


def _row(system: SystemResult, results: Results) -> Row:
    values = {
        **_measures(system, results.measures),
        **_fidelity(system),
        **_costs(system),
        **(_front(system, results.sweep) if results.sweep else {}),
    }
    what = {
        "experiment": results.experiment,
        "collection": results.collection.name,
        "system": system.name,
        "status": system.status,
    }
    taken = {*what, *values, _POINT}
    parameters = _parameters(system, results.sweep, taken) if results.sweep else {}
    return {**what, **parameters, **values}


def _parameters(system: SystemResult, sweep: SweepInfo, taken: set[str]) -> Row:
    """Return whether it is a point, and its settings; those of a reference are null."""
    point = sweep.points.get(system.name)
    settings = {
        f"{sweep.system}.{axis}" if axis in taken else axis: point[axis] if point else None
        for axis in sweep.axes
    }
    return {_POINT: point is not None, **settings}


def _measures(system: SystemResult, measures: Iterable[str]) -> Row:
    means, tests = system.effectiveness or {}, system.significance or {}
    row: Row = {}
    for measure in measures:
        row[measure] = means.get(measure)
    for measure in measures:
        test = tests.get(measure)
        row[f"{measure}_difference"] = test.difference if test else None
        row[f"{measure}_p_holm"] = test.p_holm if test else None
    return row


def _fidelity(system: SystemResult) -> Row:
    if system.fidelity is None:
        return {}
    shares = {f"intersection@{k}": value for k, value in system.fidelity.intersection.items()}
    return {"reference": system.fidelity.reference, "rbo": system.fidelity.rbo, **shares}


def _costs(system: SystemResult) -> Row:
    latency, index = system.latency_ms, system.index
    times = {
        f"{stage}_{name}_ms": getattr(getattr(latency, stage), name) if latency else None
        for stage in ("encode", "search")
        for name in ("p50", "p95", "p99", "mean")
    }
    return {
        "depth": system.depth,
        **times,
        "throughput_qps": system.throughput_qps,
        "other_cpu_share": system.other_cpu_share,
        "build_seconds": system.build_seconds,
        "encode_docs_per_second": system.encode_docs_per_second,
        "docs_encoded": system.docs_encoded,
        "vectors": index.vectors if index else None,
        "dims": index.dims if index else None,
        "index_bytes": index.bytes if index else None,
        "bytes_per_doc": index.bytes_per_doc if index else None,
        "bytes_per_vector": index.bytes_per_vector if index else None,
        "peak_rss_bytes": system.peak_rss_bytes,
    }


def _front(system: SystemResult, sweep: SweepInfo) -> Row:
    return {
        "front_latency": system.name in sweep.front_latency,
        "front_bytes": system.name in sweep.front_bytes,
    }


def _aligned(rows: Sequence[Row]) -> list[Row]:
    """Give all rows the columns of all, in the order in which they are first met."""
    # The fullest row first: it has the columns that others lack in the place where they belong.
    columns = dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row)
    return [{column: row.get(column) for column in columns} for row in rows]


def _cell(value: Any) -> Any:
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
