"""What is trained: a loaded model, with a new projection or low-rank updates where they are wanted.

Whatever the recipe, what is saved is a plain checkpoint: low-rank updates are added to the weights
they belong to (`colbench.train.low_rank.merge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from colbench.config.train import TrainSettings
from colbench.encoder.assemble import assemble
from colbench.encoder.checkpoint import Kind, detect_kind
from colbench.encoder.cross_encoder import load_model, with_new_classifier
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.encoder.weights import resolve_weights
from colbench.errors import ConfigError
from colbench.train.head import is_head, project
from colbench.train.low_rank import adapt, backbone


def build_student(
    settings: TrainSettings,
    encoder: EncoderSettings,
    cross_encoder: CrossEncoderSettings,
    documents: Sequence[str],
    device: str,
    seed: int,
) -> Any:
    """Return the model to train in fp32, with what is not trained frozen.

    Args:
        settings: the recipe.
        encoder: base of a ColBERT model or bi-encoder.
        cross_encoder: base of a cross-encoder.
        documents: texts that a new projection starts from.
        device: torch device.
        seed: of a projection or classifier that starts at random, and of low-rank updates.

    Raises:
        ConfigError: the checkpoint is of a kind that cannot be trained so.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    torch.manual_seed(seed)
    if settings.kind == "cross_encoder":
        model = _cross_encoder(cross_encoder, device)
    else:
        form = Form.TOKENS if settings.kind == "colbert" else Form.POOLED
        model, _ = assemble(encoder, form, device, None)
        if settings.student.dims is not None:
            project(model, settings.student, documents)
    if settings.student.model_dropout is not None:
        _set_dropout(model, settings.student.model_dropout)
    if settings.student.update != "full":
        _freeze(model, settings.kind)
    if settings.student.update == "lora":
        adapt(backbone(model), settings.student, settings.kind)
    return model


def trained_state(model: Any) -> dict[str, torch.Tensor]:
    """Return name → value of what is trained, on the CPU."""
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def set_trained_state(model: Any, state: dict[str, torch.Tensor]) -> None:
    """Put values of `trained_state` back.

    Raises:
        ConfigError: they are of another model.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    if state.keys() != trained.keys() or any(
        trained[name].shape != value.shape for name, value in state.items()
    ):
        raise ConfigError("a checkpoint is of another recipe: train with --fresh")
    with torch.no_grad():
        for name, value in state.items():
            trained[name].copy_(value)


def _cross_encoder(settings: CrossEncoderSettings, device: str) -> Any:
    """Return a cross-encoder with one score, its classifier new where the checkpoint has none."""
    folder = resolve_weights(settings.model, settings.revision)
    kind = detect_kind(folder)
    if kind is Kind.CROSS_ENCODER:
        model: Any = load_model(settings, folder, device)
    elif kind is Kind.LATE_INTERACTION:
        raise ConfigError(
            f"cross_encoder {settings.name!r}: {settings.model!r} is a {kind} model; a "
            "cross-encoder starts from one, or from a plain backbone"
        )
    else:
        model = with_new_classifier(folder, device, settings.trust_remote_code)
    model.max_seq_length = min(settings.max_length, model.max_seq_length)
    return model.float()


def _set_dropout(model: Any, share: float) -> None:
    """Set every dropout; some attention layers keep theirs as a number, not as a module."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = share


def _freeze(model: Any, kind: str) -> None:
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(is_head(name, kind))
    if kind != "bi_encoder" and not any(is_head(name, kind) for name in parameters):
        raise ConfigError(
            "the encoder has no projection to train: set student.dims, or student.update=full"
        )
