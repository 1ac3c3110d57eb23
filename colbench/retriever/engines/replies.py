"""What the harness answers, checked as what a stranger's program has said."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Reply(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Refused(Reply):
    """The engine could not do it.

    Attributes:
        error: why, in one line.
        missing: whether that is for want of a module.
    """

    error: str
    missing: bool


class Started(Reply):
    """The engine was imported; `versions` are those of its package and of what it runs on."""

    versions: dict[str, str] = Field(max_length=10)


class Timed(Reply):
    """Something was done; `ns` are nanoseconds of the engine's own call."""

    ns: int = Field(ge=0)


class Opened(Timed):
    """An index was opened; `files` are those that a search reads, with their bytes."""

    files: dict[str, int]


class Found(Timed):
    """A query was searched: document numbers and as many scores, in any order."""

    docs: list[int]
    scores: list[float]
