"""Where a collection comes from; `conf/dataset/` holds ready ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from colbench.settings import Settings


class SampleSettings(Settings):
    """How much of the collection is used; null takes all of it."""

    docs: int | None = Field(
        default=None,
        ge=1,
        description="documents kept: every judged one of the kept queries, filled up at random",
    )
    queries: int | None = Field(default=None, ge=1, description="queries kept, drawn at random")
    seed: int = Field(default=0, ge=0, description="seed of the draw")


class CollectionSettings(Settings):
    """What every kind of source has in common."""

    name: str | None = Field(
        default=None,
        pattern=r"^\S(.*\S)?$",
        coerce_numbers_to_str=True,
        description="what tables call the collection; null derives it from the source",
    )
    ignore_identical_ids: bool | None = Field(
        default=None,
        description="whether a document that has the query's id is left out of its results (BEIR's "
        "rule); null follows BEIR for ids under beir/ and keeps such documents otherwise",
    )
    query_length: int | None = Field(
        default=None, ge=2, description="published query length in tokens for ColBERT checkpoints"
    )
    sample: SampleSettings = Field(default_factory=SampleSettings, description="use only a part")
    max_unknown_docs: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="largest share of judgments that may name documents the collection lacks",
    )


class IrdsSettings(CollectionSettings):
    """Any ir_datasets id that has documents, queries and qrels."""

    kind: Literal["irds"] = "irds"
    id: str = Field(min_length=1, description="ir_datasets id, for example beir/scifact/test")


class BeirDirSettings(CollectionSettings):
    """A local folder in BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv."""

    kind: Literal["beir_dir"] = "beir_dir"
    path: Path = Field(description="the folder")
    split: str = Field(
        default="test",
        pattern=r"^[^/\\\s]+$",
        coerce_numbers_to_str=True,
        description="name of the qrels file, without its ending",
    )


class PydocsSettings(CollectionSettings):
    """The collection made from the documentation of installed Python packages."""

    kind: Literal["pydocs"] = "pydocs"
    size: Literal["small", "full"] = Field(
        default="small", description="how many packages are harvested"
    )
    split: Literal["all", "train", "test"] = Field(
        default="all",
        description="half of the questions, by their ids; all documents stay in both halves",
    )


class MemorySettings(CollectionSettings):
    """A collection that lay in the memory of the process that measured; nothing can load it."""

    kind: Literal["memory"] = "memory"


class VectorsSettings(CollectionSettings):
    """A folder with the token vectors of documents and queries, which no model makes here."""

    kind: Literal["vectors"] = "vectors"
    path: Path = Field(description="the folder, as `colbench vectors write` makes it")
    split: str = Field(
        default="test",
        pattern=r"^[^/\\\s]+$",
        coerce_numbers_to_str=True,
        description="name of the qrels file, without its ending; no qrels are needed",
    )
    unnormalized: Literal["refuse", "normalize", "allow"] = Field(
        default="refuse",
        description="what becomes of vectors whose length is not 1: refuse tells the first one, "
        "normalize scales them to 1 as they are read, allow takes them as they are",
    )


DatasetSettings = Annotated[
    IrdsSettings | BeirDirSettings | PydocsSettings | VectorsSettings | MemorySettings,
    Field(discriminator="kind"),
]
"""Any source; `kind` says which."""
