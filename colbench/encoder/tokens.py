"""Which token each vector of a document or a query stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError

_BATCH = 256
_PROMPTS = {"document": ("document", "passage", "corpus"), "query": ("query",)}
"""Names a checkpoint can have for the prompt of a task; the first there is counts, as in
`encode_document` and `encode_query` of sentence-transformers."""


def document_tokens(model: Any, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
    """Yield the tokens of each document, one for every vector the model returns for it.

    Nothing is encoded: texts are tokenised, and the model's own masking decides what is kept.

    Args:
        model: a sentence-transformers MultiVectorEncoder.
        texts: document texts.

    Raises:
        ConfigError: the model pools tokens itself, so that its vectors stand for no single token.
    """
    return _tokens(model, texts, "document")


def query_tokens(model: Any, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
    """Yield the tokens of each query, one for every vector the model returns for it.

    Among them are the marker of a query and the [MASK] tokens that ColBERT checkpoints expand a
    query with (Khattab and Zaharia 2020, section 3.2), for these have vectors too.

    Args:
        model: a sentence-transformers MultiVectorEncoder.
        texts: query texts.

    Raises:
        ConfigError: the model pools tokens itself, so that its vectors stand for no single token.
    """
    return _tokens(model, texts, "query")


def _tokens(model: Any, texts: Sequence[str], task: str) -> Iterator[NDArray[np.str_]]:
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import BaseTokenPooling

    if any(isinstance(module, BaseTokenPooling) for module in model):
        raise ConfigError(
            "this checkpoint pools tokens itself, so its vectors stand for no single token: none "
            "can be skipped (index.skip_tokens=none) or explained"
        )
    masks = [module for module in model if isinstance(module, MultiVectorMask)]
    prompt = prompt_of(model, task)
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        features = model.preprocess(batch, prompt=prompt, task=task)
        ids = features["input_ids"].numpy()
        for mask in masks:
            features = mask(features, task=task)
        for row, attended in zip(ids, features["attention_mask"].bool().numpy(), strict=True):
            yield np.array(model.tokenizer.convert_ids_to_tokens(row[attended].tolist()), dtype=str)


def prompt_of(model: Any, task: str) -> str | None:
    """Return the text that goes before every document or query; None without one."""
    names = [*_PROMPTS[task], model.default_prompt_name]
    return next((model.prompts[name] for name in names if name in model.prompts), None)
