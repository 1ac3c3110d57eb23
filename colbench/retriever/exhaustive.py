"""The k best of all documents by exact MaxSim, and keeping them for the other systems of a run."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.cache.store import Embeddings
from colbench.files import atomic_write, unavailable
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
_OF_ARCHIVES = (BadZipFile, zlib.error)
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
    """Keep results for other systems of a run: a sha256, then the arrays as numpy writes them.

    The sha256 is of the name of the file, too: results of other documents are not taken for these.
    """
    lengths = np.array([len(hits) for hits in results], dtype=np.int64)
    docs = np.concatenate([hits.docs for hits in results])
    scores = np.concatenate([hits.scores for hits in results])
    arrays = io.BytesIO()
    np.savez(arrays, lengths=lengths, docs=docs, scores=scores)
    content = arrays.getvalue()
    with atomic_write(file, "wb") as stream:
        stream.write(_digest(file, content) + content)


def read_hits(file: Path, queries: int, documents: int) -> list[Hits] | None:
    """Read what `write_hits` wrote; None where that is not there, damaged, or something else.

    Args:
        file: as it was written.
        queries: how many there are.
        documents: how many there are.

    Raises:
        StorageUnavailable: it cannot be read now.
    """
    try:
        content = file.read_bytes()
    except (OSError, MemoryError) as error:
        if (reason := unavailable(file, error)) is not None:
            raise reason from error
        return None
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if _digest(file, content) != digest:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            lengths, docs, scores = (stored[name] for name in ("lengths", "docs", "scores"))
    except (OSError, ValueError, LookupError, EOFError, NotImplementedError, *_OF_ARCHIVES):
        return None
    if not _are_hits(lengths, docs, scores, queries, documents):
        return None
    ends = np.cumsum(lengths)[:-1]
    parts = zip(np.split(docs, ends), np.split(scores, ends), strict=True)
    return [Hits(docs, scores) for docs, scores in parts]


def _are_hits(
    lengths: NDArray[Any], docs: NDArray[Any], scores: NDArray[Any], queries: int, documents: int
) -> bool:
    """Return whether arrays that anybody may have written are hits for these queries."""
    kinds = "".join(array.dtype.kind for array in (lengths, docs, scores)) == "iif"
    shapes = lengths.shape == (queries,) and docs.shape == scores.shape == (docs.size,)
    if not kinds or not shapes or not np.isfinite(scores).all():
        return False
    if len(docs) and not (docs.min() >= 0 and docs.max() < documents):
        return False
    within = not queries or (lengths.min() >= 0 and lengths.max() <= documents)
    return bool(within and lengths.sum() == len(docs))


def _digest(file: Path, content: bytes) -> bytes:
    return hashlib.sha256(file.name.encode() + b"\0" + content).digest()
