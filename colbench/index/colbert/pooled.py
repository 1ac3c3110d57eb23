"""Merged tokens on disk: merging is slower than coding, and a build reads its documents twice.

vectors.npy     float16 (tokens, dims)
lengths.npy     int64 (documents,): tokens of each
manifest.json   sha256 of both
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.files import sha256_file, write_json
from colbench.index.colbert.arrays import ArrayWriter, read_array, write_array
from colbench.index.colbert.documents import Documents, cuts
from colbench.index.colbert.reduction import pool_tokens
from colbench.progress import bar

_VECTORS = "vectors.npy"
_LENGTHS = "lengths.npy"
_MANIFEST = "manifest.json"
_AT_ONCE = 65_536


def pool_documents(documents: Documents, factor: int, folder: Path) -> Documents:
    """Return the documents with tokens merged to 1/factor of them.

    Args:
        documents: whose tokens are not merged yet.
        factor: as `IndexSettings.pooling`.
        folder: where they are kept as float16; read from there where they are already. It belongs
            to these documents and this factor alone.

    Raises:
        DataError: invalid vectors.
        StorageError: the folder cannot be written.
    """
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(documents, factor, part)
        part.rename(folder)
    return _read(documents, factor, folder)


def pooled_before(folder: Path) -> bool:
    """Return whether the folder holds what `pool_documents` wrote, unchanged; reads all of it."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        return bool(manifest == _manifest(folder))
    except (OSError, ValueError):
        return False


def _manifest(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in (_VECTORS, _LENGTHS)}


def _write(documents: Documents, factor: int, folder: Path) -> None:
    lengths: list[NDArray[np.int64]] = []
    with (
        ArrayWriter(folder / _VECTORS, np.float16, (documents.dims,)) as writer,
        bar(total=len(documents.ids), description="merging tokens", unit="doc") as progress,
    ):
        for block in documents.blocks(_AT_ONCE):
            pooled = pool_tokens(block, factor)
            writer.append(pooled.vectors)
            lengths.append(pooled.lengths)
            progress.update(len(block.ids))
    write_array(folder / _LENGTHS, np.concatenate([*lengths, np.empty(0, dtype=np.int64)]))
    write_json(folder / _MANIFEST, _manifest(folder))


def _read(documents: Documents, factor: int, folder: Path) -> Documents:
    vectors, lengths = read_array(folder / _VECTORS), np.array(read_array(folder / _LENGTHS))
    starts = np.concatenate([[0], np.cumsum(lengths)])

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for first, end in cuts(lengths, most):
            yield first, end, vectors[starts[first] : starts[end]]

    return Documents(documents.ids, lengths, documents.dims, read, pooling=factor)
