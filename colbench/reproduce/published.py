"""Published figures, one entry each, from the files of `conf/published/`.

`reference_series` says how the files are laid out; here is what they become.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from colbench.config.folder import conf_folder, options
from colbench.config.models import is_model_name
from colbench.errors import ConfigError, did_you_mean
from colbench.measures.catalogue import check_measures
from colbench.reproduce.record import SourceInfo
from colbench.reproduce.series import Collections, Figure, read_files
from colbench.settings import Settings

FOLDER = "published"
ALL = "all"
"""In place of a dataset: every published figure."""

OTHER_METRICS = {
    "search_ms_1cpu": "ms a query, one CPU thread",
    "search_ms_8cpu": "ms a query, 8 CPU threads",
    "search_ms_gpu": "ms a query, GPU",
    "qps": "queries per second",
    "qps_cpu": "queries per second, CPU",
    "qps_gpu": "queries per second, GPU",
    "docs_per_second": "documents per second",
    "index_seconds": "seconds to build the index",
    "index_gib": "index, GiB",
    "index_gb": "index, GB",
    "index_mb": "index, MB",
    "bytes_per_vector": "bytes per vector",
    "million_vectors": "million vectors",
    "documents": "documents of the index",
    "terms": "terms of the index",
    "rbo": "rank-biased overlap with the exhaustive run",
    "score": "the source's own score, whose measure it does not name",
}
"""What entries hold that is no measure of ours, and is never judged."""


class Entry(Settings):
    """One published figure."""

    id: str = Field(description="series, dataset and metric")
    model: str = Field(description="as published; a hub name where there is one")
    revision: str | None = Field(description="hub revision, null where none is published")
    encoder: str | None = Field(description="option of conf/encoder, or hub name, of this model")
    dataset: str = Field(description="option of conf/dataset, or a collection that is none")
    split: str = Field(description="split the figure is of")
    system: str | None = Field(description="option of conf/system that measures the same")
    settings: dict[str, Any] = Field(description="what is set in that system: dotted key → value")
    why: str | None = Field(description="why no system measures it; null where one does")
    query_length: int | None = Field(description="tokens, null where not published")
    document_length: int | None = Field(description="tokens, null where not published")
    ignore_identical_ids: bool | None = Field(
        description="whether a document with the query's id is left out, null where not published"
    )
    engine: dict[str, Any] = Field(description="settings as published; null where not published")
    metric: str = Field(description="name of a measure of ours, or key of `OTHER_METRICS`")
    value: float = Field(description="effectiveness as a fraction; others in their unit")
    tolerance: float | None = Field(description="absolute; null for what is never judged")
    source: SourceInfo
    suspect: bool = Field(description="whether the published figure is probably wrong")
    note: str | None = Field(description="what a reader must know")

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        if metric not in OTHER_METRICS:
            check_measures([metric])
        return metric


class Average(Settings):
    """One published mean over collections."""

    id: str
    model: str
    encoder: str | None
    system: str | None
    why: str | None
    members: list[str] | None = Field(
        description="collections it is the mean of; null where the source does not say"
    )
    metric: str
    value: float = Field(description="a fraction")
    tolerance: float | None
    source: SourceInfo
    note: str | None


@dataclass(frozen=True)
class Reference:
    """Every published figure.

    Attributes:
        entries: single figures, in the order of the files.
        averages: means over collections.
        collections: what is known of the collections they name.
    """

    entries: list[Entry]
    averages: list[Average]
    collections: Collections

    def datasets(self) -> list[str]:
        """Return the names of all collections with an entry, in the order of the files."""
        return list(dict.fromkeys(entry.dataset for entry in self.entries))

    def of(self, dataset: str, model: str | None = None) -> list[Entry]:
        """Return the entries of one dataset, or of `all`, and of models whose name holds `model`.

        Raises:
            ConfigError: nothing is published of this dataset or model.
        """
        known = self.datasets()
        if dataset not in (ALL, *known):
            hint = did_you_mean(dataset, [ALL, *known])
            what = "nothing published is listed for" if dataset in options("dataset") else "unknown"
            raise ConfigError(f"{what} dataset '{dataset}': {hint}")
        entries = [entry for entry in self.entries if dataset in (ALL, entry.dataset)]
        if model is None:
            return entries
        chosen = [entry for entry in entries if _is_called(entry, model)]
        if not chosen:
            names = {name for e in entries for name in (e.model, e.encoder) if name}
            raise ConfigError(f"no entry of a model '{model}': {did_you_mean(model, names)}")
        return chosen


def _is_called(entry: Entry, name: str) -> bool:
    return any(name.lower() in known.lower() for known in (entry.model, entry.encoder or ""))


@cache
def load_reference(folder: Path | None = None) -> Reference:
    """Read, expand and check all files.

    Args:
        folder: other than `conf/published`.

    Raises:
        ConfigError: a file that is not of this form, or an entry that names what does not exist;
            says which.
    """
    files = read_files(folder or conf_folder() / FOLDER)
    entries = [Entry.model_validate(_plain(figure)) for figure in files.figures]
    averages = [Average.model_validate(_plain(figure, Average)) for figure in files.averages]
    _check_unique([*entries, *averages])
    for entry in entries:
        _check(entry, files.collections)
    for average in averages:
        _check_names(average)
        for member in average.members or []:
            if member not in options("dataset") and member not in files.collections:
                raise ConfigError(f"{average.id}: unknown member '{member}'")
    return Reference(entries, averages, files.collections)


def _plain(figure: Figure, model: type[Settings] = Entry) -> Mapping[str, Any]:
    return {key: figure.values[key] for key in model.model_fields if key in figure.values}


def _check_unique(entries: Iterable[Entry | Average]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise ConfigError(f"reference entry '{entry.id}' is there twice")
        seen.add(entry.id)


def _check(entry: Entry, collections: Collections) -> None:
    """Refuse an entry that names what does not exist, or leaves out a reason."""
    _check_names(entry)
    if entry.dataset not in collections and entry.dataset not in options("dataset"):
        hint = did_you_mean(entry.dataset, [*collections, *options("dataset")])
        raise ConfigError(f"{entry.id}: unknown collection '{entry.dataset}': {hint}")
    if entry.suspect and not entry.note:
        raise ConfigError(f"{entry.id}: a suspect figure needs a note that says why")
    if entry.metric in OTHER_METRICS and entry.system is not None:
        raise ConfigError(f"{entry.id}: '{entry.metric}' is never judged: leave out the system")


def _check_names(entry: Entry | Average) -> None:
    if entry.encoder is not None and not _is_encoder(entry.encoder):
        hint = did_you_mean(entry.encoder, options("encoder"))
        raise ConfigError(f"{entry.id}: unknown encoder '{entry.encoder}': {hint}")
    if entry.system is None:
        if entry.why is None:
            raise ConfigError(f"{entry.id}: without a system, 'why' has to say the reason")
    elif entry.system not in options("system"):
        hint = did_you_mean(entry.system, options("system"))
        raise ConfigError(f"{entry.id}: unknown system '{entry.system}': {hint}")


def _is_encoder(name: str) -> bool:
    return name in options("encoder") or is_model_name(name)
