"""All values of all systems as one table, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from colbench.report.costs import costs, load_costs
from colbench.report.table import Column, Table
from colbench.results.schema import Results, SystemResult
from colbench.results.verdicts import primary_measure


def tidy(results: Results, run: str | None = None) -> Table:
    """Return all values of all systems, skipped ones included: a table for other programs.

    First what it is: experiment, collection, system, status, and of a sweep whether it is a variant
    of the grid (else a reference) and every parameter. Then each measure, its difference to the
    reference and the Holm-corrected p-value where it was tested, the overlap with another system,
    the costs, and of a sweep whether the system is on a front. A parameter that has the name of
    another column is preceded by the swept system's. Columns are named as in `results.json`.

    Args:
        results: whose systems they are.
        run: name of the run, in a column of its own; None for no such column.
    """
    records = [_record(system, results) for system in results.systems]
    if run is not None:
        records = [{"run": run, **record} for record in records]
    return _of_records(records)


def together(tables: Sequence[Table]) -> Table:
    """Return the rows of several tidy tables as one."""
    return _of_records([record for table in tables for record in table.records()])


def _of_records(records: Sequence[dict[str, Any]]) -> Table:
    # The fullest row first: it has the columns that others lack in the place where they belong.
    keys = dict.fromkeys(key for row in sorted(records, key=len, reverse=True) for key in row)
    columns = [Column(title=key, source=key) for key in keys]
    return Table("Systems", columns, [[record.get(key) for key in keys] for record in records])


def _record(system: SystemResult, results: Results) -> dict[str, Any]:
    sweep = results.sweep
    what = {
        "experiment": results.experiment,
        "collection": results.collection.name,
        "system": system.name,
        "status": system.status,
    }
    means, tests = system.effectiveness or {}, system.significance or {}
    values: dict[str, Any] = {measure: means.get(measure) for measure in results.measures}
    primary = primary_measure(results)
    if primary is not None:
        limits = (system.intervals or {}).get(primary, (None, None))
        values |= {f"{primary}_low": limits[0], f"{primary}_high": limits[1]}
    for measure in results.measures:
        test = tests.get(measure)
        values[f"{measure}_difference"] = test.difference if test else None
        values[f"{measure}_p_holm"] = test.p_holm if test else None
        if any(other.ranks for other in results.systems):
            best, worst = (system.ranks or {}).get(measure, (None, None))
            values |= {f"{measure}_best_rank": best, f"{measure}_worst_rank": worst}
    if system.fidelity is not None:
        values |= {"reference": system.fidelity.reference, "rbo": system.fidelity.rbo}
        values |= {f"intersection@{k}": v for k, v in system.fidelity.intersection.items()}
    values |= {"depth": system.depth, "untrained": system.untrained}
    shown = [*costs("csv"), *load_costs(results.systems)]
    values |= {cost.source: cost.of(system) for cost in shown}
    if system.status != "ok":
        values["reason"] = system.reason
    if sweep is None:
        return {**what, **values}
    values |= {
        "front_latency": system.name in sweep.front_latency,
        "front_bytes": system.name in sweep.front_bytes,
    }
    variant = sweep.variants.get(system.name)
    taken = {*what, *values, "is_variant"}
    chosen = {
        f"{sweep.system}.{axis}" if axis in taken else axis: variant[axis] if variant else None
        for axis in sweep.axes
    }
    return {**what, "is_variant": variant is not None, **chosen, **values}
