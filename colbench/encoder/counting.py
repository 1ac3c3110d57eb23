"""How long texts are in tokens, and what a forward pass over them costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.forward import preprocess, read_tokens
from colbench.encoder.tokens import prompt_of

_PROBE = "a"
_LONG_PROBE = 40_000
_WORDS = (8, 40)


class TokenCounter:
    """Counts tokens of documents as the model would read them if it had no limit.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.

    Attributes:
        limit: tokens of a document that are read, markers and prompt among them.
    """

    def __init__(self, model: Any) -> None:
        self._tokenizer = model.tokenizer
        self._prompt = prompt_of(model, "document") or ""
        read = read_tokens(preprocess(model, [_PROBE], "document"))
        # A ColBERT checkpoint puts a marker before the text that its tokenizer knows nothing of.
        self._markers = int(read[0]) - int(self._lengths([_PROBE])[0])
        long = preprocess(model, [" ".join([_PROBE] * _LONG_PROBE)], "document")
        self.limit = int(read_tokens(long)[0])

    def count(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return tokens of each text, (texts,), before anything is cut off."""
        return self._lengths(texts) + self._markers

    def _lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        if not texts:
            return np.empty(0, dtype=np.int64)
        encoded = self._tokenizer(
            [self._prompt + text for text in texts],
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        return np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)


Flops = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Tokens of each text → floating-point operations of its forward pass."""


def count_flops(model: Any) -> Flops:
    """Return the operations of a forward pass as a function of the tokens of a text.

    A transformer does a·n + b·n² of them for n tokens: the products with weights, and attention.
    Both are had by counting two passes of the model itself, which torch still has to run.

    Args:
        model: a SentenceTransformer or MultiVectorEncoder.
    """
    (few, flops), (many, more) = (_count(model, words) for words in _WORDS)
    square = (more / many - flops / few) / (many - few) if many > few else 0.0
    linear = flops / few - square * few

    def of(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        tokens = lengths.astype(np.float64)
        return tokens * (linear + square * tokens)

    return of


def _count(model: Any, words: int) -> tuple[int, int]:
    """Return tokens of a text of so many words, and the operations of its forward pass."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    features = preprocess(model, [" ".join([_PROBE] * words)], "document")
    moved = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in features.items()
    }
    counter = FlopCounterMode(display=False)
    # Fused attention on a CPU is one operation that the counter knows no formula of.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(moved, task="document")
    return int(read_tokens(features)[0]), int(counter.get_total_flops())
