"""From texts to matrices: one batch, one forward pass, with the next batch tokenised meanwhile.

The steps are those of `encode` in sentence-transformers; taken apart here, so that tokenisation and
forward pass overlap, and so that a batch is exactly the texts it was planned with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Arithmetic, Vectors
from colbench.encoder.runtime import autocast
from colbench.encoder.settings import Form
from colbench.encoder.tokens import prompt_of

Features = dict[str, Any]


def preprocess(model: Any, texts: Sequence[str], task: str) -> Features:
    """Return the tokenised texts, padded to the longest of them.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
        texts: of one batch.
        task: document or query.
    """
    features: Features = model.preprocess(list(texts), prompt=prompt_of(model, task), task=task)
    return features


def forward(
    model: Any, features: Features, task: str, form: Form, arithmetic: Arithmetic
) -> list[Vectors]:
    """Return one float32 matrix a text of a batch.

    Raises:
        ColbenchError: the memory of the device is too small for the batch.
    """
    import torch

    model.eval()
    with torch.inference_mode(), autocast(arithmetic):
        moved = {
            name: value.to(arithmetic.device, non_blocking=True)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in features.items()
        }
        output = model(moved, task=task)
    if form is Form.POOLED:
        return list(output["sentence_embedding"].float().cpu().numpy()[:, None, :])
    rows = output["token_embeddings"].float().cpu().numpy()
    masks = output["attention_mask"].bool().cpu().numpy()
    return [matrix[mask] for matrix, mask in zip(rows, masks, strict=True)]


def preprocess_ahead(
    model: Any, batches: Iterable[Sequence[str]], task: str
) -> Iterator[tuple[Sequence[str], Features]]:
    """Yield each batch and its features, tokenising one batch ahead in a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for batch in batches:
            started = batch, pool.submit(preprocess, model, batch, task)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = started
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def read_tokens(features: Features) -> NDArray[np.int64]:
    """Return how many tokens of each text of a batch are read."""
    counts: NDArray[np.int64] = features["attention_mask"].sum(dim=1).cpu().numpy()
    return counts.astype(np.int64)
