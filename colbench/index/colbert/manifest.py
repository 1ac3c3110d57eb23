"""`index.json`: what an index is made of. Replacing it is what commits a change.

    index.json             this manifest, written last
    centroids.npy          float16 (centroids, dims)
    buckets.npy            float32: cut-offs, then weights
    projection.npy         float32 (dims of the encoder, dims), where there is one
                           (all three are absent as long as no document has a token, and named
                           after a change, centroids-000007.npy, where they were learnt in it)
    segment-000001/        one of each build, add or compaction: see `segment`
    deleted-000007.npy     int64, numbers of deleted documents
    versions/              manifests of earlier commits, where they are kept: see `versions`
    write.lock             held by the one process that may change the index

A file that the manifest does not name does not exist: it is left over from a change that was
interrupted, and the next writer removes it. The names that it may give are those above, and no
others, so that it leads to no file elsewhere.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.files import unavailable, write_json
from colbench.index.colbert.settings import IndexSettings
from colbench.mapped import Missing, Unfit, plain_file
from colbench.settings import Settings, explain

FORMAT = "colbench-colbert-index"
VERSION = 2
_FIRST_VERSION = 1
"""Still written where an index holds nothing that it could not say: after a build."""

FILE_NAME = "index.json"
LEFTOVER = f".{FILE_NAME}.*.tmp"
"""Pattern of what a `write_manifest` that was killed leaves."""


ARRAYS = ("offsets", "codes", "residuals", "list_centroids", "list_offsets", "list_docs")
SEGMENT_FILES = ("ids.json", *(f"{name}.npy" for name in ARRAYS))
"""Files of a segment: see `segment`."""

CODEC = ("centroids", "buckets", "projection")
"""Arrays that are learnt; the last only where there is a projection."""

_MOST = 1 << 53
"""No count is larger: JSON has no more."""

_LARGEST = 1 << 28
"""Bytes of the largest `index.json` that is read; one of a thousand segments has a megabyte."""


class FileEntry(Settings):
    """A file of the index."""

    path: str = Field(description="relative to the index folder")
    bytes: int = Field(ge=0, le=_MOST)
    sha256: str


class SegmentEntry(Settings):
    """Documents that were added together."""

    name: str = Field(description="folder, relative to the index folder")
    documents: int = Field(ge=0, le=_MOST)
    tokens: int = Field(ge=0, le=_MOST)
    files: list[FileEntry]


class Extent(Settings):
    """How large a collection is."""

    documents: int = Field(ge=0, le=_MOST)
    tokens: int = Field(ge=0, le=_MOST)


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
    encoder_dims: int = Field(ge=0, le=_MOST, description="dimensions of the encoder's vectors")
    dims: int = Field(
        ge=0, le=_MOST, description="dimensions of the indexed vectors, after any projection"
    )
    centroids: int = Field(ge=0, le=1 << 32, description="0 as long as no document has a token")
    settings: IndexSettings
    change: int = Field(1, ge=1, le=_MOST, description="counts commits")
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
        return self._written

    @property
    def holds(self) -> Extent:
        """Documents that a search can find, and their tokens."""
        if self.growth is not None:
            return self.growth.holds
        return self._written

    @property
    def _written(self) -> Extent:
        return Extent(
            documents=sum(segment.documents for segment in self.segments),
            tokens=sum(segment.tokens for segment in self.segments),
        )

    def named(self) -> set[str]:
        """Return the names that it gives in the folder of the index."""
        own = [self.deleted] if self.deleted else []
        return {*(entry.path for entry in (*self.codec, *own)), *(s.name for s in self.segments)}

    def files(self) -> list[FileEntry]:
        """Return every file of the index but this one."""
        own = [self.deleted] if self.deleted else []
        return [*self.codec, *(f for segment in self.segments for f in segment.files), *own]


def file_entry(folder: Path, path: str) -> FileEntry:
    """Describe a file as it is on disk.

    Raises:
        StorageError: it cannot be read.
    """
    file = folder / path
    try:
        return FileEntry(path=path, bytes=file.stat().st_size, sha256=sha256_file(file))
    except OSError as error:
        told = unavailable(file, error)
        raise told or StorageError(f"{file} went while it was written: try again") from error


def write_manifest(folder: Path, manifest: Manifest, *, name: str = FILE_NAME) -> None:
    """Commit, or write the same under another name."""
    plain = manifest.centroids and manifest.growth is None
    version = _FIRST_VERSION if plain else VERSION
    content = _content(manifest.model_copy(update={"version": version}))
    write_json(folder / name, {**content, "checksum": _checksum(content)})


def _content(manifest: Manifest) -> dict[str, Any]:
    """Return what is written, but for the checksum: without `growth` where there is none."""
    unknown = {"growth"} if manifest.growth is None else set()
    return manifest.model_dump(mode="json", exclude={"checksum", *unknown})


def _checksum(content: dict[str, Any]) -> str:
    return json_digest(content, spaced=True)


def read_manifest(folder: Path, name: str = FILE_NAME) -> Manifest:
    """Read and validate `index.json`, or what was written as it under another name.

    Raises:
        StorageError: there is none, or it is foreign, of a newer version, or damaged, or names what
            no writer would name.
        StorageUnavailable: it cannot be read now.
    """
    file = folder / name
    try:
        with plain_file(file) as stream:
            if os.fstat(stream.fileno()).st_size > _LARGEST:
                raise Unfit("it is far larger than a manifest")
            text = stream.read()
        content = json.loads(text.decode("utf-8"))
    except Missing:
        raise _no_index(folder) from None
    except (Unfit, ValueError, RecursionError) as error:
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
    if (why := _contradiction(manifest)) is not None:
        raise StorageError(f"{file} is damaged ({why}): build the index again")
    return manifest


def _no_index(folder: Path) -> StorageError:
    try:
        unfinished = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        told = unavailable(folder, error)
        if told is not None:
            return told
        unfinished = False
    what = "its build did not finish: build it again" if unfinished else "build one first"
    return StorageError(f"there is no index in {folder} ({FILE_NAME} is missing): {what}")


def _contradiction(manifest: Manifest) -> str | None:
    """Return what no writer would write: names of other files, or numbers that do not fit."""
    settings = manifest.settings
    if manifest.dims != (settings.dims or manifest.encoder_dims):
        return f"{manifest.dims} dimensions, want {settings.dims or manifest.encoder_dims}"
    if manifest.centroids and not manifest.dims:
        return "centroids of no dimensions"
    if manifest.dims > manifest.encoder_dims:
        return f"{manifest.dims} dimensions of vectors that have {manifest.encoder_dims}"
    if settings.nbits < 16 and manifest.dims * settings.nbits % 8:
        return f"{manifest.dims} dimensions of {settings.nbits} bits fill no whole bytes"
    learnt = ["buckets", "centroids", *(["projection"] if settings.dims is not None else [])]
    codec = [_kind(entry.path, manifest.change) for entry in manifest.codec]
    if sorted(map(str, codec)) != (learnt if manifest.centroids else []):
        return "it names other files than those of a codec"
    names = [segment.name for segment in manifest.segments]
    if any(_kind(name, manifest.change) != "segment" for name in names):
        return "it names a folder that no segment has"
    numbers = [int(name.partition("-")[2]) for name in names]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        return "its segments are not in the order in which they were added, each once"
    for segment in manifest.segments:
        wanted = sorted(f"{segment.name}/{name}" for name in SEGMENT_FILES)
        if sorted(entry.path for entry in segment.files) != wanted:
            return f"it names other files than those of {segment.name}"
    if manifest.deleted and _kind(manifest.deleted.path, manifest.change) != "deleted":
        return "it names another file than one of deleted documents"
    return None


_NAMES = {
    "centroids": ".npy",
    "buckets": ".npy",
    "projection": ".npy",
    "deleted": ".npy",
    "segment": "",
}


def _kind(name: str, change: int) -> str | None:
    """Return what a name says it is, where a writer gives such a name in one of the changes."""
    found = re.fullmatch(r"([a-z]+)(?:-([0-9]{6,16}))?(\.npy)?", name)
    if found is None or _NAMES.get(found[1]) != (found[3] or ""):
        return None
    if found[2] is None:  # of the build
        return found[1] if found[1] in CODEC else None
    number = int(found[2])
    return found[1] if found[2] == f"{number:06d}" and 1 <= number <= change else None
