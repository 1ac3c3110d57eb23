"""The embedding cache: every text goes through a model once.

    <root>/<document fingerprint>/space.json     which encoder this is, for people
                                 /last_used      touched whenever the space is used
                                 /<shard>/       see `colbench.encoder.shards`
    <root>/locks/<document fingerprint>.lock     held by the process that encodes

A text is found by the sha256 of its content under the fingerprint of all that decides its vectors,
so subsets, other collections and other query lengths share entries, and nothing stale is read.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.embeddings import Embeddings, EncodeStats
from colbench.encoder.inventory import CacheEntry, list_entries, prune_entries
from colbench.encoder.settings import Form
from colbench.encoder.shards import Shard, write_shard
from colbench.encoder.space import Space, locked
from colbench.progress import bar

__all__ = ["CacheEntry", "EmbeddingCache", "Embeddings", "EncodeStats", "embed_documents"]

ROOT_VARIABLE = "COLBENCH_CACHE"
"""Environment variable that moves the cache."""

SHARD_SECONDS = 5.0
"""A shard is committed once this much encoding is in it: what a killed run can lose."""

SHARD_BYTES = 64 << 20
"""A shard is committed once it is this large, however fast the encoder is."""


class EmbeddingCache:
    """Document vectors of any number of encoders under one folder.

    Args:
        root: the folder; by default `$COLBENCH_CACHE`, else the user's cache folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()

    def space(self, encoder: Encoder) -> Space:
        """Return the part of the cache that belongs to an encoder."""
        fingerprint = encoder.document_fingerprint
        return Space(self.root / fingerprint, fingerprint)

    def lock_file(self, fingerprint: str) -> Path:
        """Return the file that is locked while a process adds to a space."""
        return self.root / "locks" / f"{fingerprint}.lock"

    def entries(self) -> list[CacheEntry]:
        """Return what is cached, an entry for each encoder, most recently used first."""
        return list_entries(self.root)

    def prune(
        self,
        *,
        older_than_days: float | None = None,
        fingerprint: str | None = None,
        everything: bool = False,
    ) -> int:
        """Delete the entries that meet every given condition; return the bytes freed.

        A space that another process is adding to is left alone.

        Args:
            older_than_days: not used for this long.
            fingerprint: beginning of a fingerprint.
            everything: delete all entries.

        Raises:
            ConfigError: no condition is given, or no entry has the fingerprint.
        """
        return prune_entries(
            self.entries(),
            self.lock_file,
            older_than_days=older_than_days,
            fingerprint=fingerprint,
            everything=everything,
        )


def default_root() -> Path:
    """Return `$COLBENCH_CACHE`, or `embeddings` in the user's cache folder for colbench."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(ROOT_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_cache_path("colbench") / "embeddings"


def embed_documents(
    encoder: Encoder, texts: Sequence[str], cache: EmbeddingCache, *, description: str
) -> Embeddings:
    """Return the vectors of documents, encoding only texts that the cache does not hold.

    What is encoded is committed every few seconds. A run that is killed at any moment and started
    again gives the same bytes as one that was not.

    Args:
        encoder: the model.
        texts: document texts; equal texts are encoded once.
        cache: where vectors are kept: float16 for tokens, float32 for pooled.
        description: label of the progress bar.

    Raises:
        StorageError: the disk is full or the cache cannot be written or read.
        ColbenchError: the model gave NaN or infinity.
    """
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    distinct = dict(zip(keys, texts, strict=True))
    space = cache.space(encoder)
    shards = space.find(distinct)
    new: list[Shard] = []
    if _missing(distinct, shards):
        with locked(cache.lock_file(space.fingerprint), wait=True):
            shards = space.find(distinct)
            space.prepare(encoder)
            new = list(_encode(encoder, space, _missing(distinct, shards), description))
    space.touch()
    return _embeddings(encoder, keys, [*shards, *new], _stats(len(distinct), shards, new))


def cached_documents(
    encoder: Encoder, texts: Sequence[str], cache: EmbeddingCache
) -> Embeddings | None:
    """Return the vectors of documents where the cache holds all of them, else None.

    Encodes nothing and adds nothing: rounding depends on which texts share a batch, so texts put
    into the cache by themselves would change the bytes of a later run over the whole collection.

    Raises:
        StorageError: the cache cannot be read.
    """
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    space = cache.space(encoder)
    shards = space.find(frozenset(keys))
    if _missing(dict(zip(keys, texts, strict=True)), shards):
        return None
    space.touch()
    return _embeddings(encoder, keys, shards, _stats(len(set(keys)), shards, []))


def _missing(distinct: Mapping[bytes, str], shards: Sequence[Shard]) -> dict[bytes, str]:
    held = {key for shard in shards for key in shard.keys}
    return {key: text for key, text in distinct.items() if key not in held}


def _encode(
    encoder: Encoder, space: Space, missing: Mapping[bytes, str], description: str
) -> Iterator[Shard]:
    """Encode texts batch by batch and yield the committed shards.

    Rounding in a forward pass depends on which texts share a batch, so a resumed run must form the
    batches of the first one. It does: batches are cut from one total order, a shard holds whole
    batches, and only the last batch in that order is short, so taking committed batches out of the
    order leaves the cuts between the others where they were.
    """
    order = sorted(missing, key=lambda key: (-len(missing[key]), key))
    size = encoder.settings.batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    # Texts of one length share a batch, which spares padding; batches of all lengths alternate,
    # which keeps the estimated time left honest. The longest is first: if memory is short, now.
    rest = batches[1:]
    random.Random(0).shuffle(rest)
    dtype = storage_dtype(encoder.form)
    keys: list[bytes] = []
    matrices: list[NDArray[np.floating]] = []
    seconds = 0.0
    with bar(total=len(order), description=description, unit="doc") as progress:
        for number, batch in enumerate([*batches[:1], *rest], start=1):
            began = time.perf_counter()
            encoded = encoder.encode_documents([missing[key] for key in batch])
            seconds += time.perf_counter() - began
            keys += batch
            matrices += [matrix.astype(dtype) for matrix in encoded]
            size_bytes = sum(matrix.nbytes for matrix in matrices)
            if number == len(batches) or seconds >= SHARD_SECONDS or size_bytes >= SHARD_BYTES:
                yield write_shard(space.folder, space.fingerprint, keys, matrices, seconds=seconds)
                keys, matrices, seconds = [], [], 0.0
            progress.update(len(batch))


def storage_dtype(form: Form) -> np.dtype[np.floating]:
    """Return what vectors are stored in: float16 for the many of a token form, else float32."""
    return np.dtype(np.float16) if form is Form.TOKENS else np.dtype(np.float32)


def _stats(distinct: int, shards: Sequence[Shard], new: Sequence[Shard]) -> EncodeStats:
    encoded = sum(len(shard.keys) for shard in new)
    measured = new or shards
    seconds = sum(shard.seconds for shard in measured)
    texts = sum(len(shard.keys) for shard in measured)
    return EncodeStats(
        encoded=encoded,
        cached=distinct - encoded,
        seconds=sum(shard.seconds for shard in new),
        docs_per_second=texts / seconds if seconds > 0 else None,
    )


def _embeddings(
    encoder: Encoder, keys: Sequence[bytes], shards: Sequence[Shard], stats: EncodeStats
) -> Embeddings:
    """Find every document's place in the shards."""
    place: dict[bytes, tuple[int, int, int]] = {}
    for number, shard in enumerate(shards):
        rows = zip(shard.keys, shard.starts.tolist(), shard.lengths.tolist(), strict=True)
        for key, start, length in rows:
            place.setdefault(key, (number, start, length))
    table = np.array([place[key] for key in keys], dtype=np.int64).reshape(-1, 3)
    return Embeddings(
        lengths=table[:, 2].copy(),
        dims=encoder.dims,
        dtype=storage_dtype(encoder.form),
        stats=stats,
        _shards=tuple(shards),
        _shard_of=table[:, 0].copy(),
        _row_of=table[:, 1].copy(),
    )
