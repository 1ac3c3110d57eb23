"""The embedding cache: every text goes through a model once.

    <root>/<document fingerprint>/space.json     which encoder this is, for people
                                 /last_used      touched whenever the space is used
                                 /<shard>/       see `colbench.encoder.cache.shards`
    <root>/locks/<document fingerprint>.lock     held by the process that encodes

A text is found by the sha256 of its content under the fingerprint of all that decides its vectors,
so subsets, other collections and other query lengths share entries, and nothing stale is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.cache.embeddings import Embeddings, EncodeStats
from colbench.encoder.cache.filling import encode_missing, storage_dtype
from colbench.encoder.cache.inventory import (
    CacheEntry,
    check_kept,
    list_entries,
    prune_entries,
    remove_kept,
)
from colbench.encoder.cache.shards import Shard
from colbench.encoder.cache.space import WRITABLE, Space
from colbench.locks import locked

__all__ = ["CacheEntry", "EmbeddingCache", "Embeddings", "EncodeStats", "embed_documents"]

MODELS = "models"
"""Folder of converted models in the cache; see `colbench.encoder.backends.openvino`."""

ROOT_VARIABLE = "COLBENCH_CACHE"
"""Environment variable that moves the cache."""


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
            everything: delete all entries, converted models, and collections made on the spot; what
                colbench has not made stays.

        Raises:
            ConfigError: no condition is given, or no entry has the fingerprint.
            StorageError: everything is to go, and a folder of it is a link.
        """
        if everything:
            check_kept(self.root)
        freed = prune_entries(
            self.entries(),
            self.lock_file,
            older_than_days=older_than_days,
            fingerprint=fingerprint,
            everything=everything,
        )
        if everything:
            freed += remove_kept(self.root)
        return freed


def collections(root: Path | None = None) -> Path:
    """Return where collections that were made on the spot are kept: see `load_collection`.

    Args:
        root: folder of the cache; by default `default_root()`.
    """
    return (root or default_root()) / "collections"


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
        cache: where vectors are kept: float16 for tokens, float32 for dense ones.
        description: label of the progress bar.

    Raises:
        StorageError: the disk is full or the cache cannot be written or read.
        ColbenchError: the model gave NaN or infinity.
    """
    (embeddings,) = _embed([encoder], texts, cache, description)
    return embeddings


def embed_in_both_forms(
    first: Encoder,
    second: Encoder,
    texts: Sequence[str],
    cache: EmbeddingCache,
    *,
    description: str,
) -> tuple[Embeddings, Embeddings]:
    """Return the vectors of documents from two encoders that share their forward passes.

    Texts that the cache holds of neither go through the model once; those that it holds of one are
    encoded for the other alone. The vectors are those of `embed_documents`.

    Args:
        first: one form of a model.
        second: the other, of which `shares_passes` is true.
        texts: document texts; equal texts are encoded once.
        cache: where vectors are kept.
        description: label of the progress bar.

    Raises:
        StorageError: the disk is full or the cache cannot be written or read.
        ColbenchError: the model gave NaN or infinity.
    """
    one, two = _embed([first, second], texts, cache, description)
    return one, two


def _embed(
    encoders: Sequence[Encoder], texts: Sequence[str], cache: EmbeddingCache, description: str
) -> list[Embeddings]:
    """Return the vectors from one encoder, or from each of two that share their passes."""
    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    distinct = dict(zip(keys, texts, strict=True))
    spaces = [cache.space(encoder) for encoder in encoders]
    shards = [space.find(distinct) for space in spaces]
    new: list[list[Shard]] = [[] for _ in encoders]
    if any(_missing(distinct, found) for found in shards):
        told = "embedding cache: another process encodes with this model; waiting for it"
        name = encoders[0].settings.name
        cannot = f"the embedding cache lacks vectors of {name}, and {cache.root} cannot be written"
        with contextlib.ExitStack() as held:
            # In one order, so that two processes never wait for each other.
            for fingerprint in sorted(space.fingerprint for space in spaces):
                lock = cache.lock_file(fingerprint)
                held.enter_context(locked(lock, waiting=told, cannot=cannot, remedy=WRITABLE))
            shards = [space.find(distinct) for space in spaces]
            for encoder, space in zip(encoders, spaces, strict=True):
                space.prepare(encoder)
            missing = [_missing(distinct, found) for found in shards]
            everywhere = {
                key: text for key, text in missing[0].items() if all(key in m for m in missing)
            }
            for made in encode_missing(encoders, spaces, everywhere, description):
                for kept, shard in zip(new, made, strict=True):
                    kept.append(shard)
            for number, (encoder, space) in enumerate(zip(encoders, spaces, strict=True)):
                alone = {k: t for k, t in missing[number].items() if k not in everywhere}
                for (shard,) in encode_missing([encoder], [space], alone, description):
                    new[number].append(shard)
    found = []
    for number, (encoder, space) in enumerate(zip(encoders, spaces, strict=True)):
        space.touch()
        found.append(_embeddings(encoder, keys, shards[number], new[number]))
    return found


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
    return _embeddings(encoder, keys, shards, [])


def _missing(distinct: Mapping[bytes, str], shards: Sequence[Shard]) -> dict[bytes, str]:
    held = {key for shard in shards for key in shard.keys}
    return {key: text for key, text in distinct.items() if key not in held}


def _embeddings(
    encoder: Encoder, keys: Sequence[bytes], on_disk: Sequence[Shard], new: Sequence[Shard]
) -> Embeddings:
    """Find every document's place in the shards."""
    shards = [*on_disk, *new]
    place: dict[bytes, tuple[int, int, int, int]] = {}
    for number, shard in enumerate(shards):
        columns = (shard.starts.tolist(), shard.lengths.tolist(), shard.tokens.tolist())
        for key, *row in zip(shard.keys, *columns, strict=True):
            place.setdefault(key, (number, *row))
    table = np.array([place[key] for key in keys], dtype=np.int64).reshape(-1, 4)
    distinct = np.array([place[key][3] for key in dict.fromkeys(keys)], dtype=np.int64)
    return Embeddings(
        lengths=table[:, 2].copy(),
        dims=encoder.dims,
        dtype=storage_dtype(encoder.form),
        stats=_stats(encoder, distinct, on_disk, new),
        _shards=tuple(shards),
        _shard_of=table[:, 0].copy(),
        _row_of=table[:, 1].copy(),
    )


def _stats(
    encoder: Encoder, tokens: NDArray[np.int64], shards: Sequence[Shard], new: Sequence[Shard]
) -> EncodeStats:
    """Describe how texts of so many tokens came to their vectors."""
    limit = encoder.document_limit
    encoded = sum(len(shard.keys) for shard in new)
    measured = new or shards
    seconds = sum(shard.seconds for shard in measured)
    timed = np.concatenate([np.minimum(shard.tokens, limit) for shard in measured] or [tokens[:0]])

    def a_second(amount: float) -> float | None:
        return amount / seconds if seconds > 0 else None

    flops = a_second(float(encoder.forward_flops(timed).sum()))
    backend, precision, device = encoder.arithmetic
    return EncodeStats(
        encoded=encoded,
        cached=len(tokens) - encoded,
        seconds=sum(shard.seconds for shard in new),
        docs_per_second=a_second(len(timed)),
        tokens_per_second=a_second(float(timed.sum())),
        gflops=None if flops is None else flops / 1e9,
        tokens=int(np.minimum(tokens, limit).sum()),
        truncated_docs=int((tokens > limit).sum()),
        truncated_tokens=int(np.maximum(tokens - limit, 0).sum()),
        encoder=encoder.settings.name,
        form=encoder.form.value,
        backend=backend,
        precision=precision,
        device=device,
        cosine=encoder.cosine,
        untrained=encoder.untrained,
        one_pass=any(shard.one_pass for shard in measured),
        devices=len(encoder.settings.devices or [""]),
    )
