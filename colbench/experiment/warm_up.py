"""Compile ahead: `python -m colbench.experiment.warm_up`.

ranx and our kernels are compiled by numba at first use, ranx for half a minute. The compiled
code is kept on disk, so `make` calls this once after installing and no run has to wait.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from colbench.hits import Hits, tie_ranks
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Documents
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.search import Searcher
from colbench.index.colbert.settings import Arithmetic, IndexSettings, SearchSettings
from colbench.index.maxsim import score_matrix
from colbench.measures.effectiveness import warm_up
from colbench.retriever.systems.rrf import fuse_hits


def compile_all() -> None:
    """Run every compiled path once on the smallest input that reaches it."""
    hits = Hits(np.arange(2), np.array([2.0, 1.0], dtype=np.float32))
    fuse_hits([hits, hits], 60, 2, tie_ranks(["a", "b"]))
    for documents in (1, 5000):  # one tile, and slices of a larger matrix: two compiled variants
        offsets = np.arange(documents + 1)
        score_matrix([np.ones((1, 2), np.float32)] * 2, torch.ones((documents, 2)), offsets)
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        for nbits in (4, 16):
            _search_an_index(Path(folder) / str(nbits), nbits)


def _search_an_index(folder: Path, nbits: Literal[4, 16]) -> None:
    """Reach the kernels of an index with packed residuals, or with whole vectors."""
    vectors = list(np.eye(8, dtype=np.float32)[:, None])
    documents = Documents.of([str(number) for number in range(8)], vectors, 8)
    build_index(folder, documents, IndexSettings(nbits=nbits), encoder="warm-up")
    index = ColbertIndex.open(folder)
    for arithmetic in get_args(Arithmetic):
        settings = SearchSettings(ndocs=4, nprobe=8, arithmetic=arithmetic)
        Searcher(index, settings).search(vectors[0], 2)


if __name__ == "__main__":
    compile_all()
