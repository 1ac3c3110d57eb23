"""Base of every typed configuration class, and one line from a pydantic error."""

from __future__ import annotations

import typing
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from colbench.errors import did_you_mean

RETIRED = {
    "baseline": "renamed to 'reference' (a gate's is 'gate.baseline')",
    "dataset.self_hits": (
        "write dataset.ignore_identical_ids=true for drop_identical_ids, =false for keep"
    ),
    "system.*.measure_gemm": "retired; leave it out",
    "system.*.engine": "leave it out: bm25 is bm25s' everywhere, bm25_okapi is rank-bm25's",
    "system.*.rank_bm25_limit": "leave it out: rank-bm25's scores are the system bm25_okapi",
    "train.sources.*.words": "renamed to 'overrides'",
    "gate_power.*.words": "renamed to 'overrides'",
    "index_speed.peers": "renamed to 'engines'",
    "index_speed.peer_python": "renamed to 'engine_python'",
    "index_speed.peer_timeout": "renamed to 'engine_timeout'",
    **{
        pattern: f"it moved: python -m benchmarks run experiment={name}, in a clone"
        for name in ("encode_speed", "gate_power", "index_speed")
        for pattern in (name, f"experiment={name}")
    },
}
"""Keys of earlier versions, as patterns, and what to write now; the first that fits counts."""


class Settings(BaseModel):
    """A frozen group of settings that refuses unknown keys.

    Subclasses stand beside the code they configure. Every field has a description: it is what
    `colbench list` prints and what the documentation is made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    verbatim: ClassVar[frozenset[str]] = frozenset()
    """Keys whose values the command line takes as they stand, brackets and all."""


def retired(key: str) -> str | None:
    """Return what to write in place of a key (or a choice, `group=option`) of earlier versions.

    >>> retired("dataset.path") is None
    True
    >>> retired("index_speed.peers")
    "renamed to 'engines'"
    """
    return next((hint for old, hint in RETIRED.items() if fnmatchcase(key, old)), None)


def explain(error: ValidationError, model: type[BaseModel], where: str = "") -> str:
    """Say in one line what the first problem is, where it is, and what would be right.

    Args:
        error: what pydantic raised.
        model: the class that refused the values; its field names feed "did you mean".
        where: prefix of the key, for example `system.bm25`.
    """
    first = error.errors()[0]
    path, owner = _locate(model, first["loc"])
    key = ".".join([part for part in [where, *path] if part])
    if first["type"] == "extra_forbidden":
        hint = did_you_mean(path[-1], owner.model_fields) if owner else "remove it"
        hint = hint.replace("mean '", f"mean '{key.removesuffix(path[-1])}")
        return f"unknown key '{key}': {retired(key) or hint}"
    if first["type"] == "missing":
        return f"'{key}' is required: set it with {key}=…"
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    return f"'{key}' is {_short(first.get('input'))}: {message}{more}"


def _locate(
    model: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[list[str], type[BaseModel] | None]:
    """Return the keys a user would write, and the class that owns the last of them.

    A location passes through the tag of a discriminated union, which is no key; the tag says which
    member owns what follows.
    """
    path: list[str] = []
    here: Any = model
    owner: type[BaseModel] | None = None
    for part in map(str, location):
        members = {_tag(member): member for member in _members(here)}
        if part in members:
            here = members[part]
            continue
        path.append(part)
        owner = here if isinstance(here, type) and issubclass(here, BaseModel) else None
        field = owner.model_fields.get(part) if owner else None
        here = _only_model(field.annotation) if field else None
    return path, owner


def _only_model(annotation: Any) -> Any:
    """Return the model of an annotation such as `Model | None`, else the annotation."""
    members = _members(annotation)
    return members[0] if len(members) == 1 else annotation


def _members(annotation: Any) -> list[type[BaseModel]]:
    models = [m for m in typing.get_args(annotation) if isinstance(m, type)]
    return [member for member in models if issubclass(member, BaseModel)]


def _tag(member: type[BaseModel]) -> str:
    kind = member.model_fields.get("kind")
    return str(typing.get_args(kind.annotation)[0]) if kind else member.__name__


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
