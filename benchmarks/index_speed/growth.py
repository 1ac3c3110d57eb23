"""Building and searching our index at growing sizes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.index_speed import own
from benchmarks.index_speed.record import GrowthPoint
from benchmarks.index_speed.vectors import VectorFiles
from colbench.index.colbert.settings import IndexSettings, SearchSettings

_BLOCK = 2_000


def mix(parts: Sequence[VectorFiles], target: VectorFiles, most: int, seed: int) -> None:
    """Write the documents of several collections in one random order, up to `most` tokens.

    A prefix of the result is a smaller sample of the same mixture. The queries are those of the
    first collection.
    """
    vectors = [np.load(part.vectors, mmap_mode="r", allow_pickle=False) for part in parts]
    lengths = [np.load(part.lengths, allow_pickle=False) for part in parts]
    starts = [np.cumsum(one) - one for one in lengths]
    source = np.repeat(np.arange(len(parts)), [len(one) for one in lengths])
    number = np.concatenate([np.arange(len(one)) for one in lengths])
    order = np.random.default_rng(seed).permutation(len(source))
    mixed = np.concatenate(lengths)[order]
    count = int(np.searchsorted(np.cumsum(mixed), most, side="right"))

    def blocks() -> Iterator[NDArray[Any]]:
        for first in range(0, count, _BLOCK):
            chosen = order[first : min(first + _BLOCK, count)]
            yield np.concatenate(
                [
                    vectors[s][starts[s][n] : starts[s][n] + lengths[s][n]]
                    for s, n in zip(source[chosen].tolist(), number[chosen].tolist(), strict=True)
                ]
            )

    target.write(blocks(), mixed[:count], parts[0].read_queries())


def grow(
    files: VectorFiles,
    sizes: Sequence[int],
    index: IndexSettings,
    search: SearchSettings,
    *,
    work: Path,
    threads: int,
    measured: dict[str, int],
) -> Iterator[GrowthPoint]:
    """Build and search at each size that the documents reach.

    Args:
        files: of the mixed documents.
        sizes: in tokens.
        index: build parameters.
        search: search parameters.
        work: scratch space.
        threads: of every library.
        measured: `k`, `timed`, `trials` and `warmup` of the searches.
    """
    ends = np.cumsum(np.load(files.lengths, allow_pickle=False))
    for size in sizes:
        if size > ends[-1] * 1.02:
            continue
        count = min(int(np.searchsorted(ends, size)) + 1, len(ends))
        folder = work / "growth_index"
        shutil.rmtree(folder, ignore_errors=True)
        built = own.build(
            files,
            index,
            folder=folder,
            work=work,
            threads=threads,
            encoder="growth",
            documents=count,
        )
        searched = own.search(
            files, [search], folder=folder, work=work, threads=threads, **measured
        )
        shutil.rmtree(folder)
        yield GrowthPoint(
            tokens=built["tokens"],
            documents=built["documents"],
            centroids=built["centroids"],
            build_seconds=built["seconds"],
            p50_ms=float(np.median(searched["searches"][0]["ms"])),
        )


def exponent(points: Sequence[GrowthPoint], value: str) -> float | None:
    """Return e of the least-squares fit value ~ tokens^e; None with fewer than two sizes."""
    if len(points) < 2:
        return None
    tokens = np.log([point.tokens for point in points])
    values = np.log([getattr(point, value) for point in points])
    return float(np.polyfit(tokens, values, 1)[0])
