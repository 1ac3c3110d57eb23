"""xtr-warp-rs, the WARP engine in Rust: `PYTHON xtr_warp.py JOB.json`.

https://github.com/pau-mensa/xtr-warp-rs; WARP is Scheerer et al., SIGIR 2025,
https://arxiv.org/abs/2501.17788. It estimates a document's score from the tokens in the probed
clusters alone, and rescores nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.engines.harness import Engine


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


class XtrWarp:
    """The engine, as the harness calls it; settings go to `XTRWarp.create` and `XTRWarp.search`."""

    package = "xtr-warp-rs"

    def __init__(self) -> None:
        self._index: Any = None
        self._threads = 1

    def load_package(self) -> None:
        """Import the engine; it logs its plan as a warning, which is no problem to report."""
        import xtr_warp  # noqa: F401

        logging.getLogger("xtr_warp").setLevel(logging.ERROR)

    def build(
        self, documents: Sequence[Any], folder: Path, *, seed: int, settings: Mapping[str, Any]
    ) -> None:
        """Cluster, compress and write the index.

        Raises:
            ValueError: the build would fail once the clustering is done, long into it.
        """
        from xtr_warp import XTRWarp

        tokens, dims = sum(len(document) for document in documents), documents[0].shape[1]
        _check_codec_sample(int(settings.get("codec_sample_max_tokens", 1_000_000)), tokens, dims)
        index = XTRWarp(str(folder), device="cpu")
        create = {"device": "cpu", "seed": seed, "show_progress": False, **settings}
        index.create(list(documents), **create)

    def files_read(self, folder: Path) -> list[Path]:
        """Return the files of an index that a search reads."""
        return [folder / name for name in _FILES]

    def open(self, folder: Path, *, threads: int) -> None:
        """Map the index into memory."""
        from xtr_warp import XTRWarp

        self._threads = threads
        self._index = XTRWarp(str(folder), device="cpu")
        self._index.load(device="cpu")

    def search(self, query: Any, k: int, settings: Mapping[str, Any]) -> list[int]:
        """Return the documents with a token in a probed cluster, at most `k`."""
        search = {"num_threads": self._threads, "show_progress": False, **settings}
        return [doc for doc, _ in self._index.search(query, top_k=k, **search)[0]]


def _check_codec_sample(most_tokens: int, tokens: int, dims: int) -> None:
    """Refuse a sample whose twentieth, on which the quantiser is trained, torch cannot sort."""
    held_out = min(min(most_tokens, tokens) // 20, 50_000)
    if held_out * dims >= _QUANTILE_LIMIT:
        raise ValueError(
            f"codec_sample_max_tokens={most_tokens} is too many at {dims} dimensions: "
            f"set it below {20 * (_QUANTILE_LIMIT // dims)}"
        )


def engine() -> Engine:
    """Return the engine that this script runs."""
    return XtrWarp()


if __name__ == "__main__":
    import harness

    harness.main(engine())
