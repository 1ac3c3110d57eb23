"""How the files of `conf/published/` are laid out, and their expansion to single figures.

`conf/published/published.yaml` documents the keys for whoever adds a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from colbench.errors import ConfigError, did_you_mean
from colbench.reproduce.record import SourceInfo
from colbench.settings import Settings, explain

SHARED = "published.yaml"
"""The file with what the others share."""

_DIGITS = 8

T = TypeVar("T", bound=Settings)


class CollectionFacts(Settings):
    """What is known of a collection with published figures."""

    documents: int | None = Field(None, description="documents of the full collection")
    split: str = Field("test", description="split that published figures are of")
    why: str | None = Field(None, description="why conf/dataset has no option for it")


Collections = Mapping[str, CollectionFacts]


class _Shared(Settings):
    """The content of `published.yaml`."""

    tolerances: dict[str, float | None]
    collections: dict[str, CollectionFacts]
    members: dict[str, list[str]]


class _Common(Settings):
    """What a series and an average have in common."""

    id: str
    model: str
    revision: str | None = None
    encoder: str | None = None
    system: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    why: str | None = None
    metric: str | None = None
    scale: Literal["points", "fraction", "plain"] = "points"
    path: str
    source: str
    note: str | None = None

    def scaled(self, value: float) -> float:
        """Return a published value as a fraction, or a cost as it is."""
        return round(value / 100, _DIGITS) if self.scale == "points" else value


class _Series(_Common):
    """Cells of a table that share all but collection, metric and value."""

    query_length: int | None = None
    document_length: int | None = None
    ignore_identical_ids: bool | None = None
    engine: dict[str, Any] = Field(default_factory=dict)
    suspect: bool = False
    values: dict[str, float | dict[str, float]] = Field(min_length=1)
    but: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Average(_Common):
    """A published mean."""

    members: str | list[str] | None
    value: float


class _File(Settings):
    """One of the other files."""

    sources: dict[str, SourceInfo]
    series: list[_Series]
    averages: list[_Average] = Field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """One figure with every key of its entry, unchecked."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Files:
    """The content of the folder."""

    figures: list[Figure]
    averages: list[Figure]
    collections: Collections


def read_files(folder: Path) -> Files:
    """Read and expand all files of a folder, in the order of their names.

    Raises:
        ConfigError: a file cannot be read, or names a source, path or set of members that is not
            there.
    """
    shared = _read(folder / SHARED, _Shared)
    figures: list[Figure] = []
    averages: list[Figure] = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name == SHARED:
            continue
        file = _read(path, _File)
        for series in file.series:
            figures.extend(Figure(values) for values in _expanded(series, file, shared, path))
        averages.extend(Figure(_average(average, file, shared, path)) for average in file.averages)
    return Files(figures, averages, shared.collections)


def _read(path: Path, model: type[T]) -> T:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, model)}") from None


def _expanded(
    series: _Series, file: _File, shared: _Shared, path: Path
) -> Iterator[dict[str, Any]]:
    """Yield the keys of each entry of a series."""
    used: set[str] = set()
    for dataset, cell in series.values.items():
        cells = cell if isinstance(cell, dict) else {_metric(series, path): cell}
        for metric, value in cells.items():
            keys = series.model_dump(exclude={"values", "but", "scale", "path"})
            changed = [key for key in (dataset, f"{dataset}/{metric}") if key in series.but]
            used.update(changed)
            for key in changed:
                keys |= _changes(series, key, path)
            facts = shared.collections.get(dataset, CollectionFacts())
            yield {
                **keys,
                "id": f"{series.id}/{dataset}/{metric}",
                "dataset": dataset,
                "split": facts.split,
                "metric": metric,
                "value": series.scaled(value),
                "tolerance": _of(shared.tolerances, series.path, "path", series, path),
                "source": _of(file.sources, series.source, "source", series, path),
            }
    if unused := set(series.but) - used:
        raise ConfigError(f"{path}: {series.id}: 'but' names {', '.join(sorted(unused))}: no value")


def _changes(series: _Series, key: str, path: Path) -> dict[str, Any]:
    allowed = set(_Series.model_fields) - {"id", "values", "but", "scale", "path", "metric"}
    for name in series.but[key]:
        if name not in allowed:
            raise ConfigError(f"{path}: {series.id}: but.{key}: {did_you_mean(name, allowed)}")
    return series.but[key]


def _average(average: _Average, file: _File, shared: _Shared, path: Path) -> dict[str, Any]:
    members = average.members
    if isinstance(members, str):
        members = _of(shared.members, members, "members", average, path)
    return {
        **average.model_dump(exclude={"scale", "path"}),
        "members": members,
        "metric": _metric(average, path),
        "value": average.scaled(average.value),
        "tolerance": _of(shared.tolerances, average.path, "path", average, path),
        "source": _of(file.sources, average.source, "source", average, path),
    }


def _metric(series: _Common, path: Path) -> str:
    if series.metric is None:
        raise ConfigError(f"{path}: {series.id}: neither the series nor the value names a metric")
    return series.metric


def _of(known: Mapping[str, Any], name: str, what: str, series: _Common, path: Path) -> Any:
    if name not in known:
        raise ConfigError(
            f"{path}: {series.id}: unknown {what} '{name}': {did_you_mean(name, known)}"
        )
    return known[name]
