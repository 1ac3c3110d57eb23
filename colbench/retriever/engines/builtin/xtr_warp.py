"""xtr-warp-rs, the WARP engine in Rust.

https://github.com/pau-mensa/xtr-warp-rs; WARP is Scheerer et al., SIGIR 2025,
https://arxiv.org/abs/2501.17788. It estimates a document's score from the tokens in the probed
clusters alone, and rescores nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "xtr-warp-rs"
REQUIREMENT = "xtr-warp-rs==2.1.0.2110"

# Settings of `XTRWarp.create` and `XTRWarp.search`, and their defaults; None leaves the choice to
# the package, which looks at the index and k.
BUILD = {
    "nbits": 4,
    "kmeans_niters": 4,
    "max_points_per_centroid": 256,
    "n_samples_kmeans": None,
    "num_partitions": None,
    # The quantiser is trained on a twentieth of these tokens, and torch.quantile takes fewer than
    # 2^24 numbers: enough for 419 dimensions. The package's own 1,000,000 fails above 335.
    "codec_sample_max_tokens": 800_000,
}
# A token of the query whose best cluster scores below centroid_score_threshold is skipped.
SEARCH = {
    "nprobe": None,
    "bound": None,
    "t_prime": None,
    "max_candidates": None,
    "centroid_score_threshold": None,
}

# A search reads these. The folder also holds the shards that the compacted copies are made of.
_FILES = (
    "metadata.json",
    "centroids.npy",
    "bucket_weights.npy",
    "sizes.compacted.npy",
    "codes.compacted.npy",
    "residuals.compacted.npy",
)
_QUANTILE_LIMIT = 2**24  # elements that torch.quantile takes


class Engine:
    """The engine, as the harness calls it."""

    def __init__(self) -> None:
        self._index: Any = None
        self._threads = 1

    def load(self) -> None:
        """Import the engine; it logs its plan as a warning, which is no problem to report."""
        import xtr_warp  # noqa: F401

        logging.getLogger("xtr_warp").setLevel(logging.ERROR)

    def build(
        self,
        documents: Sequence[Any],
        folder: Path,
        *,
        settings: Mapping[str, Any],
        seed: int,
        threads: int,
    ) -> None:
        """Cluster, compress and write the index.

        Raises:
            ValueError: the build would fail once the clustering is done, long into it.
        """
        import torch
        from xtr_warp import XTRWarp

        tokens, dims = sum(map(len, documents)), documents[0].shape[1]
        _check_codec_sample(settings.get("codec_sample_max_tokens", 1_000_000), tokens, dims)
        index = XTRWarp(str(folder), device="cpu")
        tensors = [torch.from_numpy(document) for document in documents]
        index.create(tensors, device="cpu", seed=seed, show_progress=False, **settings)

    def files_read(self, folder: Path) -> list[Path]:
        """Return the files of an index that a search reads."""
        return [folder / name for name in _FILES]

    def open(self, folder: Path, *, threads: int) -> None:
        """Map the index into memory."""
        from xtr_warp import XTRWarp

        self._threads = threads
        self._index = XTRWarp(str(folder), device="cpu")
        self._index.load(device="cpu")

    def search(self, query: Any, k: int, settings: Mapping[str, Any]) -> list[tuple[int, float]]:
        """Return the documents with a token in a probed cluster, at most `k`."""
        import torch

        tokens = torch.from_numpy(query).unsqueeze(0)
        options = {"num_threads": self._threads, "show_progress": False, **settings}
        found: list[list[tuple[int, float]]] = self._index.search(tokens, top_k=k, **options)
        return found[0]


def _check_codec_sample(most_tokens: int, tokens: int, dims: int) -> None:
    """Refuse a sample whose twentieth, on which the quantiser is trained, torch cannot sort."""
    held_out = min(min(most_tokens, tokens) // 20, 50_000)
    if held_out * dims >= _QUANTILE_LIMIT:
        raise ValueError(
            f"codec_sample_max_tokens={most_tokens} is too many at {dims} dimensions: "
            f"set it below {20 * (_QUANTILE_LIMIT // dims)}"
        )
