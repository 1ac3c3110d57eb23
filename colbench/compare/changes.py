"""Settings and facts that are not the same in both results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from colbench.compare.record import Change
from colbench.results.schema import Results, SystemResult

_PLACES = ("output_dir", "cache_dir", "index_dir", "gate")
"""Where files are kept, and what becomes of the results: no number depends on it."""


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Return the differing keys, nested ones as paths: those of A in its order, then B's own.

    A group that one of them lacks is one change, its value the whole group.

    >>> for change in changes({"k": 1, "index": {"nbits": 4}}, {"k": 1, "index": {"nbits": 2}}):
    ...     print(change.key, change.a, change.b)
    index.nbits 4 2
    """
    return list(_changes(a, b, ""))


def _changes(a: Mapping[str, Any], b: Mapping[str, Any], before: str) -> Iterator[Change]:
    for key in dict.fromkeys([*a, *b]):
        path = f"{before}{key}"
        if key not in b:
            yield Change(key=path, kind="removed", a=a[key], b=None)
        elif key not in a:
            yield Change(key=path, kind="added", a=None, b=b[key])
        elif isinstance(a[key], Mapping) and isinstance(b[key], Mapping):
            yield from _changes(a[key], b[key], f"{path}.")
        elif a[key] != b[key]:
            yield Change(key=path, kind="changed", a=a[key], b=b[key])


def config_changes(a: Results, b: Results) -> list[Change]:
    """Compare the configurations of two runs, but for where files are kept."""
    return changes(
        {key: value for key, value in a.config.items() if key not in _PLACES},
        {key: value for key, value in b.config.items() if key not in _PLACES},
    )


def environment_changes(a: Results, b: Results) -> list[Change]:
    """Compare where and with what two runs were made."""
    first, second = (
        {"colbench_version": r.colbench_version, **r.environment.model_dump(mode="json")}
        for r in (a, b)
    )
    return changes(first, second)


def setting_changes(a: SystemResult, b: SystemResult) -> list[Change]:
    """Compare the settings of two systems, what they chose themselves, and what encoded for them.

    The arithmetic of an encoder is compared as it was resolved on each machine: `auto` is not the
    same everywhere.
    """
    first, second = ({**system.config, "metadata": system.metadata} for system in (a, b))
    if a.encodings is not None and b.encodings is not None:  # else one is older than this record
        first["encodings"], second["encodings"] = _arithmetic(a), _arithmetic(b)
    return changes(first, second)


def _arithmetic(system: SystemResult) -> dict[str, dict[str, str]]:
    return {
        f"{info.encoder} {info.form}": {"backend": info.backend, "precision": info.precision}
        for info in system.encodings or []
    }
