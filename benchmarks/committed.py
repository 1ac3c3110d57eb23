"""What is committed of a measurement: all its values, but few of the collection's documents.

    python -m benchmarks.committed results/scifact results/sweep_search_scifact

The documents that a report shows, with their beginnings, are two thirds of a `results.json`. They
measure nothing, belong to the collection and come back with it when the command is repeated. Those
of the queries on which systems differ most stay, so that a page still shows what it can show; of a
sweep, whose page shows none, no query's. Of a sweep's hundred variants the times of single queries
go too, once their quantiles are there, and so do values of single queries: tests, intervals, means
stay. Values of single queries have eight decimals, and digests of
single rankings are left out beside that of the run file.

A reference result can be measured again: it comes from a commit without changes, on a machine that
it had to itself. Others are refused before anything is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from colbench.errors import ColbenchError, DataError, StorageError
from colbench.files import atomic_write
from colbench.measures.latency import Distribution
from colbench.results.checksummed import KEY, layout, read_object, verified, write_checksummed
from colbench.results.store import FILE_NAME

SHOWN = 5
"""Queries whose documents stay."""
NOTE = (
    f"Documents are held for the {SHOWN} queries on which systems differ most; those of the others "
    "come with the collection."
)
_DECIMALS = 8
BUSY = 0.05
"""Share of the cores that other processes may use while a reference result is timed."""

_TABLE = "sweep.json"  # not tracked: made of results.json
_RENEW = "run the experiment again"
_REFUSED = "is no reference result"


def commit_ready(folder: Path) -> None:
    """Write every JSON file below `folder` again: `results.json` with few documents, all compactly.

    Raises:
        DataError: they are no reference results.
        StorageError: there is none, or one of them is damaged or cannot be written.
    """
    files = [file for file in sorted(folder.rglob("*.json")) if file.name != _TABLE]
    if not files:
        raise StorageError(f"{folder} holds no JSON: give the folder of a measurement")
    contents = [(file, *_read(file)) for file in files]
    for file, content, _ in contents:
        check_reference(content, file)
    for file, content, is_signed in contents:
        if is_signed:
            write_checksummed(file, shortened(content) if file.name == FILE_NAME else content)
        else:
            with atomic_write(file) as stream:
                stream.write(layout(content) + "\n")


def _read(file: Path) -> tuple[dict[str, Any], bool]:
    """Return the content of a JSON file, without its checksum, and whether it had one."""
    content = read_object(file, what="results of colbench", renew=_RENEW)
    is_signed = KEY in content
    return verified(content, file, renew=_RENEW) if is_signed else content, is_signed


def check_reference(content: dict[str, Any], file: Path) -> None:
    """Refuse what was measured from changed sources, or beside a busy process.

    Args:
        content: of a JSON file; one without an environment or timings is not refused.
        file: where it is, for the message.

    Raises:
        DataError: it is no reference result; the message says why, and what to do.
    """
    environment = content.get("environment")
    if isinstance(environment, dict):
        if environment.get("git_commit") is None:
            raise DataError(f"{file} {_REFUSED}: its commit is not known; measure it in a checkout")
        if environment.get("git_dirty"):
            raise DataError(
                f"{file} {_REFUSED}: it ran with uncommitted changes; commit them and measure again"
            )
    share, name = max(_shares(content), default=(0.0, ""))
    if share > BUSY:
        raise DataError(
            f"{file} {_REFUSED}: other processes used {share:.1%} of the cores while {name} was "
            f"timed, more than {BUSY:.0%}; measure again with the machine to itself"
        )


def _shares(content: Any, name: str = "it") -> Iterator[tuple[float, str]]:
    """Yield what other processes used of the cores, wherever it stands, and what was timed."""
    if isinstance(content, dict):
        name = content["name"] if isinstance(content.get("name"), str) else name
        share = content.get("other_cpu_share")
        if isinstance(share, int | float):
            yield float(share), name
        for value in content.values():
            yield from _shares(value, name)
    elif isinstance(content, list):
        for value in content:
            yield from _shares(value, name)


def shortened(results: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `results.json` with few documents, of a sweep with few lists."""
    is_sweep = bool(results.get("sweep"))
    short = with_documents_of(() if is_sweep else _furthest_apart(results), results)
    systems = [_rounded(system) for system in short["systems"]]
    if not is_sweep:
        return {**short, "systems": systems}
    variants = results["sweep"].get("variants", {})
    return {
        **short,
        "systems": [
            _untimed(one) | ({"per_query": None} if one["name"] in variants else {})
            for one in systems
        ],
    }


def with_documents_of(chosen: Collection[int], results: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `results.json` without the documents of other queries.

    Args:
        chosen: places of the queries whose documents stay.
        results: the content; the same is returned where it shows no others.
    """
    shown = {n for n, query in enumerate(results["queries"]) if query["judged"] is not None}
    if shown <= set(chosen):
        return results
    queries = [
        query if n in chosen else query | {"judged": None}
        for n, query in enumerate(results["queries"])
    ]
    tops = [
        [docs if n in chosen else [] for n, docs in enumerate(system.get("top") or [])]
        for system in results["systems"]
    ]
    judged = {doc for query in queries for doc in query["judged"] or ()}
    found = {place for top in tops for docs in top for place in docs}
    kept = [
        place
        for place, document in enumerate(results["documents"])
        if place in found or document["id"] in judged
    ]
    number = {place: n for n, place in enumerate(kept)}
    systems = [
        system | {"top": [[number[place] for place in docs] for docs in top] if kept else None}
        if system.get("top")
        else system
        for system, top in zip(results["systems"], tops, strict=True)
    ]
    documents = [results["documents"][place] for place in kept]
    notes = [*results["notes"], NOTE] if kept else results["notes"]
    return {
        **results,
        "queries": queries,
        "documents": documents,
        "systems": systems,
        "notes": notes,
    }


def _rounded(system: dict[str, Any]) -> dict[str, Any]:
    """Return a system with fewer decimals of the values of single queries, and no digests."""
    if not system.get("per_query"):
        return system
    values = {
        measure: [round(value, _DECIMALS) for value in one]
        for measure, one in system["per_query"].items()
    }
    return system | {"per_query": values} | ({"rankings": None} if "rankings" in system else {})


def _untimed(variant: dict[str, Any]) -> dict[str, Any]:
    """Return a variant with the quantiles of its times in place of each query's."""
    times = variant.get("latency_ms") or {}
    encode, search = times.get("encode_ms"), times.get("search_ms")
    if not encode or not search:
        return variant
    sums = [round(1e6 * (a + b)) for a, b in zip(encode, search, strict=True)]
    total = times.get("total") or Distribution.of(sums).model_dump()
    return variant | {"latency_ms": {**times, "total": total, "encode_ms": None, "search_ms": None}}


def _furthest_apart(results: dict[str, Any]) -> list[int]:
    """Return the places of the queries on which systems differ most, of those that are shown."""
    systems = [
        system for system in results["systems"] if system.get("per_query") and system.get("top")
    ]
    measure = results["measures"][0]

    def apart(query: int) -> float:
        values = [system["per_query"][measure][query] for system in systems]
        return max(values) - min(values) if values else 0.0

    held = [place for place, query in enumerate(results["queries"]) if query["judged"] is not None]
    return sorted(held, key=lambda query: -apart(query))[:SHOWN]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the folders named; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.committed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folders", type=Path, nargs="+", help="folders of measurements")
    options = parser.parse_args(arguments)
    try:
        for folder in options.folders:
            commit_ready(folder)
    except ColbenchError as error:
        print(f"committed: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
