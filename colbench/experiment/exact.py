"""Exact search of given vectors: what the overlap of every system is held against.

Vectors are scored as they were given, in float32, piece by piece from where they lie: nothing is
copied, and what is in memory is one piece and the best documents of each query so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colbench.encoder.cache.embeddings import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.experiment.job import Message
from colbench.hits import Hits, top_k
from colbench.index.maxsim import score_matrix
from colbench.progress import bar
from colbench.retriever.base import Workbench
from colbench.run.model import Run, fetch_depth
from colbench.run.trec import write_trec
from colbench.vectors import Vectors

NAME = "exact MaxSim"
"""What the reference of overlap is called where no system of the run is that search."""

_LARGEST_BLOCK = 1 << 18
"""Vectors read at a time, at most."""


class ExactTask(Message):
    """Search all documents exactly and leave the run.

    Attributes:
        depth: documents a query.
        run_file: where the run is written.
    """

    depth: int
    run_file: Path


class ExactReply(Message):
    """Outcome of an `ExactTask`.

    Attributes:
        queries: that were searched.
    """

    queries: int


def search_exactly(task: ExactTask, bench: Workbench) -> ExactReply:
    """Write the run of exact MaxSim over the vectors that the collection gives."""
    collection = bench.collection
    given = EncoderSettings(name=NAME, model=NAME)  # whatever it says, vectors are given
    encoder = bench.encoder(given, Form.TOKENS)
    queries = encoder.encode_queries([query.text for query in collection.queries])
    hits = search_blocks(
        bench.embed(given, Form.TOKENS), queries, fetch_depth(collection, task.depth), bench
    )
    write_trec(Run.from_hits("exact", collection, hits, task.depth), task.run_file)
    return ExactReply(queries=len(queries))


def search_blocks(
    embeddings: Embeddings, queries: Sequence[Vectors], k: int, bench: Workbench
) -> list[Hits]:
    """Return the k documents of the largest MaxSim for each query, documents read once.

    Args:
        embeddings: of the documents.
        queries: float32 (tokens, dims) each.
        k: how many documents to return.
        bench: whose `memory_bytes` bound what is read at a time.
    """
    import torch

    width = 4 * max(embeddings.dims, 1)
    most = max(min(bench.memory_bytes // (4 * width), _LARGEST_BLOCK), 1)
    best = [Hits(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
    with bar(total=len(embeddings), description="exact search", unit="doc") as progress:
        for first, end, rows in embeddings.blocks(most):
            offsets = np.concatenate([[0], np.cumsum(embeddings.lengths[first:end])])
            matrix = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))
            docs = np.arange(first, end, dtype=np.int64)
            for number, scores in enumerate(score_matrix(queries, matrix, offsets)):
                found = best[number]
                best[number] = top_k(
                    np.concatenate([found.docs, docs]),
                    np.concatenate([found.scores, scores]),
                    k,
                    bench.ranks,
                )
            progress.update(end - first)
    return best
