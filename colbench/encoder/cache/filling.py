"""Encoding the texts that the cache lacks, a shard at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.batches import plan_batches
from colbench.encoder.cache.shards import Shard, write_shard
from colbench.encoder.cache.space import Space
from colbench.encoder.settings import Form
from colbench.progress import bar
from colbench.vectors import Vectors

SHARD_SECONDS = 5.0
"""A shard is committed once this much encoding is in it: what a killed run can lose."""

SHARD_BYTES = 64 << 20
"""A shard is committed once it is this large, however fast the encoder is."""

_COUNTED = 4096


def encode_missing(
    encoders: Sequence[Encoder],
    spaces: Sequence[Space],
    missing: Mapping[bytes, str],
    description: str,
) -> Iterator[tuple[Shard, ...]]:
    """Encode texts batch by batch and yield the committed shards, one for each encoder.

    Rounding in a forward pass depends on which texts share a batch, so a resumed run must form the
    batches of the first one. It does: batches are cut from one total order, a shard holds whole
    batches, and taking batches out of the order leaves the cuts between the others where they were.

    Args:
        encoders: one, or two that share their forward passes.
        spaces: where the vectors of each are kept.
        missing: sha256 → text, of texts that none of the spaces holds.
        description: label of the progress bar.
    """
    if not missing:
        return
    order = sorted(missing)
    began = time.perf_counter()
    tokens = _count_tokens(encoders[0], [missing[key] for key in order], description)
    plan = plan_batches(np.minimum(tokens, encoders[0].document_limit), encoders[0].batch_tokens)
    # Batches of all lengths alternate, which keeps the estimated time left honest. The longest is
    # first: if memory is short, now.
    rest = plan[1:]
    random.Random(0).shuffle(rest)
    plan = [*plan[:1], *rest]
    batches = ([missing[order[i]] for i in batch] for batch in plan)
    dtypes = [storage_dtype(encoder.form) for encoder in encoders]
    places: list[int] = []
    matrices: list[list[NDArray[np.floating]]] = [[] for _ in encoders]
    with bar(total=len(order), description=description, unit="doc") as progress:
        for number, encoded in enumerate(_encoded(encoders, batches)):
            places += plan[number].tolist()
            for held, new, dtype in zip(matrices, encoded, dtypes, strict=True):
                held += [matrix.astype(dtype) for matrix in new]
            seconds = time.perf_counter() - began
            size_bytes = sum(matrix.nbytes for held in matrices for matrix in held)
            last = number == len(plan) - 1
            if last or seconds >= SHARD_SECONDS or size_bytes >= SHARD_BYTES:
                yield tuple(
                    write_shard(
                        space.folder,
                        space.fingerprint,
                        [order[i] for i in places],
                        held,
                        [int(tokens[i]) for i in places],
                        seconds=seconds,
                        one_pass=len(encoders) > 1,
                    )
                    for space, held in zip(spaces, matrices, strict=True)
                )
                places, matrices, began = [], [[] for _ in encoders], time.perf_counter()
            progress.update(len(encoded[0]))


def _encoded(
    encoders: Sequence[Encoder], batches: Iterable[Sequence[str]]
) -> Iterator[tuple[list[Vectors], ...]]:
    if len(encoders) == 1:
        return ((vectors,) for vectors in encoders[0].encode_batches(batches))
    first, second = encoders
    return first.encode_both(second, batches)


def _count_tokens(encoder: Encoder, texts: Sequence[str], description: str) -> NDArray[np.int64]:
    """Return the tokens of each text, before anything is cut off."""
    counts = []
    with bar(total=len(texts), description=f"{description}, counting", unit="doc") as progress:
        for start in range(0, len(texts), _COUNTED):
            counts.append(encoder.count_tokens(texts[start : start + _COUNTED]))
            progress.update(len(counts[-1]))
    return np.concatenate(counts)


def storage_dtype(form: Form) -> np.dtype[np.floating]:
    """Return what vectors are stored in: float16 for the many of a token form, else float32."""
    return np.dtype(np.float16) if form is Form.TOKENS else np.dtype(np.float32)
