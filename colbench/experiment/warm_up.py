"""Compile ahead: `python -m colbench.experiment.warm_up`.

ranx and our MaxSim kernel are compiled by numba at first use, ranx for half a minute. The compiled
code is kept on disk, so `make` calls this once after installing and no run has to wait.
"""

from __future__ import annotations

import numpy as np
import torch

from colbench.index.maxsim import score_matrix
from colbench.measures.effectiveness import warm_up
from colbench.retriever.hits import Hits, tie_ranks
from colbench.retriever.systems.rrf import fuse_hits


def compile_all() -> None:
    """Run every compiled path once on the smallest input that reaches it."""
    hits = Hits(np.arange(2), np.array([2.0, 1.0], dtype=np.float32))
    fuse_hits([hits, hits], 60, 2, tie_ranks(["a", "b"]))
    for documents in (1, 5000):  # one tile, and slices of a larger matrix: two compiled variants
        offsets = np.arange(documents + 1)
        score_matrix([np.ones((1, 2), np.float32)] * 2, torch.ones((documents, 2)), offsets)
    warm_up()


if __name__ == "__main__":
    compile_all()
