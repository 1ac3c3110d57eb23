"""What a sweep varies, and the points that makes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from colbench.config.models import NAMED_GROUPS, named_settings
from colbench.errors import ConfigError, did_you_mean
from colbench.results.axes import short_names, shown
from colbench.retriever.base import SystemSettings
from colbench.retriever.registry import system_class, system_settings
from colbench.settings import Settings

DEPTH = "k"
"""The axis that is no setting of the system: documents retrieved a query."""


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
        0.005, ge=0, description="loss against the baseline that the advice takes for none"
    )

    @field_validator("axes", mode="before")
    @classmethod
    def _flat(cls, axes: Any) -> Any:
        return _flattened(axes) if isinstance(axes, dict) else axes


@dataclass(frozen=True)
class Point:
    """One point of the grid.

    Attributes:
        name: its row in tables, `nbits=2, dims=128`.
        parameters: axis → value.
        settings: of the system, checked.
        k: documents retrieved a query; None for the run's own depth.
    """

    name: str
    parameters: Mapping[str, Any]
    settings: SystemSettings
    k: int | None


def sweep_points(
    sweep: SweepSettings,
    systems: Mapping[str, Mapping[str, Any]],
    scope: Mapping[str, Any],
    extra: Sequence[Path] = (),
) -> list[Point]:
    """Return all points of the grid, the last axis running fastest.

    Args:
        sweep: what is varied.
        systems: settings of all systems, by name.
        scope: top-level values that an option of conf/ may refer to, such as `seed`.
        extra: further configuration folders.

    Raises:
        ConfigError: an unknown system, an axis that is no setting of it, a value that is not valid,
            an axis without values or with one twice.
    """
    if sweep.system not in systems:
        hint = did_you_mean(sweep.system, systems)
        raise ConfigError(f"sweep.system: unknown system '{sweep.system}': {hint}")
    for axis, values in sweep.axes.items():
        if not values:
            raise ConfigError(f"sweep.axes.{axis} has no values")
        if any(value in values[:place] for place, value in enumerate(values)):
            raise ConfigError(f"sweep.axes.{axis} has a value more than once")
    labels = short_names(sweep.axes)
    points = []
    for chosen in itertools.product(*sweep.axes.values()):
        parameters = dict(zip(sweep.axes, chosen, strict=True))
        settings = copy.deepcopy(dict(systems[sweep.system]))
        for axis, value in parameters.items():
            if axis != DEPTH:
                _set(settings, axis, value, scope, extra)
        name = ", ".join(f"{labels[axis]}={shown(value)}" for axis, value in parameters.items())
        checked = _checked(sweep.system, settings, name)
        points.append(Point(name, parameters, checked, _depth(parameters.get(DEPTH))))
    return points


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


def _checked(system: str, settings: Mapping[str, Any], name: str) -> SystemSettings:
    try:
        return system_settings(system, settings)
    except ConfigError as error:
        raise ConfigError(f"sweep point {name}: {error}") from None


def _depth(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and value >= 1):
        return value
    raise ConfigError(f"sweep.axes.k: {value!r} is no number of documents")


def _set(
    settings: dict[str, Any],
    axis: str,
    value: Any,
    scope: Mapping[str, Any],
    extra: Sequence[Path],
) -> None:
    """Set `axis` of a system's settings; a name of conf/ is replaced by what it stands for."""
    *path, last = axis.split(".")
    if not path and last in NAMED_GROUPS and isinstance(value, str):
        fields = system_class(settings["kind"]).Settings.model_fields
        if last in fields and fields[last].annotation is NAMED_GROUPS[last]:
            value = named_settings(last, value, extra, scope)
    node = settings
    for key in path:
        if not isinstance(node.get(key), dict):
            raise ConfigError(f"sweep.axes.{axis}: the system has no group '{key}'")
        node = node[key]
    node[last] = value
