"""What describes an engine, and what it works on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from colbench.config.folder import options
from colbench.errors import ConfigError, did_you_mean
from colbench.settings import Settings, explain


class EngineSearch(BaseModel):
    """One way of searching an engine's index: a name, and beside it the engine's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str = Field(description="what the results of these settings are called")


class EngineSettings(Settings):
    """An engine: a file of `benchmarks/conf/engine/`."""

    name: str = Field(description="name of the engine and of its file")
    about: str = Field(description="one line: what it is, and what help it needed")
    requirement: str = Field(description="what pip installs; `NAME==VERSION` is held to it")
    script: str = Field(description="its module beside this one, or the path of another")
    build: dict[str, Any] = Field(default={}, description="the engine's own settings of a build")
    search: tuple[EngineSearch, ...] = Field(min_length=1, description="ways of searching it")

    @field_validator("search")
    @classmethod
    def _names_differ(cls, search: tuple[EngineSearch, ...]) -> tuple[EngineSearch, ...]:
        counts = Counter(setting.name for setting in search)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"'{repeated[0]}' names more than one search")
        return search


class EngineData(Settings):
    """The `.npy` files an engine works on; the documentation of this package has their shapes."""

    vectors: Path = Field(description="the documents' token vectors")
    lengths: Path = Field(description="tokens of each document")
    queries: Path = Field(description="the queries' token vectors")
    query_lengths: Path = Field(description="tokens of each query")


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
