"""A model that reads a query and a document together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.backends.precision import check_precision
from colbench.encoder.backends.runtime import autocast, load_quietly, pick_device, set_weights
from colbench.encoder.base import Arithmetic
from colbench.encoder.loading.checkpoint import (
    Kind,
    check_tokenizer,
    detect_kind,
)
from colbench.encoder.loading.complete import check_no_random_weights, check_no_unused_weights
from colbench.encoder.loading.positions import check_pair_length, positions
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.settings import CrossEncoderSettings
from colbench.errors import ColbenchError, ConfigError

__all__ = ["CrossEncoder", "CrossEncoderSettings", "load_cross_encoder"]


def load_cross_encoder(settings: CrossEncoderSettings) -> CrossEncoder:
    """Load a cross-encoder, fetched from the hub where it must be.

    Raises:
        ConfigError: the model is no cross-encoder with one score a pair.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    folder = resolve_weights(settings.model, settings.revision)
    kind = detect_kind(folder)
    if kind is not Kind.CROSS_ENCODER:
        raise ConfigError(
            f"cross_encoder {settings.name!r}: {settings.model!r} is a {kind}, not a cross-encoder"
        )
    device = pick_device(settings.device)
    check_precision(settings.precision, device)
    model = load_model(settings, folder, device)
    arithmetic = Arithmetic("torch", settings.precision, device)
    set_weights(model, arithmetic)
    limit = positions(model[0].model)
    if limit is not None:
        check_pair_length(settings, limit)
    lengths = [settings.max_length, model.max_seq_length, limit]
    model.max_seq_length = min(length for length in lengths if length is not None)
    return CrossEncoder(model, settings, arithmetic)


def load_model(settings: CrossEncoderSettings, folder: Path, device: str) -> Any:
    """Return the sentence-transformers CrossEncoder in a folder, weights as in its file.

    Raises:
        ConfigError: the folder is damaged, or the model gives more than one score a pair.
    """
    import sentence_transformers

    model: Any = load_quietly(
        sentence_transformers.CrossEncoder,
        folder,
        trust_remote_code=settings.trust_remote_code,
        device=device,
    )
    check_no_random_weights(model, folder, unused=())
    check_no_unused_weights(model, folder, untrained=False)
    check_tokenizer(model, folder)
    if model.num_labels != 1:
        raise ConfigError(
            f"cross_encoder {settings.name!r}: {settings.model!r} gives {model.num_labels} scores "
            "a pair; a reranker needs one"
        )
    return model


class CrossEncoder:
    """A loaded cross-encoder. Made by `load_cross_encoder`."""

    def __init__(self, model: Any, settings: CrossEncoderSettings, arithmetic: Arithmetic) -> None:
        self.settings = settings
        self._model = model
        self._arithmetic = arithmetic

    @property
    def pair_limit(self) -> int:
        """Tokens of a query and a document that are read, the model's markers not counted."""
        markers = self._model.tokenizer.num_special_tokens_to_add(pair=True)
        return int(self._model.max_seq_length) - int(markers)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return how many tokens each text has, (texts,), without markers; nothing is cut off."""
        if not texts:
            return np.empty(0, dtype=np.int64)
        encoded = self._model.tokenizer(
            list(texts), add_special_tokens=False, truncation=False, padding=False, verbose=False
        )
        return np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.int64)

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return one float32 score for each (query, document) pair, in order.

        Scores are the model's raw outputs: a sigmoid, which some checkpoints put on top, keeps the
        order but rounds the best documents to ties.

        Raises:
            ColbenchError: a score is NaN or infinite.
        """
        import torch

        if not pairs:
            return np.empty(0, dtype=np.float32)
        with autocast(self._arithmetic):
            scores = self._model.predict(
                list(pairs),
                batch_size=self.settings.batch_size,
                show_progress_bar=False,
                activation_fn=torch.nn.Identity(),
                convert_to_numpy=True,
            )
        result: NDArray[np.float32] = np.asarray(scores, dtype=np.float32)
        if not np.isfinite(result).all():
            bad = int(np.flatnonzero(~np.isfinite(result))[0])
            raise ColbenchError(
                f"{self.settings.name}: the score of pair {bad} ({pairs[bad][0][:60]!r}) is NaN or "
                "infinite; try precision=fp32"
            )
        return result
