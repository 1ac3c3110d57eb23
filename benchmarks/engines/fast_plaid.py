"""fast-plaid, a PLAID engine in Rust on libtorch: `PYTHON fast_plaid.py JOB.json`.

https://github.com/lightonai/fast-plaid; the search is PLAID's, Santhanam et al., CIKM 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.engines.harness import Engine


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


class FastPlaid:
    """The engine, as the harness calls it; settings go to `FastPlaid.create` and
    `FastPlaid.search`."""

    package = "fast-plaid"

    def __init__(self) -> None:
        self._index: Any = None

    def load_package(self) -> None:
        """Import the engine."""
        import fast_plaid.search  # noqa: F401

    def build(
        self, documents: Sequence[Any], folder: Path, *, seed: int, settings: Mapping[str, Any]
    ) -> None:
        """Cluster, compress and write the index."""
        from fast_plaid import search

        index = search.FastPlaid(str(folder), device="cpu")
        # By default it keeps the vectors of a collection of up to 1,000 documents, for updates.
        index.create(documents, **{"seed": seed, "start_from_scratch": 0, **settings})

    def files_read(self, folder: Path) -> list[Path]:
        """Return the files of an index that a search reads."""
        return [*(folder / name for name in _FILES), *sorted(folder.glob("doclens.*.json"))]

    def open(self, folder: Path, *, threads: int) -> None:
        """Map the index into memory; libtorch's threads are the harness's."""
        from fast_plaid import search

        self._index = search.FastPlaid(str(folder), device="cpu")

    def search(self, query: Any, k: int, settings: Mapping[str, Any]) -> list[int]:
        """Return at most `n_full_scores` / 4 documents: fast-plaid scores no more exactly."""
        ranking = self._index.search(query, top_k=k, show_progress=False, n_processes=1, **settings)
        return [doc for doc, _ in ranking[0]]


def engine() -> Engine:
    """Return the engine that this script runs."""
    return FastPlaid()


if __name__ == "__main__":
    import harness

    harness.main(engine())
