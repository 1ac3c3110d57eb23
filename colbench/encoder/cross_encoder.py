"""A model that reads a query and a document together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.checkpoint import Kind, check_no_random_weights, detect_kind
from colbench.encoder.runtime import arithmetic, load_quietly, pick_device
from colbench.encoder.settings import CrossEncoderSettings
from colbench.encoder.weights import resolve_weights
from colbench.errors import ColbenchError, ConfigError

__all__ = ["CrossEncoder", "CrossEncoderSettings", "load_cross_encoder"]


def load_cross_encoder(settings: CrossEncoderSettings) -> CrossEncoder:
    """Load a cross-encoder, fetched from the hub where it must be.

    Raises:
        ConfigError: the model is no cross-encoder with one score a pair.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    import sentence_transformers

    folder = resolve_weights(settings.model, settings.revision)
    kind = detect_kind(folder)
    if kind is not Kind.CROSS_ENCODER:
        raise ConfigError(
            f"cross_encoder {settings.name!r}: {settings.model!r} is a {kind}, not a cross-encoder"
        )
    device = pick_device(settings.device, settings.precision)
    model: Any = load_quietly(
        sentence_transformers.CrossEncoder,
        folder,
        trust_remote_code=settings.trust_remote_code,
        device=device,
    )
    check_no_random_weights(model, folder, unused=())
    if model.num_labels != 1:
        raise ConfigError(
            f"cross_encoder {settings.name!r}: {settings.model!r} gives {model.num_labels} scores "
            "a pair; a reranker needs one"
        )
    model.float()
    model.max_seq_length = min(settings.max_length, model.max_seq_length)
    return CrossEncoder(model, settings, device)


class CrossEncoder:
    """A loaded cross-encoder. Made by `load_cross_encoder`."""

    def __init__(self, model: Any, settings: CrossEncoderSettings, device: str) -> None:
        self.settings = settings
        self._model = model
        self._device = device

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
        with arithmetic(self.settings.precision, self._device):
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
