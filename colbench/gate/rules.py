"""What a gate tolerates: the typed form of `conf/gate/*.yaml`, by name or from one's own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra import compose
from omegaconf import OmegaConf
from pydantic import AfterValidator, Field, PositiveInt, ValidationError

from colbench.config.folder import (
    COMPOSITION_ERRORS,
    conf_folder,
    further_folders,
    hydra_in,
    options,
    reason,
    search_path,
)
from colbench.config.foreign import check_rules_file
from colbench.errors import ConfigError, did_you_mean
from colbench.measures.catalogue import check_measures
from colbench.retriever.registry import kinds
from colbench.settings import Settings, explain


def _different(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands there twice")
    return names


def _kinds(names: list[str]) -> list[str]:
    for name in names:
        if name not in kinds():
            raise ValueError(f"no kind of system '{name}': {did_you_mean(name, kinds())}")
    return names


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_different)]
Share = Annotated[float, Field(ge=0)]


class CostRules(Settings):
    """Largest growth of each cost, as a share of the baseline's: 0.2 allows a fifth more.

    A cost that is null is not gated.
    """

    index_bytes: Share | None = Field(0.0, description="bytes of the index")
    bytes_per_vector: Share | None = Field(
        0.0,
        description="bytes over stored vectors, without headers, offsets, lists, graphs and "
        "manifests",
    )
    peak_rss_bytes: Share | None = Field(0.25, description="peak memory of the system's process")
    latency_p50: Share | None = Field(
        0.5,
        description="median of a query from its text to its documents, over fixed work timed "
        "beside it; of encoding and of search apart where the baseline does not hold the sum",
    )
    latency_p95: Share | None = Field(
        1.0, description="as latency_p50, the 95th percentile; not judged where the sum is missing"
    )
    encode_latency: Share | None = Field(
        None, description="p50 of encoding a query, over the matrix product timed beside it"
    )
    search_latency: Share | None = Field(
        None, description="p50 of a search, over the scan timed beside it"
    )
    least_ms: float = Field(0.2, ge=0, description="a latency below this is not gated: it is noise")
    rounding: Share = Field(
        0.001,
        description="growth of sizes allowed where machine or package versions differ: an index "
        "follows the last bits of its vectors",
    )


class LostQueries(Settings):
    """Queries that the baseline answers (a relevant document in the top ten) and no longer so."""

    at_most: int = Field(3, ge=0, description="queries that may fall out")
    share: float = Field(
        0.0, ge=0, le=1, description="the same as a share of all queries; the larger limit counts"
    )


class MustFind(Settings):
    """A query that has to find its documents, whatever the averages say."""

    name: str = Field(description="what it stands for, as it is shown")
    query: str = Field(description="id of a query of the collection")
    documents: list[str] = Field(min_length=1, description="ids of documents, all to be found")
    within: PositiveInt = Field(10, description="ranks among which they have to be")
    systems: Names | None = Field(None, description="systems it holds for; default: all gated")


class GateRules(Settings):
    """The rules of a gate."""

    baseline: Path | None = Field(
        None, description="baseline file, results.json or run folder; for colbench run"
    )
    systems: Names | None = Field(
        None, description="systems to gate; default: all that the baseline measured"
    )
    measures: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(
        min_length=1, description="measure → smallest drop of its mean that matters"
    )
    alpha: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="probability of any false alarm among all systems and measures (Holm)",
    )
    resamples: int = Field(10_000, ge=1000, description="draws of the bootstrap and of the signs")
    seed: int = Field(0, ge=0, description="of the draws")
    exact: Annotated[list[str], AfterValidator(_kinds)] = Field(
        default_factory=lambda: ["bm25", "colbert_exact"],
        description="kinds of systems without approximation: with the same settings, package "
        "versions and, where they hold vectors, machine, they must be identical: a lexical index "
        "in its rankings, one of vectors in the values of every query",
    )
    inconclusive: Literal["pass", "fail"] = Field(
        "pass",
        description="what becomes of a gate in which a drop of effectiveness is neither shown nor "
        "excluded",
    )
    lost_queries: LostQueries | None = Field(
        default_factory=lambda: LostQueries(), description="null: not guarded"
    )
    must_find: list[MustFind] = Field(default_factory=list, description="critical queries")
    costs: CostRules = Field(default_factory=lambda: CostRules())


GROUP = "gate"


def load_rules(name: str, extra: Sequence[Path] = ()) -> GateRules:
    """Return checked rules.

    Args:
        name: an option of `conf/gate/`, or a YAML file like those there; its `defaults` may name
            options, and files beside it.
        extra: further configuration folders.

    Raises:
        ConfigError: there is no such option or file, or its content is not right.
    """
    values = gate_values(name, extra)
    try:
        rules = GateRules.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"rules '{name}': {explain(error, GateRules)}") from None
    try:
        check_measures(list(rules.measures))
    except ConfigError as error:
        raise ConfigError(f"rules '{name}': {error}") from None
    return rules


def gate_values(name: str, extra: Sequence[Path] = ()) -> dict[str, Any]:
    """Return rules as plain values, what they are made of put together by Hydra.

    Raises:
        ConfigError: there is no such option or file, or Hydra cannot compose it.
    """
    known = options(GROUP, extra)
    file = known.get(name) or Path(name)
    if not _is_file(file):
        raise ConfigError(f"no rules '{name}': {did_you_mean(name, known)} (or name a YAML file)")
    if file.suffix != ".yaml":  # Hydra would look for the file of that name with .yaml
        raise ConfigError(f"rules '{name}': name the file .yaml")
    if not file.resolve().is_relative_to(conf_folder()):
        check_rules_file(file)  # Hydra does not say where in it an error is
    folders = [folder / GROUP for folder in [conf_folder(), *further_folders(extra)]]
    search = search_path(folder for folder in folders if folder.is_dir())
    try:
        with hydra_in(file.resolve().parent):
            composed = compose(file.stem, overrides=search)
        values = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except COMPOSITION_ERRORS as error:
        raise ConfigError(f"rules '{name}': {reason(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"rules '{name}' hold no keys")
    return {str(key): value for key, value in values.items()}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long to be a path
        return False


def completed(values: Mapping[str, Any], extra: Sequence[Path] = ()) -> dict[str, Any]:
    """Return the keys of a run's gate, put into the default rules: they need no choice of one.

    Raises:
        ConfigError: the default rules cannot be composed.
    """
    both = OmegaConf.to_container(OmegaConf.merge(gate_values("default", extra), dict(values)))
    assert isinstance(both, dict)
    return {str(key): value for key, value in both.items()}
