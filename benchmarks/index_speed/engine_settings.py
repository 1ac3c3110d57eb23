"""Which engines are measured, and how each is built and searched."""

from __future__ import annotations

from collections import Counter
from typing import Any

from omegaconf import OmegaConf
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from colbench.config.folder import options
from colbench.errors import ConfigError, did_you_mean
from colbench.retriever.engines.declaration import Declaration, engine_declaration
from colbench.settings import Settings, explain


class EngineSearch(BaseModel):
    """One way of searching an engine's index: a name, and beside it the engine's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str = Field(description="what the results of these settings are called")

    def given(self) -> dict[str, Any]:
        """Return the engine's own settings."""
        return self.model_dump(exclude={"name"})


class EngineSettings(Settings):
    """An engine: a file of `benchmarks/conf/engine/`."""

    engine: str = Field(description="as of a system of the kind engine: its name, or a file")
    about: str = Field(description="one line: what it is, and what help it needed")
    build: dict[str, Any] = Field(default={}, description="the engine's own settings of a build")
    search: tuple[EngineSearch, ...] = Field(min_length=1, description="ways of searching it")

    @property
    def declaration(self) -> Declaration:
        """What the engine's file says of it."""
        return engine_declaration(self.engine)

    @field_validator("build")
    @classmethod
    def _build_is_its(cls, build: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        engine_declaration(info.data["engine"]).check("build", build)
        return build

    @field_validator("search")
    @classmethod
    def _searches_are_its(
        cls, search: tuple[EngineSearch, ...], info: ValidationInfo
    ) -> tuple[EngineSearch, ...]:
        for one in search:
            engine_declaration(info.data["engine"]).check("search", one.given())
        counts = Counter(setting.name for setting in search)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"'{repeated[0]}' names more than one search")
        return search


def engine_settings(name: str) -> EngineSettings:
    """Read an engine of `benchmarks/conf/engine/`.

    Raises:
        ConfigError: no such engine, or a key that is unknown, missing or wrong.
    """
    known = options("engine")
    if name not in known:
        raise ConfigError(f"unknown engine '{name}': {did_you_mean(name, known)}")
    values = OmegaConf.to_container(OmegaConf.load(known[name]))
    try:
        return EngineSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, EngineSettings, where=f"engine.{name}")) from None
