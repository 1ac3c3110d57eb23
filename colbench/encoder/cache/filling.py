"""Encoding the texts that the cache lacks, a shard at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder
from colbench.encoder.batches import plan_batches
from colbench.encoder.cache.shards import Shard, write_shard
from colbench.encoder.cache.space import Space
from colbench.encoder.settings import Form
from colbench.progress import bar

SHARD_SECONDS = 5.0
"""A shard is committed once this much encoding is in it: what a killed run can lose."""

SHARD_BYTES = 64 << 20
"""A shard is committed once it is this large, however fast the encoder is."""

_COUNTED = 4096


def encode_missing(
    encoder: Encoder, space: Space, missing: Mapping[bytes, str], description: str
) -> Iterator[Shard]:
    """Encode texts batch by batch and yield the committed shards.

    Rounding in a forward pass depends on which texts share a batch, so a resumed run must form the
    batches of the first one. It does: batches are cut from one total order, a shard holds whole
    batches, and taking batches out of the order leaves the cuts between the others where they were.
    """
    if not missing:
        return
    order = sorted(missing)
    began = time.perf_counter()
    tokens = _count_tokens(encoder, [missing[key] for key in order], description)
    plan = plan_batches(np.minimum(tokens, encoder.document_limit), encoder.batch_tokens)
    # Batches of all lengths alternate, which keeps the estimated time left honest. The longest is
    # first: if memory is short, now.
    rest = plan[1:]
    random.Random(0).shuffle(rest)
    plan = [*plan[:1], *rest]
    batches = ([missing[order[i]] for i in batch] for batch in plan)
    dtype = storage_dtype(encoder.form)
    places: list[int] = []
    matrices: list[NDArray[np.floating]] = []
    with bar(total=len(order), description=description, unit="doc") as progress:
        for number, encoded in enumerate(encoder.encode_batches(batches)):
            places += plan[number].tolist()
            matrices += [matrix.astype(dtype) for matrix in encoded]
            seconds = time.perf_counter() - began
            size_bytes = sum(matrix.nbytes for matrix in matrices)
            last = number == len(plan) - 1
            if last or seconds >= SHARD_SECONDS or size_bytes >= SHARD_BYTES:
                yield write_shard(
                    space.folder,
                    space.fingerprint,
                    [order[i] for i in places],
                    matrices,
                    [int(tokens[i]) for i in places],
                    seconds=seconds,
                )
                places, matrices, began = [], [], time.perf_counter()
            progress.update(len(encoded))


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
