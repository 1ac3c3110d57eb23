"""`index.json`: what an index is made of. Replacing it is what commits a change.

    index.json             this manifest, written last
    centroids.npy          float16 (centroids, dims)
    buckets.npy            float32: cut-offs, then weights
    projection.npy         float32 (dims of the encoder, dims), where there is one
                           (all three are absent as long as no document has a token, and named
                           after a change, centroids-000007.npy, where they were learnt in it)
    segment-000001/        one of each build, add or compaction: see `segment`
    deleted-000007.npy     int64, numbers of deleted documents
    write.lock             held by the one process that may change the index

A file that the manifest does not name does not exist: it is left over from a change that was
interrupted, and the next writer removes it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.files import write_json
from colbench.index.colbert.settings import IndexSettings
from colbench.settings import Settings, explain

FORMAT = "colbench-colbert-index"
VERSION = 2
_FIRST_VERSION = 1
"""Still written where an index holds nothing that it could not say: after a build."""

FILE_NAME = "index.json"
LEFTOVER = f".{FILE_NAME}.*.tmp"
"""Pattern of what a `write_manifest` that was killed leaves."""


class FileEntry(Settings):
    """A file of the index."""

    path: str = Field(description="relative to the index folder")
    bytes: int
    sha256: str


class SegmentEntry(Settings):
    """Documents that were added together."""

    name: str = Field(description="folder, relative to the index folder")
    documents: int
    tokens: int
    files: list[FileEntry]


class Extent(Settings):
    """How large a collection is."""

    documents: int
    tokens: int


OUTGROWN = 10.0
"""How many times the tokens that its centroids were learnt from an index may hold.

Of 400 abstracts of SciFact at 4 bits, an index built of 40 and grown to ten times the tokens finds
.970 of the ten best of exact MaxSim, one built of all .972; built of 20 it finds .932, of 5 .888.
"""


class Growth(Settings):
    """An index beside the collection that its centroids and buckets were learnt from."""

    learnt: Extent = Field(description="what centroids and buckets were learnt from")
    holds: Extent = Field(description="documents that a search can find, and their tokens")
    outgrown: bool = Field(description="there are more than ten times as many tokens now")

    @classmethod
    def between(cls, learnt: Extent, holds: Extent) -> Growth:
        """Compare two extents."""
        outgrown = bool(learnt.tokens) and holds.tokens > OUTGROWN * learnt.tokens
        return cls(learnt=learnt, holds=holds, outgrown=outgrown)


class Manifest(Settings):
    """The whole of `index.json`."""

    format: Literal["colbench-colbert-index"] = "colbench-colbert-index"
    version: int = _FIRST_VERSION
    encoder: str = Field(description="fingerprint of the encoder whose vectors these are")
    encoder_dims: int = Field(description="dimensions of the encoder's vectors")
    dims: int = Field(description="dimensions of the indexed vectors, after any projection")
    centroids: int = Field(description="0 as long as no document has a token")
    settings: IndexSettings
    change: int = Field(1, description="counts commits")
    codec: list[FileEntry] = Field(description="centroids, buckets and projection")
    segments: list[SegmentEntry]
    deleted: FileEntry | None = None
    growth: Growth | None = Field(
        None, description="left out of a fresh build, which holds what it was learnt from"
    )
    checksum: str = Field("", description="sha256 of all the rest; set when it is written")

    @property
    def learnt(self) -> Extent:
        """What centroids and buckets were learnt from."""
        if self.growth is not None:
            return self.growth.learnt
        if not self.centroids:
            return Extent(documents=0, tokens=0)
        return Extent(
            documents=sum(segment.documents for segment in self.segments),
            tokens=sum(segment.tokens for segment in self.segments),
        )

    def files(self) -> list[FileEntry]:
        """Return every file of the index but this one."""
        own = [self.deleted] if self.deleted else []
        return [*self.codec, *(f for segment in self.segments for f in segment.files), *own]


def file_entry(folder: Path, path: str) -> FileEntry:
    """Describe a file as it is on disk."""
    file = folder / path
    return FileEntry(path=path, bytes=file.stat().st_size, sha256=sha256_file(file))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Commit."""
    plain = manifest.centroids and manifest.growth is None
    version = _FIRST_VERSION if plain else VERSION
    content = _content(manifest.model_copy(update={"version": version}))
    write_json(folder / FILE_NAME, {**content, "checksum": _checksum(content)})


def _content(manifest: Manifest) -> dict[str, Any]:
    """Return what is written, but for the checksum: without `growth` where there is none."""
    unknown = {"growth"} if manifest.growth is None else set()
    return manifest.model_dump(mode="json", exclude={"checksum", *unknown})


def _checksum(content: dict[str, Any]) -> str:
    return json_digest(content, spaced=True)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `index.json`.

    Raises:
        StorageError: there is none, or it is foreign, of a newer version, or damaged.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        unfinished = folder.is_dir() and any(folder.iterdir())
        what = "its build did not finish: build it again" if unfinished else "build one first"
        raise StorageError(f"there is no index in {folder} ({FILE_NAME} is missing): {what}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{file} cannot be read ({error}): build the index again") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StorageError(f"{file} is not the manifest of a colbench index: choose another folder")
    version = content.get("version")
    if isinstance(version, bool) or version not in (_FIRST_VERSION, VERSION):
        newer = isinstance(version, int) and version > VERSION
        raise StorageError(
            f"{folder} is an index of format version {version}, this colbench reads "
            f"{_FIRST_VERSION} and {VERSION}: "
            + ("use a newer colbench" if newer else "build it again")
        )
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise StorageError(f"{file}: {explain(error, Manifest)}: build the index again") from None
    if manifest.checksum != _checksum(_content(manifest)):
        raise StorageError(f"{file} is damaged (its checksum differs): build the index again")
    return manifest


def verify_files(folder: Path, manifest: Manifest, *, checksums: bool) -> None:
    """Compare the files with the manifest.

    Args:
        folder: of the index.
        manifest: what should be there.
        checksums: also read every file and compare its sha256, not its size alone.

    Raises:
        StorageError: a file is missing or differs.
    """
    for entry in manifest.files():
        file = folder / entry.path
        if not file.is_file():
            raise StorageError(f"{file} is missing from the index: build it again")
        size = file.stat().st_size
        if size != entry.bytes:
            raise StorageError(
                f"{file} is damaged: {size} bytes, want {entry.bytes}: build the index again"
            )
        if checksums and sha256_file(file) != entry.sha256:
            raise StorageError(f"{file} is damaged (sha256 differs): build the index again")
