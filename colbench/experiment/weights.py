"""The weights of a run, before its work begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from colbench.encoder.loading.weights import EMBEDDED, resolve_weights
from colbench.errors import WeightsUnavailable
from colbench.retriever.base import SystemSettings


def look_for_weights(systems: Mapping[str, SystemSettings], cache: Path, *, strict: bool) -> None:
    """Fail where a strict run would fail after its work, and put embedded models together.

    In the process of a system that would count in its peak memory.

    Args:
        systems: name → settings.
        cache: where models are put together.
        strict: whether all weights must be there; else a system without them is skipped later.

    Raises:
        ConfigError: no such model.
        WeightsUnavailable: weights are not here and cannot be had, with `strict`.
    """
    for name, system in systems.items():
        for model in system.models():
            if not (strict or model.model.startswith(EMBEDDED)):
                continue
            try:
                resolve_weights(model.model, model.revision, cache)
            except WeightsUnavailable as error:
                if strict:
                    raise WeightsUnavailable(f"{name}: {error} (strict=true)") from None
