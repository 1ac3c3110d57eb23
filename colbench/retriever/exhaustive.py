"""The k best of all documents by exact MaxSim, and keeping them for the other systems of a run."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.cache.store import Embeddings
from colbench.files import atomic_write
from colbench.hits import Hits
from colbench.index.maxsim import MaxSimScanner
from colbench.index.tokens import Precision, TokenIndex
from colbench.retriever.chunks import best_chunks
from colbench.vectors import Vectors

_BLOCK = 65_536


def build_token_index(
    embeddings: Embeddings, folder: Path, precision: Precision = "fp16", *, in_place: bool = False
) -> TokenIndex:
    """Write token vectors under `folder` and map them.

    Args:
        embeddings: of the documents.
        folder: where they are written.
        precision: how they are stored.
        in_place: whether those that lie as an index would have them are mapped where they are.
    """
    rows = embeddings.in_place() if in_place and precision == "fp16" else None
    if rows is not None:
        offsets = np.concatenate([[0], np.cumsum(embeddings.lengths)]).astype(np.int64)
        return TokenIndex(rows, offsets, folder)
    blocks = (vectors for _, _, vectors in embeddings.blocks(_BLOCK))
    return TokenIndex.write(folder, embeddings.lengths, embeddings.dims, blocks, precision)


_SCORE_BYTES = 256 << 20
_DIGEST_BYTES = hashlib.sha256().digest_size


def search_all(
    scanner: MaxSimScanner,
    queries: Sequence[Vectors],
    k: int,
    ranks: NDArray[np.int64],
    owners: NDArray[np.int64] | None = None,
) -> list[Hits]:
    """Scan the documents for groups of queries whose scores fit in 256 MB.

    Args:
        scanner: over the token vectors.
        queries: float32 (tokens, dims) each.
        k: how many documents to return for each query.
        ranks: `tie_ranks` of the collection.
        owners: as of `Chunks`, where the token vectors are those of chunks.
    """
    columns = len(ranks) if owners is None else len(owners)
    group = max(_SCORE_BYTES // (4 * max(columns, 1)), 1)
    results: list[Hits] = []
    for start in range(0, len(queries), group):
        blocks = [block for _, block in scanner.scan(queries[start : start + group])]
        for row in np.concatenate(blocks, axis=1):
            matching = np.flatnonzero(row > -np.inf)  # what has no tokens matches nothing
            results.append(best_chunks(matching, row[matching], k, owners, ranks))
    return results


def write_hits(file: Path, results: Sequence[Hits]) -> None:
    """Keep results for other systems of a run: a sha256, then the arrays as numpy writes them."""
    lengths = np.array([len(hits) for hits in results], dtype=np.int64)
    docs = np.concatenate([hits.docs for hits in results])
    scores = np.concatenate([hits.scores for hits in results])
    arrays = io.BytesIO()
    np.savez(arrays, lengths=lengths, docs=docs, scores=scores)
    content = arrays.getvalue()
    with atomic_write(file, "wb") as stream:
        stream.write(hashlib.sha256(content).digest() + content)


def read_hits(file: Path) -> list[Hits] | None:
    """Read what `write_hits` wrote; None where that is not there or was damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        ends = np.cumsum(stored["lengths"])[:-1]
        parts = zip(np.split(stored["docs"], ends), np.split(stored["scores"], ends), strict=True)
        return [Hits(docs, scores) for docs, scores in parts]
