"""fast-plaid, a PLAID engine in Rust on libtorch.

https://github.com/lightonai/fast-plaid; the search is PLAID's, Santhanam et al., CIKM 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "fast-plaid"
REQUIREMENT = "fast-plaid==1.7.0.2110"

# Settings of `FastPlaid.create` and `FastPlaid.search`, and their defaults; None leaves the choice
# to the package.
BUILD = {
    "nbits": 4,
    "kmeans_niters": 4,
    "max_points_per_centroid": 256,
    "n_samples_kmeans": None,
    "batch_size": 25_000,
}
SEARCH = {
    "n_ivf_probe": 8,
    "n_full_scores": 4096,
    "batch_size": None,
}

# A search reads these and `doclens.N.json`. The documents' codes and residuals lie in one merged
# copy since 1.7: the shards it is made of are deleted at the end of a build. What else lies in the
# folder serves updates (`cluster_threshold.npy`, `N.metadata.json`) or nothing (`plan.json`).
_FILES = (
    "metadata.json",
    "centroids.npy",
    "avg_residual.npy",
    "bucket_cutoffs.npy",
    "bucket_weights.npy",
    "ivf.npy",
    "ivf_lengths.npy",
    "merged_codes.npy",
    "merged_codes.manifest.json",
    "merged_residuals.npy",
    "merged_residuals.manifest.json",
)


class Engine:
    """The engine, as the harness calls it."""

    def __init__(self) -> None:
        self._index: Any = None

    def load(self) -> None:
        """Import the engine."""
        import fast_plaid.search  # noqa: F401

    def build(
        self,
        documents: Sequence[Any],
        folder: Path,
        *,
        settings: Mapping[str, Any],
        seed: int,
        threads: int,
    ) -> None:
        """Cluster, compress and write the index."""
        import torch
        from fast_plaid import search

        index = search.FastPlaid(str(folder), device="cpu")
        tensors = [torch.from_numpy(document) for document in documents]
        # By default it keeps the vectors of a collection of up to 1,000 documents, for updates.
        index.create(tensors, seed=seed, start_from_scratch=0, **settings)

    def files_read(self, folder: Path) -> list[Path]:
        """Return the files of an index that a search reads."""
        return [*(folder / name for name in _FILES), *sorted(folder.glob("doclens.*.json"))]

    def open(self, folder: Path, *, threads: int) -> None:
        """Map the index into memory; libtorch's threads are the harness's."""
        from fast_plaid import search

        self._index = search.FastPlaid(str(folder), device="cpu")

    def search(self, query: Any, k: int, settings: Mapping[str, Any]) -> list[tuple[int, float]]:
        """Return at most `n_full_scores` / 4 documents: fast-plaid scores no more exactly."""
        import torch

        tokens = torch.from_numpy(query).unsqueeze(0)
        found: list[list[tuple[int, float]]] = self._index.search(
            tokens, top_k=k, show_progress=False, n_processes=1, **settings
        )
        return found[0]
