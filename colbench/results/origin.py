"""What was searched, and where: the part of results that says what their numbers are of."""

from __future__ import annotations

from pydantic import Field

from colbench.collection.model import Collection, Sampling
from colbench.records import Record


class CollectionInfo(Record):
    """What was searched."""

    name: str = Field(description="collection and split; a subset carries its sampling in the name")
    docs: int = Field(description="documents")
    queries: int = Field(description="queries with at least one judgment, all of them evaluated")
    judgments: int = Field(description="judgments of these queries")
    fingerprint: str = Field(description="sha256 over documents, queries and judgments")
    sampled: bool = Field(
        description="true for a subset, which is never compared with a published number"
    )
    sample: Sampling | None = Field(None, description="how the subset was drawn")
    notes: list[str] = Field(default_factory=list, description="what loading left out or found odd")

    @classmethod
    def of(cls, collection: Collection) -> CollectionInfo:
        """Describe a collection."""
        return cls(
            name=collection.name,
            docs=len(collection.documents),
            queries=len(collection.queries),
            judgments=collection.judgments,
            fingerprint=collection.fingerprint,
            sampled=collection.sampled is not None,
            sample=collection.sampled,
            notes=list(collection.notes),
        )


class Environment(Record):
    """Where it was measured."""

    platform: str = Field(description="operating system and kernel")
    python: str = Field(description="Python version")
    cpu: str = Field(description="processor model")
    cores: int = Field(description="cores this process may use")
    threads: int = Field(description="threads every library was limited to")
    memory_bytes: int = Field(description="memory of the machine")
    accelerator: str | None = Field(description="GPU model, null without one")
    packages: dict[str, str] = Field(description="versions of the packages that shape the numbers")
    git_commit: str | None = Field(description="commit of the working tree, null outside one")
    git_dirty: bool | None = Field(description="whether that tree had uncommitted changes")
    seed: int = Field(description="seed of everything random")
