"""Fewer tokens and fewer dimensions: what happens to vectors before they are quantised.

Merging tokens is slower than coding them, and a build reads its documents twice, so merged tokens
are kept on disk meanwhile:

vectors.npy     float16 (tokens, dims)
lengths.npy     int64 (documents,): tokens of each
manifest.json   sha256 of both
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import StorageError, StorageUnavailable
from colbench.files import write_json
from colbench.index.colbert.arrays import ArrayWriter, belonging, read_array, write_array
from colbench.index.colbert.documents import Block, Documents, cuts
from colbench.index.threads import each_on_one_thread
from colbench.mapped import Unfit, plain_file
from colbench.paths import remove_made
from colbench.progress import bar

POOLED = "pooled"
"""Name of the folder in an index where merged tokens are kept until a build is done."""

_AT_ONCE = 16_384
_GRID = 2.0**24


def pool_tokens(block: Block, factor: int) -> Block:
    """Merge tokens of each document to 1/factor of them, clustered by Ward's method, as float16.

    Clavié, Chaffin and Adams 2024, https://arxiv.org/abs/2409.14683; sentence-transformers' module.
    """
    if factor == 1 or not len(block.ids):
        return block
    import torch
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import (
        HierarchicalTokenPooling,
    )

    pooling = HierarchicalTokenPooling(pool_factor=factor)
    vectors = torch.from_numpy(block.vectors.astype(np.float32))
    parts = torch.split(vectors, block.lengths.tolist())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a document is so small that several threads take ten times as long
    try:
        pooled = [pooling.pool_one(part) if len(part) else part for part in parts]
    finally:
        torch.set_num_threads(threads)
    lengths = np.array([len(part) for part in pooled], dtype=np.int64)
    return Block(block.ids, lengths, torch.cat(pooled).numpy().astype(np.float16))


def learn_projection(sample: NDArray[np.floating], dims: int) -> NDArray[np.float32]:
    """Return the directions that keep most of the sample's squared length, float32 (from, dims).

    Uncentred principal components: MaxSim is a sum of dot products, so it is the dot products and
    not the variance that should survive.
    """
    import torch

    def products_of(start: int) -> torch.Tensor:
        rows = torch.from_numpy(sample[start : start + _AT_ONCE].astype(np.float32))
        return rows.T @ rows

    products = torch.zeros((sample.shape[1],) * 2, dtype=torch.float64)
    for part in each_on_one_thread(products_of, range(0, len(sample), _AT_ONCE)):
        products += part
    (found,) = each_on_one_thread(torch.linalg.eigh, [products])
    directions: NDArray[np.float64] = found.eigenvectors.numpy()
    chosen = directions[:, ::-1][:, :dims]
    # An eigenvector's sign is arbitrary; its largest entry is made positive.
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(dims)])
    projection: NDArray[np.float32] = (chosen * signs).astype(np.float32)
    return projection


def project(vectors: NDArray[np.floating], projection: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project and make rows unit length again.

    Without that, SciFact at 128 dimensions of all-MiniLM-L6-v2 falls from 0.694 to 0.687 nDCG@10.
    """
    # A document must get the same codes whatever documents it is added with, but how a float
    # product is rounded depends on its shape, a row's place and the processor. So both sides are
    # whole multiples of 2**-24, as every float16 is: in float64 their products and sums, below
    # 2**53 for vectors of up to length 32, are exact and need no rounding in any order.
    axes = np.rint(projection.astype(np.float64) * _GRID)
    rows = np.empty((len(vectors), projection.shape[1]), dtype=np.float32)
    for start in range(0, len(vectors), _AT_ONCE):
        part = vectors[start : start + _AT_ONCE].astype(np.float64)
        rows[start : start + len(part)] = (np.rint(part * _GRID) @ axes) / _GRID**2
    unit: NDArray[np.float32] = rows / np.maximum(
        np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12)
    )
    return unit


@dataclass(frozen=True)
class Reduction:
    """What an index does to document vectors before coding them.

    Attributes:
        pooling: factor of `pool_tokens`.
        projection: float32 (from, dims), or None to keep all dimensions.
    """

    pooling: int
    projection: NDArray[np.float32] | None

    def documents(self, block: Block, *, pooled_already: bool = False) -> Block:
        """Reduce tokens, unless that is done, and dimensions of documents."""
        pooled = block if pooled_already else pool_tokens(block, self.pooling)
        return Block(pooled.ids, pooled.lengths, self.vectors(pooled.vectors))

    def vectors(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        """Reduce the dimensions of vectors, of documents or queries."""
        return vectors if self.projection is None else project(vectors, self.projection)


_VECTORS = "vectors.npy"
_LENGTHS = "lengths.npy"
_MANIFEST = "manifest.json"
_DOCS_AT_ONCE = 65_536


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
        remove_made(part, inside=folder.parent)
        part.mkdir(parents=True)
        _write(documents, factor, part)
        part.rename(folder)
    return _read(documents, factor, folder)


def pooled_before(folder: Path, documents: Documents) -> bool:
    """Return whether the folder holds what `pool_documents` wrote, unchanged; reads all of it.

    Args:
        folder: as of `pool_documents`.
        documents: as of `pool_documents`.

    Raises:
        StorageUnavailable: it cannot be read now, and may be whole.
    """
    try:
        with plain_file(folder / _MANIFEST) as stream:
            manifest = json.loads(stream.read())
        if manifest != _manifest(folder):
            return False
        _stored(folder, documents)
    except (Unfit, ValueError, RecursionError):
        return False
    except StorageUnavailable:
        raise
    except StorageError:
        return False
    return True


def pooled_checksum(folder: Path) -> str | None:
    """Return a digest of what `pool_documents` wrote, by its own checksums; None where it did not.

    Raises:
        StorageUnavailable: it cannot be read now.
    """
    try:
        return _sha256(folder / _MANIFEST)
    except Unfit:
        return None


def _manifest(folder: Path) -> dict[str, str]:
    return {name: _sha256(folder / name) for name in (_VECTORS, _LENGTHS)}


def _sha256(file: Path) -> str:
    with plain_file(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def _write(documents: Documents, factor: int, folder: Path) -> None:
    lengths: list[NDArray[np.int64]] = []
    with (
        ArrayWriter(folder / _VECTORS, np.float16, (documents.dims,)) as writer,
        bar(total=len(documents.ids), description="merging tokens", unit="doc") as progress,
    ):
        for block in documents.blocks(_DOCS_AT_ONCE):
            pooled = pool_tokens(block, factor)
            writer.append(pooled.vectors)
            lengths.append(pooled.lengths)
            progress.update(len(block.ids))
    write_array(folder / _LENGTHS, np.concatenate([*lengths, np.empty(0, dtype=np.int64)]))
    write_json(folder / _MANIFEST, _manifest(folder))


def _stored(folder: Path, documents: Documents) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Map the vectors of merged tokens, and read how many each document has."""
    vectors = read_array(folder / _VECTORS, [np.float16], [None, documents.dims])
    lengths = np.array(read_array(folder / _LENGTHS, [np.int64], [len(documents.ids)]))
    with belonging(folder / _LENGTHS):
        # Of numbers that are all at most so large the sum cannot pass the largest of int64.
        if len(lengths) and not (lengths.min() >= 0 and lengths.max() <= len(vectors)):
            raise Unfit("it holds lengths that there are not")
        if int(lengths.sum()) != len(vectors):
            raise Unfit("its lengths are not those of the vectors")
    return vectors, lengths


def _read(documents: Documents, factor: int, folder: Path) -> Documents:
    vectors, lengths = _stored(folder, documents)
    starts = np.concatenate([[0], np.cumsum(lengths)])

    def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for first, end in cuts(lengths, most):
            yield first, end, vectors[starts[first] : starts[end]]

    return Documents(documents.ids, lengths, documents.dims, read, pooling=factor)
