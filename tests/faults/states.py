"""What a folder holds, apart from what no two runs have alike: times, dates, places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_LOCKS = (".lock",)


def files(folder: Path) -> dict[str, bytes]:
    """Return path → bytes of every file below, locks left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in _LOCKS
    }


def left_over(folder: Path) -> list[str]:
    """Return what only work in progress has: temporary files, scratch folders."""
    found = []
    for path in folder.rglob("*"):
        name = path.name
        if name.endswith((".tmp", ".part")) or name in (".colbench", "pooled"):
            found.append(path.relative_to(folder).as_posix())
    return found


def outcome(output: Path) -> dict[str, Any]:
    """Return what a run says about its systems: runs, values of queries, index bytes.

    The files of an index but its name, the sizes of indexes and every effectiveness are part of
    it; build times, latencies and dates are not.
    """
    content = json.loads((output / "results.json").read_bytes())
    systems = {
        system["name"]: {
            key: system[key]
            for key in ("status", "effectiveness", "per_query", "index", "run_sha256", "top")
        }
        for system in content["systems"]
    }
    stated = {
        path: data
        for path, data in files(output).items()
        if path.startswith(("runs/", "per_query/")) or path.endswith(".npy")
    }
    return {"systems": systems, "files": stated}


def cached(folder: Path) -> dict[str, bytes]:
    """Return the vectors a cache holds, whatever the shards they lie in."""
    return {path: data for path, data in files(folder).items() if path.endswith(".npy")}
