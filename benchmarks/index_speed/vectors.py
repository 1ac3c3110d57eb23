"""Vectors as files that any process can map, and what is measured against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.digests import sha256_file
from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import EmbeddingCache, embed_documents
from colbench.errors import StorageError
from colbench.files import atomic_write, write_npy
from colbench.hits import Hits, tie_ranks
from colbench.index.colbert.documents import Documents, cuts
from colbench.index.maxsim import MaxSimScanner
from colbench.index.tokens import TokenIndex
from colbench.measures.effectiveness import evaluate
from colbench.results.checksummed import read_checksummed, write_checksummed
from colbench.retriever.exhaustive import search_all
from colbench.run.model import Run

_BLOCK = 65_536
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class VectorFiles:
    """Where the vectors of a collection lie; engines of others map them."""

    folder: Path

    @property
    def vectors(self) -> Path:
        """float16 (tokens, dims)."""
        return self.folder / "vectors.npy"

    @property
    def lengths(self) -> Path:
        """int64 (documents,)."""
        return self.folder / "lengths.npy"

    @property
    def queries(self) -> Path:
        """float32 (query tokens, dims)."""
        return self.folder / "queries.npy"

    @property
    def query_lengths(self) -> Path:
        """int64 (queries,)."""
        return self.folder / "query_lengths.npy"

    def write(
        self,
        blocks: Iterator[NDArray[Any]],
        lengths: NDArray[np.int64],
        queries: Sequence[NDArray[np.float32]],
    ) -> None:
        """Write all four files; `seal` them, so that they can be used again."""
        (self.folder / _MANIFEST).unlink(missing_ok=True)
        dims = queries[0].shape[1]
        with atomic_write(self.vectors, "wb") as stream:
            header = {"descr": "<f2", "fortran_order": False, "shape": (int(lengths.sum()), dims)}
            np.lib.format.write_array_header_1_0(stream, header)
            for block in blocks:
                stream.write(np.ascontiguousarray(block, dtype="<f2").tobytes())
        self.write_queries(queries)
        write_npy(self.lengths, lengths)

    def seal(self, of: str) -> None:
        """Record that the files are whole, what they hold, and their checksums."""
        write_checksummed(self.folder / _MANIFEST, {"of": of, "files": self.digests()})

    def holds(self, of: str) -> bool:
        """Return whether `seal` recorded just this and no file has changed since."""
        try:
            manifest = read_checksummed(
                self.folder / _MANIFEST, what="vectors", renew="write it again"
            )
            return manifest == {"of": of, "files": self.digests()}
        except (StorageError, OSError):
            return False

    def digests(self) -> dict[str, str]:
        """Return the sha256 of each file."""
        files = (self.vectors, self.lengths, self.queries, self.query_lengths)
        return {file.name: sha256_file(file) for file in files}

    def write_queries(self, queries: Sequence[NDArray[np.float32]]) -> None:
        """Write queries alone."""
        write_npy(self.queries, np.concatenate(queries))
        write_npy(self.query_lengths, np.array([len(query) for query in queries]))

    def read_queries(self) -> list[NDArray[np.float32]]:
        """Return one matrix per query."""
        lengths = np.load(self.query_lengths, allow_pickle=False)
        return np.split(np.load(self.queries, allow_pickle=False), np.cumsum(lengths)[:-1])

    def documents(self, first: int | None = None) -> Documents:
        """Map the vectors of the first documents, or of all, as input of a build.

        Their ids are their numbers, written so that they sort alike.
        """
        vectors = np.load(self.vectors, mmap_mode="r", allow_pickle=False)
        lengths = np.load(self.lengths, allow_pickle=False)[:first]
        ids = [f"{number:09d}" for number in range(len(lengths))]
        offsets = np.concatenate([[0], np.cumsum(lengths)])

        def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
            for start, end in cuts(lengths, most):
                yield start, end, np.asarray(vectors[offsets[start] : offsets[end]])

        return Documents(ids, lengths, int(vectors.shape[1]), read)


def write_vectors(
    files: VectorFiles, collection: Collection, encoder: Encoder, cache: EmbeddingCache
) -> None:
    """Encode a collection, from the cache where it is there, and write its vectors."""
    embeddings = embed_documents(encoder, collection.texts, cache, description=collection.name)
    queries = encoder.encode_queries([query.text for query in collection.queries])
    blocks = (vectors for _, _, vectors in embeddings.blocks(_BLOCK))
    files.write(blocks, embeddings.lengths, queries)


def exact_hits(files: VectorFiles, k: int, memory_bytes: int) -> list[Hits]:
    """Return the k best documents of each query by exact MaxSim."""
    documents = files.documents()
    folder = files.folder / "exact"
    blocks = (vectors for _, _, vectors in documents.read(_BLOCK))
    index = TokenIndex.write(folder, documents.lengths, documents.dims, blocks)
    scanner = MaxSimScanner(index, memory_bytes)
    return search_all(scanner, files.read_queries(), k, tie_ranks(documents.ids))


def overlap(ranked: Sequence[Sequence[int]], best: Sequence[Hits], k: int) -> float:
    """Return the mean share of exact MaxSim's k best documents that were found."""
    shares = [
        len(set(docs[:k]) & set(hits.docs[:k].tolist())) / min(k, max(len(hits), 1))
        for docs, hits in zip(ranked, best, strict=True)
    ]
    return float(np.mean(shares))


def effectiveness(
    rankings: Sequence[Sequence[int]], collection: Collection, measure: str
) -> dict[str, float]:
    """Return a measure of each query, by query id.

    Engines give documents in order; their scores do not matter, so ranks stand in for them.
    """
    hits = []
    for docs in rankings:
        numbers = np.array([doc for doc in docs if doc >= 0], dtype=np.int64)
        hits.append(Hits(numbers, -np.arange(len(numbers), dtype=np.float32)))
    depth = max((len(hit) for hit in hits), default=1)
    run = Run.from_hits("engine", collection, hits, max(depth, 1))
    scores: dict[str, float] = evaluate(collection.qrels, run, [measure])[measure]
    return scores
