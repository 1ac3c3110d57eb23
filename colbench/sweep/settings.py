"""What a sweep varies, and the variants that it makes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from colbench.config.systems import Systems
from colbench.errors import ConfigError, did_you_mean
from colbench.results.axes import short_names, shown
from colbench.retriever.base import SystemSettings
from colbench.settings import Settings

DEPTH = "k"
"""The axis that is no setting of the system: documents retrieved per query."""


class SweepSettings(Settings):
    """A grid over the settings of one system; the other systems of the run stand beside it."""

    system: str = Field("colbert", description="the system whose settings are varied")
    axes: dict[str, list[Any]] = Field(
        min_length=1,
        description="setting of the system, such as index.nbits or search, or k → values; nested "
        "as the settings are; null takes an axis out. An index, a search or an encoder can be "
        "named as in conf/",
    )
    measure: str | None = Field(
        None, description="measure of fronts, tests and advice; default: the first one"
    )
    tolerance: float = Field(
        0.005, ge=0, description="loss against the reference that the advice takes for none"
    )

    @field_validator("axes", mode="before")
    @classmethod
    def _flat(cls, axes: Any) -> Any:
        return _flattened(axes) if isinstance(axes, dict) else axes


@dataclass(frozen=True)
class Variant:
    """One variant of the system: a combination of the grid.

    Attributes:
        name: its row in tables, `nbits=2, dims=128`.
        parameters: axis → value.
        settings: of the system, checked.
        k: documents retrieved per query; None for the run's own depth.
    """

    name: str
    parameters: Mapping[str, Any]
    settings: SystemSettings
    k: int | None


def sweep_variants(sweep: SweepSettings, systems: Systems) -> list[Variant]:
    """Return all variants, the last axis running fastest.

    Args:
        sweep: what is varied.
        systems: of the run.

    Raises:
        ConfigError: an unknown system, an axis that is no setting of it, a value that is not valid,
            an axis without values or with one twice.
    """
    if sweep.system not in systems:
        hint = did_you_mean(sweep.system, systems)
        raise ConfigError(f"sweep.system: unknown system '{sweep.system}': {hint}")
    if not systems[sweep.system].searched:
        raise ConfigError(
            f"sweep.system: '{sweep.system}' is a ranking that was made elsewhere, whose settings "
            "have no costs: name it in systems"
        )
    for axis, values in sweep.axes.items():
        if not values:
            raise ConfigError(f"sweep.axes.{axis} has no values")
        if any(value in values[:place] for place, value in enumerate(values)):
            raise ConfigError(f"sweep.axes.{axis} has a value more than once")
    labels = short_names(sweep.axes)
    variants = []
    for chosen in itertools.product(*sweep.axes.values()):
        parameters = dict(zip(sweep.axes, chosen, strict=True))
        name = ", ".join(f"{labels[axis]}={shown(value)}" for axis, value in parameters.items())
        changes = {axis: value for axis, value in parameters.items() if axis != DEPTH}
        try:
            settings = systems.changed(sweep.system, changes)
        except ConfigError as error:
            raise ConfigError(f"sweep variant {name}: {error}") from None
        variants.append(Variant(name, parameters, settings, _depth(parameters.get(DEPTH))))
    return variants


def _flattened(axes: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return dotted paths of nested mappings, without what is null.

    >>> _flattened({"index": {"nbits": [1, 2], "dims": None}, "k": [10]})
    {'index.nbits': [1, 2], 'k': [10]}
    """
    flat: dict[str, Any] = {}
    for key, value in axes.items():
        path = f"{before}{key}"
        if value is not None:
            flat.update(_flattened(value, f"{path}.") if isinstance(value, dict) else {path: value})
    return flat


def _depth(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and value >= 1):
        return value
    raise ConfigError(f"sweep.axes.k: {value!r} is no number of documents")
