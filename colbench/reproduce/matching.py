"""Which measured system stands beside a published figure.

The settings that a figure asks for are composed as for a run, and a measured system matches when it
is of the same kind, model and search. Lengths, BM25's parameters and rules of the collection may
differ: they are reported beside the figure, since they are what its difference is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.reproduce.published import Average, Entry
from colbench.results.schema import Results, SystemResult
from colbench.retriever.registry import system_settings

_REPORTED = {"revision", "query_length", "document_length", "k1", "b", "engine", "stemmer"}
_WITHOUT_EFFECT = {
    "about",
    "name",
    "backend",
    "batch_tokens",
    "chunk_overlap",
    "device",
    "trained_on",
    "trust_remote_code",
}
_NOISE = {"seed", "sample_per_centroid", "iterations", "assignment", "chunk_tokens", "arithmetic"}
_MAY_DIFFER = frozenset(_REPORTED | _WITHOUT_EFFECT | _NOISE)
"""Keys of a system's settings in which a match may differ, at any depth."""

_FLAT_ONLY = frozenset({"hnsw_links", "ef_construction", "ef_search"})
"""Keys of a graph, which an exact index ignores."""


@dataclass(frozen=True)
class Opened:
    """Results of a run and the folder they lie in."""

    folder: Path
    results: Results

    @cached_property
    def dataset(self) -> str | None:
        """The option of conf/dataset that was measured, in full or in part; None for none."""
        dataset = self.results.config.get("dataset", {})
        if dataset.get("kind") != "irds":
            return None
        return datasets_by_id().get(dataset.get("id"))


@dataclass(frozen=True)
class Wanted:
    """A system as a figure asks for it.

    Attributes:
        dataset: option of conf/dataset.
        encoder: option of conf/encoder, hub name, or None where the system has none.
        system: option of conf/system.
        settings: dotted key and value, as a tuple that can be hashed.
    """

    dataset: str
    encoder: str | None
    system: str
    settings: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, entry: Entry) -> Wanted:
        """Return what an entry with a system asks for."""
        assert entry.system is not None
        settings = tuple(entry.settings.items())
        return cls(entry.dataset, entry.encoder, entry.system, settings)

    @classmethod
    def of_member(cls, average: Average, dataset: str) -> Wanted:
        """Return what an average with a system asks for on one of its members."""
        assert average.system is not None
        return cls(dataset, average.encoder, average.system)

    @property
    def name(self) -> str:
        """Name of the system in a run: that of its option, and what is set in it."""
        overrides = [
            self.system,
            *(f"{key.split('.')[-1]}_{value}" for key, value in self.settings),
        ]
        return "_".join("".join(c if c.isalnum() else "_" for c in word) for word in overrides)

    def overrides(self) -> list[str]:
        """Return the overrides that make this system under its name."""
        if not self.settings:
            return []
        head = f"+system@system.{self.name}={self.system}"
        return [head, *(f"system.{self.name}.{key}={value}" for key, value in self.settings)]


@cache
def datasets_by_id() -> Mapping[str, str]:
    """Return ir_datasets id → option of conf/dataset."""
    datasets = {}
    for name, path in options("dataset").items():
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if values.get("id") not in (None, "???"):
            datasets[values["id"]] = name
    return datasets


@cache
def composed(wanted: Wanted) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of the wanted system and of its parts, by name.

    Raises:
        ConfigError: the figure asks for what cannot be composed.
    """
    overrides = [f"systems=[{wanted.name}]", "encoder.precision=fp32", *wanted.overrides()]
    if wanted.encoder is not None:
        overrides.append(f"encoder={wanted.encoder}")
    systems: dict[str, Any] = compose_run(overrides).model_dump(mode="json")["system"]
    return systems


def find(wanted: Wanted, runs: Sequence[Opened]) -> tuple[Opened, SystemResult] | None:
    """Return the measured system that matches best, of the first run that has one."""
    for opened in runs:
        if opened.dataset != wanted.dataset:
            continue
        matching = [
            (differing, system)
            for system in opened.results.systems
            if system.status == "ok"
            and (differing := _differing(wanted, system, opened.results)) is not None
        ]
        if matching:
            return opened, min(matching, key=lambda pair: pair[0])[1]
    return None


def whole_config(system: SystemResult, results: Results) -> dict[str, Any]:
    """Return the settings of a measured system, its first stage's in place of that one's name.

    Settings that came after the results were written have their defaults, which is how they were
    measured.
    """
    return _whole(system.config, results.config.get("system", {}))


def _whole(config: Mapping[str, Any], systems: Mapping[str, Any]) -> dict[str, Any]:
    try:
        whole = system_settings("system", _as_now(config)).model_dump(mode="json")
    except ConfigError:  # of a kind that this colbench no longer has
        whole = dict(config)
    first = whole.get("first_stage")
    if isinstance(first, str) and first in systems:
        whole["first_stage"] = _whole(systems[first], systems)
    return whole


def _as_now(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that colbench no longer has and that changed no result."""
    gone = {"measure_gemm"}
    if "rank_bm25_limit" in config:  # what ran stands in the metadata
        gone |= {"engine", "rank_bm25_limit"}
    now = {key: value for key, value in config.items() if key not in gone}
    analyser = now.get("analyser")
    if isinstance(analyser, Mapping) and "normalisation" not in analyser:
        # `english` was the only list, whatever the stemmer.
        english = analyser.get("stemmer") in ("english", None)
        stop_words = "auto" if english else "english"
        if analyser.get("stop_words") == "english":
            now["analyser"] = {**analyser, "stop_words": stop_words}
    if isinstance(now.get("encoder"), Mapping):
        now["encoder"] = {k: v for k, v in now["encoder"].items() if k != "batch_size"}
    return now


def _differing(wanted: Wanted, system: SystemResult, results: Results) -> int | None:
    """Return in how many keys a system differs, None where one of them may not."""
    systems = composed(wanted)
    expected = dict(_flat(_whole(systems[wanted.name], systems)))
    settings = dict(_flat(whole_config(system, results)))
    ignored = _MAY_DIFFER if settings.get("index") == "hnsw" else _MAY_DIFFER | _FLAT_ONLY
    count = 0
    for key, value in expected.items():
        if settings.get(key) != value:
            if not ignored & set(key.split(".")):
                return None
            count += 1
    return count


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
