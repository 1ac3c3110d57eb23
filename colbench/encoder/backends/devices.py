"""Encoding on several devices: a process for each, through sentence-transformers' pools.

A planned batch goes whole to the next free device, so vectors are those of one device. Each device
has a pool of its own, because a shared one cuts batches of a fixed number of texts.
"""

from __future__ import annotations

import contextlib
import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from colbench.encoder.backends.runtime import memory_of_batches
from colbench.errors import ColbenchError
from colbench.vectors import Vectors

_AHEAD = 2
"""Batches that wait for each device, so that none is idle while results are stored."""


def encode_on(
    devices: Sequence[str], model: Any, batches: Iterable[Sequence[str]]
) -> Iterator[list[Vectors]]:
    """Yield the vectors of each batch of documents, in order.

    Args:
        devices: torch devices, one process each.
        model: a SentenceTransformer or MultiVectorEncoder in the precision it should run in; it
            stays where it is.
        batches: texts of one forward pass each.

    Raises:
        ColbenchError: a process died, or the memory of a device is too small for a batch.
    """
    with _pools(devices, model) as (mirror, free), ThreadPoolExecutor(len(devices)) as threads:
        waiting: deque[Future[list[Vectors]]] = deque()
        try:
            for batch in batches:
                waiting.append(threads.submit(_encode, mirror, free, batch))
                if len(waiting) > _AHEAD * len(devices):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextlib.contextmanager
def _pools(devices: Sequence[str], model: Any) -> Iterator[tuple[Any, SimpleQueue[Any]]]:
    """Start a pool for each device; yield the model that asks them, and the pools."""
    # Starting a pool moves a model to the CPU and into shared memory, and queries need it here.
    mirror = copy.deepcopy(model)
    pools: list[Any] = []
    free: SimpleQueue[Any] = SimpleQueue()
    try:
        for device in devices:
            pools.append(mirror.start_multi_process_pool([device]))
            free.put(pools[-1])
        yield mirror, free
    finally:
        for pool in pools:
            mirror.stop_multi_process_pool(pool)


def _encode(mirror: Any, free: SimpleQueue[Any], texts: Sequence[str]) -> list[Vectors]:
    pool = free.get()
    try:
        with memory_of_batches(str(pool["processes"][0].name)):
            vectors = mirror.encode_document(
                list(texts),
                pool=pool,
                chunk_size=len(texts),
                batch_size=len(texts),
                convert_to_numpy=True,
                show_progress_bar=False,
            )
    except ColbenchError:
        raise
    except Exception as error:  # whatever a process met comes back as it was raised there
        reason = " ".join(str(error).split())[:200]
        raise ColbenchError(f"a process of encoder.devices failed: {reason}") from error
    finally:
        free.put(pool)
    return [np.atleast_2d(np.asarray(matrix, dtype=np.float32)) for matrix in vectors]
