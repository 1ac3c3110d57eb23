"""Base of every typed configuration class."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen group of settings that refuses unknown keys.

    Subclasses stand beside the code they configure. Every field has a description: it is what
    `colbench list` prints and what the documentation is made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
