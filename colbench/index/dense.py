"""One vector per document in a faiss index: exact inner product, or an HNSW graph."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from colbench.errors import StorageError
from colbench.index.size import IndexSize
from colbench.index.threads import each_on_one_thread

_FILE = "index.faiss"


class DenseIndex:
    """A faiss inner-product index on disk and in memory; its ids are document numbers."""

    def __init__(self, index: faiss.Index, folder: Path, *, exact: bool) -> None:
        self._index = index
        self._folder = folder
        self._exact = exact

    @classmethod
    def write(
        cls,
        folder: Path,
        dims: int,
        blocks: Iterable[NDArray[np.floating]],
        *,
        kind: Literal["flat", "hnsw"] = "flat",
        hnsw_links: int = 32,
        ef_construction: int = 200,
    ) -> DenseIndex:
        """Build from consecutive slices of the (documents, dims) matrix and write to `folder`.

        Equal slices give equal bytes, with any number of threads.

        Raises:
            StorageError: the folder cannot be written.
        """
        if kind == "flat":
            index: faiss.Index = faiss.IndexFlatIP(dims)
        else:
            graph = faiss.IndexHNSWFlat(dims, hnsw_links, faiss.METRIC_INNER_PRODUCT)
            graph.hnsw.efConstruction = ef_construction
            index = graph
        for block in blocks:
            rows = np.ascontiguousarray(block, dtype=np.float32)
            # What a graph becomes depends on the order in which threads would link its nodes.
            list(each_on_one_thread(index.add, [rows]))
        temporary = folder / f"{_FILE}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            faiss.write_index(index, os.fspath(temporary))
            temporary.replace(folder / _FILE)
        except (OSError, RuntimeError) as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(f"cannot write {folder / _FILE}: {error}") from error
        return cls(index, folder, exact=kind == "flat")

    def set_ef_search(self, ef_search: int) -> None:
        """Set the breadth of an HNSW search; an exact index ignores it."""
        if not self._exact:
            faiss.ParameterSpace().set_index_parameter(self._index, "efSearch", ef_search)

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return, per query, document numbers and inner products of at least the k best.

        Documents that tie with the k-th of an exact index are all returned, so that the caller can
        break the tie by document id.
        """
        depth = min(k + 1, self._index.ntotal)
        while True:
            scores, docs = self._index.search(np.ascontiguousarray(queries, np.float32), depth)
            if not self._exact or depth == self._index.ntotal:
                break
            if (scores[:, -1] < scores[:, k - 1]).all():
                break
            depth = min(2 * depth, self._index.ntotal)
        valid = docs >= 0
        return [(docs[i][valid[i]], scores[i][valid[i]]) for i in range(len(queries))]

    def size(self) -> IndexSize:
        """Bytes by file."""
        count, dims = self._index.ntotal, self._index.d
        payload = count * dims * np.dtype(np.float32).itemsize
        return IndexSize.of_folder(self._folder, vectors=count, dims=dims, payload=payload)
