"""What an engine reports."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VersionReply(_Frozen):
    """The engine can be imported.

    Attributes:
        version: of its package.
    """

    version: str


class BuildReply(VersionReply):
    """What a build took.

    Attributes:
        seconds: wall time of the build; imports and the reading of the vectors are not in it.
        index_bytes: the files that a search reads.
        peak_rss_bytes: of the process, libraries and vectors included.
    """

    seconds: float
    index_bytes: int
    peak_rss_bytes: int


class SearchedSetting(_Frozen):
    """What one search setting gave; no times and no documents where `error` says why.

    Attributes:
        name: of the setting.
        ms: each query's least wall time over the trials, searched alone.
        docs: k document numbers of each query, best first, padded with -1.
        error: one line, or None.
    """

    name: str
    ms: list[float]
    docs: list[list[int]]
    error: str | None


class SearchReply(VersionReply):
    """What opening and searching an index took, in a process that did nothing else.

    Attributes:
        open_seconds: wall time of opening the index.
        settings: in the order of `EngineSettings.search`.
        peak_rss_bytes: of the process over all settings, libraries and mapped files included.
        anonymous_peak_bytes: how much of that no file backs, at least; None where the operating
            system does not tell.
    """

    open_seconds: float
    settings: list[SearchedSetting]
    peak_rss_bytes: int
    anonymous_peak_bytes: int | None
