"""Which token each vector of a document stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import ConfigError

_BATCH = 256


def document_tokens(model: Any, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
    """Yield the tokens of each document, one for every vector the model returns for it.

    Nothing is encoded: texts are tokenised, and the model's own masking decides what is kept.

    Args:
        model: a sentence-transformers MultiVectorEncoder.
        texts: document texts.

    Raises:
        ConfigError: the model pools tokens itself, so that its vectors stand for no single token.
    """
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from sentence_transformers.multi_vector_encoder.modules.token_pooling import BaseTokenPooling

    if any(isinstance(module, BaseTokenPooling) for module in model):
        raise ConfigError("this checkpoint pools tokens, so none can be skipped: skip_tokens=none")
    masks = [module for module in model if isinstance(module, MultiVectorMask)]
    prompt = model.prompts.get("document")
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        features = model.preprocess(batch, prompt=prompt, task="document")
        ids = features["input_ids"].numpy()
        for mask in masks:
            features = mask(features, task="document")
        for row, kept in zip(ids, features["attention_mask"].bool().numpy(), strict=True):
            yield np.array(model.tokenizer.convert_ids_to_tokens(row[kept].tolist()), dtype=str)
