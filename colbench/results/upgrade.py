"""Files of version 1 read as files of version 2: names change, values do not.

Version 2 gave keys the names of the field. `upgrade` is the one place that knows the earlier ones:
every reader calls it once the checksum of what was written has been checked, and
`python -m colbench.results.upgrade PATH…` writes files anew with it. What changed, by kind of file:

| file | version 1 | version 2 |
|---|---|---|
| results.json | baseline | reference |
| | systems.*.facts | systems.*.metadata |
| | systems.*.attribution.*.step | systems.*.attribution.*.stage |
| | sweep.points | sweep.variants |
| gate.json | guards.*.told | guards.*.finding |
| encode_speed.json | …speed.yardstick, …to_yardstick | …speed.reference, …to_reference |
| index_speed.json | oracle_ndcg, oracle_ndcg_all | exact_ndcg, exact_ndcg_all |
| reproduction.json | settings named `self_hits` | `ignore_identical_ids` |
| config of each | baseline | reference |
| | dataset.self_hits | dataset.ignore_identical_ids |
| | train.sources.*.words, gate_power.*.*.words | overrides |
| | index_speed.peers, peer_python, peer_timeout | engines, engine_python, engine_timeout |

A baseline file holds results, which are upgraded as such. Four values are names themselves and are
renamed with the keys: the form `pooled` is `dense`, the stage `oracle` is `exact`, and of
`self_hits`, `drop_identical_ids` is true and `keep` false. Nothing else changes: command lines,
notes and other sentences are records of what was said, and file names are those on the disk.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

VERSION = 2
"""The version that content has once it is upgraded."""
UPGRADED = (1,)
"""Versions that are read as the present one."""

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Rename:
    """A key that has another name, and the values that are names and have others too.

    Attributes:
        path: keys joined by dots down to it, `*` for every key of an object or item of a list.
        name: what the key is called now; None where only its values have other names.
        values: earlier value → value.
    """

    path: str
    name: str | None = None
    values: Mapping[Any, Any] = field(default_factory=lambda: _NOTHING)


_FORMS = {"pooled": "dense"}
_STAGES = {"oracle": "exact"}
_SETTINGS = {"self_hits": "ignore_identical_ids"}
_IDENTICAL_IDS = {"drop_identical_ids": True, "keep": False}

_CONFIG = (  # below `config` of each kind of file
    Rename("baseline", "reference"),
    Rename("dataset.self_hits", "ignore_identical_ids", _IDENTICAL_IDS),
    Rename("train.sources.*.words", "overrides"),
    Rename("gate_power.noise.*.words", "overrides"),
    Rename("gate_power.degradations.*.words", "overrides"),
    Rename("index_speed.peers", "engines"),
    Rename("index_speed.peer_python", "engine_python"),
    Rename("index_speed.peer_timeout", "engine_timeout"),
    Rename("encode_speed.forms.*", values=_FORMS),
)


def _below(prefix: str, renames: Sequence[Rename]) -> tuple[Rename, ...]:
    return tuple(Rename(f"{prefix}.{one.path}", one.name, one.values) for one in renames)


_RESULTS = (
    Rename("baseline", "reference"),
    Rename("systems.*.facts", "metadata"),
    Rename("systems.*.attribution.*.step", "stage", _STAGES),
    Rename("systems.*.encodings.*.form", values=_FORMS),
    Rename("sweep.points", "variants"),
    *_below("config", _CONFIG),
)


@dataclass(frozen=True)
class _Kind:
    """A kind of file.

    Attributes:
        marks: keys by which it is told from the others.
        versions: paths of its version numbers.
        renames: applied in this order, each to what the one before left.
    """

    marks: frozenset[str]
    versions: tuple[str, ...]
    renames: tuple[Rename, ...]


_KINDS = {
    "baseline": _Kind(
        frozenset({"baseline_version"}),
        ("baseline_version", "results.schema_version"),
        _below("results", _RESULTS),
    ),
    "gate": _Kind(
        frozenset({"gate_version"}), ("gate_version",), (Rename("guards.*.told", "finding"),)
    ),
    "results": _Kind(frozenset({"systems", "measures"}), ("schema_version",), _RESULTS),
    "comparison": _Kind(frozenset({"pairs", "unpaired"}), ("schema_version",), ()),
    "index_speed": _Kind(
        frozenset({"engines", "growth"}),
        ("schema_version",),
        (
            Rename("oracle_ndcg", "exact_ndcg"),
            Rename("oracle_ndcg_all", "exact_ndcg_all"),
            *_below("config", _CONFIG),
        ),
    ),
    "gate_power": _Kind(
        frozenset({"collections", "rules"}), ("schema_version",), _below("config", _CONFIG)
    ),
    "encode_speed": _Kind(
        frozenset({"collections", "measure"}),
        ("schema_version",),
        (
            Rename("collections.*.forms.*.speed.form", values=_FORMS),
            Rename("collections.*.forms.*.speed.yardstick", "reference"),
            Rename("collections.*.forms.*.speed.variants.*.to_yardstick", "to_reference"),
            *_below("config", _CONFIG),
        ),
    ),
    "reproduction": _Kind(
        frozenset({"entries", "averages"}),
        ("schema_version",),
        (
            Rename("entries.*.settings_that_differ.*.setting", values=_SETTINGS),
            Rename("entries.*.settings_that_differ.*.published", values=_IDENTICAL_IDS),
            Rename("entries.*.settings_that_differ.*.measured", values=_IDENTICAL_IDS),
            Rename("entries.*.settings_unknown.*", values=_SETTINGS),
        ),
    ),
    "train": _Kind(frozenset({"sources", "curve"}), ("schema_version",), _below("config", _CONFIG)),
}
"""Kind of file → how it is told and what changed in it; the first whose marks are there counts."""


def upgrade(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file, without its checksum, in version 2.

    Content of another version, or of no known kind, is returned as it is: the reader refuses it by
    its version. Nothing is validated here; what does not look as expected stays.
    """
    new = dict(content)
    kind = next((one for one in _KINDS.values() if one.marks <= new.keys()), None)
    if kind is None or new.get(kind.versions[0]) not in UPGRADED:
        return new
    for path in kind.versions:
        new = _changed(new, path.split("."), Rename(path, values=dict.fromkeys(UPGRADED, VERSION)))
    for rename in kind.renames:
        new = _changed(new, rename.path.split("."), rename)
    return new


def _changed(node: Any, path: Sequence[str], rename: Rename) -> Any:
    """Return `node` with one rename applied below it; parts that it does not reach are shared."""
    key, rest = path[0], path[1:]
    if isinstance(node, list):
        if key != "*":
            return node
        return [_entry(value, rest, rename) for value in node]
    if not isinstance(node, dict):
        return node
    if key == "*":
        return {name: _entry(value, rest, rename) for name, value in node.items()}
    if key not in node:
        return node
    new_key = key if rest or rename.name is None or rename.name in node else rename.name
    return {
        (new_key if name == key else name): (_entry(value, rest, rename) if name == key else value)
        for name, value in node.items()
    }


def _entry(value: Any, rest: Sequence[str], rename: Rename) -> Any:
    if rest:
        return _changed(value, rest, rename)
    named = type(value) in (str, int) and value in rename.values
    return rename.values[value] if named else value


def upgrade_file(path: Path) -> bool:
    """Write a file anew in version 2, with a checksum where it had one.

    Returns:
        whether anything changed.

    Raises:
        StorageError: it cannot be read or written, or was damaged.
    """
    from colbench.files import write_json
    from colbench.results.checksummed import KEY, read_object, verified, write_checksummed

    again = "measure it again"
    content = read_object(path, what="a file of colbench", renew=again)
    sealed = KEY in content
    before = verified(content, path, renew=again) if sealed else content
    after = upgrade(before)
    if after == before:
        return False
    if sealed:
        write_checksummed(path, after)
    else:
        write_json(path, after)
    return True


def main(paths: Sequence[str]) -> int:
    """Upgrade files, and all JSON files of colbench's below folders; return the exit status.

    Files are rewritten; other JSON below a folder stays as it is.
    """
    from colbench.errors import StorageError

    status = 0
    for given in map(Path, paths):
        for file in sorted(given.rglob("*.json")) if given.is_dir() else [given]:
            try:
                if upgrade_file(file):
                    print(f"{file}: upgraded")
            except StorageError as error:
                # Other JSON lies beside results: lists of rows, values of single queries.
                if not given.is_dir():
                    print(error, file=sys.stderr)
                    status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
