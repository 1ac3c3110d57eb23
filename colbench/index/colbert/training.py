"""What an index learns from a sample before it codes the first document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from colbench.index.colbert.arrays import belonging, read_array, write_array
from colbench.index.colbert.assignment import Assigner
from colbench.index.colbert.checking import LARGEST
from colbench.index.colbert.clustering import find_centroids
from colbench.index.colbert.codec import PACKED_BITS, Codec, learn_buckets
from colbench.index.colbert.documents import Block, Documents
from colbench.index.colbert.manifest import Extent, FileEntry, Manifest, file_entry
from colbench.index.colbert.reduction import Reduction, learn_projection
from colbench.index.colbert.segment import Coded
from colbench.index.colbert.settings import IndexSettings, paper_centroids
from colbench.index.colbert.spread import random_directions, tell_too_little
from colbench.mapped import Unfit

CODEC_FILES = ("centroids*.npy", "buckets*.npy", "projection*.npy")
"""Patterns of what `Trained.save` writes; the last only where there is a projection."""

_HELD_OUT_SHARE = 0.05
_HELD_OUT_MOST = 50_000


@dataclass(frozen=True)
class Trained:
    """Everything a document's vectors go through: reduction, centroids, buckets.

    Attributes:
        settings: of the index.
        reduction: of tokens and dimensions.
        codec: centroids and buckets.
        learnt: documents and tokens of the collection that they were learnt from.
    """

    settings: IndexSettings
    reduction: Reduction
    codec: Codec
    learnt: Extent

    @property
    def width(self) -> int:
        """Columns of a segment's residuals."""
        return self.codec.dims if self.settings.nbits == 16 else self.codec.code_bytes

    @property
    def encoder_dims(self) -> int:
        """Dimensions of the vectors that come in."""
        projection = self.reduction.projection
        return self.codec.dims if projection is None else len(projection)

    def code(
        self, blocks: Iterator[Block], *, pooled_already: bool = False, device: str = "cpu"
    ) -> Iterator[Coded]:
        """Code documents, a block at a time; centroids are found on the device."""
        assigner = make_assigner(
            self.codec.wide_centroids,
            exact=self.settings.assignment == "exact",
            seed=self.settings.seed,
            device=device,
        )
        for block in blocks:
            reduced = self.reduction.documents(block, pooled_already=pooled_already)
            codes = assigner.assign(reduced.vectors)
            yield Coded(list(block.ids), reduced.lengths, codes, self._stored(reduced, codes))

    def _stored(self, block: Block, codes: NDArray[np.int64]) -> NDArray[Any]:
        if self.settings.nbits == 16:
            return block.vectors.astype(np.float16).view(np.uint16)
        return self.codec.compress(block.vectors, codes)

    def save(self, folder: Path, suffix: str = "") -> list[FileEntry]:
        """Write centroids, buckets and projection; return their entries for the manifest.

        Args:
            folder: of the index.
            suffix: of the file names, where files learnt before must stay until the commit.
        """
        arrays: dict[str, NDArray[Any]] = {
            "centroids": self.codec.centroids,
            "buckets": np.concatenate([self.codec.cutoffs, self.codec.weights]),
        }
        if self.reduction.projection is not None:
            arrays["projection"] = self.reduction.projection
        for name, array in arrays.items():
            write_array(folder / f"{name}{suffix}.npy", array)
        return [file_entry(folder, f"{name}{suffix}.npy") for name in arrays]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, *, checksums: bool = True) -> Trained:
        """Map what `save` wrote; `unlearnt` where nothing has been learnt yet.

        Args:
            folder: of the index.
            manifest: of the index.
            checksums: compare the sha256 of every file, and not its size alone.

        Raises:
            StorageError: a file is missing, or is not what the manifest says, or holds what is none
                of a codec.
            StorageUnavailable: a file cannot be read now.
        """
        settings = manifest.settings
        if not manifest.centroids:
            return cls.unlearnt(settings, manifest.encoder_dims)
        files = {re.split(r"[-.]", entry.path)[0]: entry for entry in manifest.codec}

        def read(name: str, dtype: DTypeLike, *shape: int) -> NDArray[Any]:
            path, entry = folder / files[name].path, files[name]
            return read_array(path, [dtype], shape, entry, checksum=checksums, most=LARGEST)

        centroids = read("centroids", np.float16, manifest.centroids, manifest.dims)
        cut = (1 << settings.nbits) - 1 if settings.nbits in PACKED_BITS else 0
        buckets = read("buckets", np.float32, 2 * cut + 1)
        with belonging(folder / files["buckets"].path):
            if (np.diff(buckets[:cut]) < 0).any():
                raise Unfit("its cut-offs run backwards")
        projection = None
        if settings.dims is not None:
            projection = read("projection", np.float32, manifest.encoder_dims, manifest.dims)
        return cls(
            settings,
            Reduction(settings.pooling, projection),
            Codec(settings.nbits, centroids, buckets[:cut], buckets[cut:]),
            manifest.learnt,
        )

    @classmethod
    def unlearnt(cls, settings: IndexSettings, encoder_dims: int) -> Trained:
        """Return what codes documents without tokens, and finds nothing."""
        dims = settings.dims or encoder_dims
        projection = None if settings.dims is None else np.zeros((encoder_dims, dims), np.float32)
        centroids = np.empty((0, dims), dtype=np.float16)
        nothing = np.empty(0, dtype=np.float32)
        return cls(
            settings,
            Reduction(settings.pooling, projection),
            Codec(settings.nbits, centroids, nothing, nothing),
            Extent(documents=0, tokens=0),
        )


def train(documents: Documents, settings: IndexSettings, device: str = "cpu") -> Trained:
    """Learn projection, centroids and buckets from a seeded sample of whole documents.

    Five per cent of the sample, at most 50,000 tokens, are kept from k-means: cut-offs learnt from
    the vectors that made the centroids would be too narrow. Where those say too little (`spread`),
    buckets are learnt from random vectors.

    Args:
        documents: at least one with a token; tokens merged as the settings say.
        settings: of the index; `centroids` beyond the tokens there are is lowered to them.
        device: of k-means and of the assignment.
    """
    count = min(settings.centroids or paper_centroids(documents.tokens), documents.tokens)
    sample = _sample(documents, settings, wanted=count * settings.sample_per_centroid)
    projection = learn_projection(sample, settings.dims) if settings.dims is not None else None
    reduction = Reduction(settings.pooling, projection)
    sample = reduction.vectors(sample).astype(np.float16, copy=False)
    held = min(int(len(sample) * _HELD_OUT_SHARE), _HELD_OUT_MOST)
    centroids = find_centroids(
        sample[held:], count, iterations=settings.iterations, seed=settings.seed, device=device
    )
    probe = sample[:held] if held else sample
    wide = centroids.astype(np.float32)
    exact = settings.assignment == "exact"
    assigner = make_assigner(wide, exact=exact, seed=settings.seed, device=device)
    residuals = probe.astype(np.float32) - wide[assigner.assign(probe)]
    if settings.nbits in PACKED_BITS and tell_too_little(residuals, settings.nbits):
        vectors = random_directions(wide.shape[1], settings.seed)
        residuals = vectors - wide[assigner.assign(vectors)]
    cutoffs, weights = learn_buckets(residuals, settings.nbits)
    codec = Codec(settings.nbits, centroids, cutoffs, weights)
    return Trained(settings, reduction, codec, extent_of(documents.lengths))


def extent_of(lengths: NDArray[np.int64]) -> Extent:
    """Return how many documents there are, and how many tokens they have."""
    return Extent(documents=len(lengths), tokens=int(lengths.sum()))


def _sample(documents: Documents, settings: IndexSettings, *, wanted: int) -> NDArray[np.float16]:
    """Return vectors of random documents, about `wanted` of them, in random order."""
    order = np.random.default_rng(settings.seed).permutation(len(documents.ids))
    filled = np.cumsum(documents.lengths[order])
    most = int(np.searchsorted(filled, wanted * (1 + _HELD_OUT_SHARE))) + 1
    place = np.full(len(order), -1, dtype=np.int64)
    place[order[:most]] = np.arange(min(most, len(order)))
    parts: list[tuple[int, NDArray[np.float16]]] = []
    first = 0
    for block in documents.blocks(settings.chunk_tokens):
        end = first + len(block.ids)
        chosen = np.flatnonzero(place[first:end] >= 0)
        bounds = np.concatenate([[0], np.cumsum(block.lengths)])
        for doc in chosen.tolist():
            rows = block.vectors[bounds[doc] : bounds[doc + 1]].astype(np.float16)
            parts.append((int(place[first + doc]), rows))
        first = end
    parts.sort(key=lambda part: part[0])
    total = sum(len(rows) for _, rows in parts)
    sample = np.empty((total, documents.dims), dtype=np.float16)
    while parts:  # taken apart while it is put together: twice the sample would be the peak
        _, rows = parts.pop()
        total -= len(rows)
        sample[total : total + len(rows)] = rows
    return sample


def make_assigner(
    centroids: NDArray[np.float32], *, exact: bool, seed: int, device: str = "cpu"
) -> Assigner:
    """Return an `Assigner`, or one that works on another torch device than the CPU."""
    if device == "cpu":
        return Assigner(centroids, exact=exact, seed=seed)
    from colbench.index.colbert.assignment_device import DeviceAssigner

    return DeviceAssigner(centroids, exact=exact, seed=seed, device=device)
