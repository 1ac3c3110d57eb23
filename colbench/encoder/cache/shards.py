"""One shard of the embedding cache: the vectors of some texts in a folder of checksummed files.

    vectors.npy    (vectors, dims) float16 or float32: the rows of all texts, one after the other
    lengths.npy    (texts,) int64: rows of each text
    keys.npy       (texts, 32) uint8: sha256 of each text
    tokens.npy     (texts,) int64: tokens of each text, those that were cut off among them
    manifest.json  what the files must be, their sha256, and a sha256 of the manifest itself

A shard is written under a temporary name and renamed when all of it is on the disk, so a folder
with the final name is complete; one that does not pass its checksums was damaged later.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.digests import json_digest, sha256_file
from colbench.errors import StorageError
from colbench.files import write_json, write_npy
from colbench.mapped import Unfit, map_array, plain_file

FORMAT = 2
TEMPORARY_SUFFIX = ".tmp"
_MANIFEST = "manifest.json"


class Damaged(Exception):
    """A shard whose files are not what its manifest says, or that lacks a readable manifest."""


class Foreign(Exception):
    """A folder that is intact but not a shard of this space, or of a newer colbench."""


@dataclass(frozen=True)
class Shard:
    """A shard whose manifest, keys and lengths have been read and verified.

    Attributes:
        folder: where it lies.
        keys: sha256 digests of its texts.
        lengths: int64, rows of each text.
        starts: int64, first row of each text.
        tokens: int64, tokens of each text before anything was cut off.
        dims: columns of the vectors.
        dtype: of the vectors.
        seconds: how long encoding its texts took.
        one_pass: whether that gave the vectors of another form, too.
    """

    folder: Path
    keys: list[bytes]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    tokens: NDArray[np.int64]
    dims: int
    dtype: np.dtype[Any]
    seconds: float
    one_pass: bool = False

    def verify_vectors(self) -> None:
        """Check the vectors against their sha256; reads the whole file.

        Raises:
            Damaged: they differ.
            StorageUnavailable: they cannot be read now.
        """
        manifest = read_manifest(self.folder)
        _array(self.folder, manifest, "vectors.npy", self.dtype, (self._rows, self.dims))

    def vectors(self) -> NDArray[Any]:
        """Return the vectors as a memory map.

        Raises:
            StorageError: the file is gone, because someone pruned the cache meanwhile.
            StorageUnavailable: it cannot be read now.
        """
        try:
            with plain_file(self.folder / "vectors.npy") as stream:
                return map_array(stream, [self.dtype], (self._rows, self.dims))
        except Unfit as error:
            raise StorageError(
                f"{self.folder} can no longer be read ({error}); run again to encode it anew"
            ) from error

    @property
    def _rows(self) -> int:
        return int(self.lengths.sum())


def write_shard(
    space: Path,
    fingerprint: str,
    keys: Sequence[bytes],
    matrices: Sequence[NDArray[np.floating]],
    tokens: Sequence[int],
    *,
    seconds: float,
    one_pass: bool = False,
) -> Shard:
    """Commit a shard in one rename and return it.

    Args:
        space: folder that holds the shards of one encoder.
        fingerprint: of that encoder.
        keys: sha256 digest of each text.
        matrices: (rows, dims) of each text, in the dtype they are stored in.
        tokens: of each text, before anything was cut off.
        seconds: how long encoding them took.
        one_pass: whether that gave the vectors of another form, too.

    Raises:
        StorageError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    name = hashlib.sha256(b"".join(sorted(keys))).hexdigest()[:32]
    arrays = {
        "vectors.npy": np.concatenate(matrices),
        "lengths.npy": np.array([len(matrix) for matrix in matrices], dtype=np.int64),
        "keys.npy": np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32),
        "tokens.npy": np.array(tokens, dtype=np.int64),
    }
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=TEMPORARY_SUFFIX, dir=space))
        for file, array in arrays.items():
            write_npy(temporary / file, array)
        content = {
            "format": FORMAT,
            "fingerprint": fingerprint,
            "documents": len(keys),
            "vectors": len(arrays["vectors.npy"]),
            "dims": int(arrays["vectors.npy"].shape[1]),
            "dtype": arrays["vectors.npy"].dtype.name,
            "seconds": seconds,
            "one_pass": one_pass,
            "sha256": {file: sha256_file(temporary / file) for file in arrays},
        }
        write_json(temporary / _MANIFEST, {**content, "self_sha256": _self_sha256(content)})
        temporary.chmod(0o755)
        temporary.rename(space / name)
    except OSError as error:
        raise StorageError(
            f"cannot write {space / name}: {error.strerror or error}; free some space or set "
            "COLBENCH_CACHE to another folder"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return open_shard(space / name, fingerprint)


def open_shard(folder: Path, fingerprint: str) -> Shard:
    """Read and verify everything of a shard but its vectors, and the shape of those.

    A manifest may have been sealed anew, so that a right checksum is not enough: lengths are as
    many as texts, none is negative, and together they are the rows of the vectors.

    Raises:
        Damaged: a file is missing, truncated or changed, or holds what no shard holds.
        StorageUnavailable: a file cannot be read now.
        Foreign: the shard belongs to another encoder or another format.
    """
    manifest = read_manifest(folder)
    if manifest.get("format") != FORMAT or manifest.get("fingerprint") != fingerprint:
        raise Foreign(str(folder))
    try:
        dims, dtype = int(manifest["dims"]), np.dtype(manifest["dtype"])
        seconds = float(manifest["seconds"])
        texts, rows = int(manifest["documents"]), int(manifest["vectors"])
    except (KeyError, TypeError, ValueError, OverflowError, SyntaxError) as error:
        raise Damaged(f"{_MANIFEST} lacks what it should hold") from error
    if dtype not in (np.float16, np.float32) or not math.isfinite(seconds):
        raise Damaged(f"{_MANIFEST} holds what is of no shard")
    lengths = np.array(_array(folder, manifest, "lengths.npy", np.int64, (texts,)))
    keys = _array(folder, manifest, "keys.npy", np.uint8, (texts, 32))
    tokens = np.array(_array(folder, manifest, "tokens.npy", np.int64, (texts,)))
    bounded = not texts or (lengths.min() >= 0 and lengths.max() <= rows and tokens.min() >= 0)
    if not bounded or int(lengths.sum()) != rows:
        raise Damaged("lengths.npy holds other lengths than those of the vectors")
    _array(folder, manifest, "vectors.npy", dtype, (rows, dims), checksum=False)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return Shard(
        folder=folder,
        keys=[key.tobytes() for key in keys],
        lengths=lengths,
        starts=starts,
        tokens=tokens,
        dims=dims,
        dtype=dtype,
        seconds=seconds,
        one_pass=manifest.get("one_pass") is True,
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a shard's manifest.

    Raises:
        Damaged: it is missing, is not JSON, or does not match its own checksum.
        StorageUnavailable: it cannot be read now.
    """
    try:
        with plain_file(folder / _MANIFEST) as stream:
            manifest = json.loads(stream.read())
        content = {key: value for key, value in manifest.items() if key != "self_sha256"}
        intact = manifest["self_sha256"] == _self_sha256(content)
    except (Unfit, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise Damaged(f"{_MANIFEST} cannot be read") from error
    if not intact:
        raise Damaged(f"{_MANIFEST} does not match its checksum")
    return content


def _self_sha256(content: dict[str, Any]) -> str:
    return json_digest(content, spaced=True)


def _array(
    folder: Path,
    manifest: dict[str, Any],
    file: str,
    dtype: DTypeLike,
    shape: tuple[int, ...],
    *,
    checksum: bool = True,
) -> NDArray[Any]:
    """Map an array of this type and shape whose sha256 is that of the manifest."""
    listed = manifest.get("sha256")
    try:
        with plain_file(folder / file) as stream:
            if checksum:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
                if not isinstance(listed, dict) or digest != listed.get(file):
                    raise Unfit("it does not match its checksum")
            return map_array(stream, [dtype], shape)
    except Unfit as error:
        raise Damaged(f"{file}: {error}") from error
