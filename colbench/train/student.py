"""What is trained: a loaded model, with a new projection or low-rank updates where they are wanted.

Low-rank updates (LoRA, Hu et al. 2021, arXiv 2106.09685) are peft's. Whatever the recipe, what is
saved is a plain checkpoint: they are added to the weights they belong to, nothing of them is left,
and nothing needs peft to search with the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from colbench.encoder.backends.runtime import with_new_classifier
from colbench.encoder.loading.assemble import assemble
from colbench.encoder.loading.checkpoint import Kind, detect_kind
from colbench.encoder.loading.cross_encoder import load_model
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.errors import ConfigError
from colbench.train.head import is_head, project
from colbench.train.settings import Student, TrainSettings

_INSTALL = "pip install 'colbench[train]'"


def backbone(model: Any) -> Any:
    """Return the Hugging Face model inside, which `_adapt` changes in place."""
    return model[0].model


def adapt(base: Any, student: Student, kind: str) -> None:
    """Put low-rank updates beside the layers of a backbone.

    Raises:
        ConfigError: peft is not installed, or no layer has such a name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(f"student.update=lora needs peft; run {_INSTALL}") from error
    linear = [n for n, m in base.named_modules() if isinstance(m, torch.nn.Linear)]
    targets = [
        name
        for name in linear
        if not is_head(name, kind)
        and "pooler" not in name  # no token vector goes through it
        and (student.targets == "all-linear" or name.endswith(tuple(student.targets)))
    ]
    if not targets:
        raise ConfigError(
            f"student.targets: no linear layer ends in {', '.join(student.targets)}; there are "
            f"{', '.join(sorted({name.rpartition('.')[2] for name in linear}))}"
        )
    config = LoraConfig(
        r=student.rank,
        lora_alpha=student.alpha,  # type: ignore[arg-type]
        lora_dropout=student.dropout,
        target_modules=targets,
        bias="none",
    )
    trained = {name for name, p in base.named_parameters() if p.requires_grad}
    inject_adapter_in_model(config, base)
    for name, parameter in base.named_parameters():
        parameter.requires_grad_("lora_" in name or name in trained)


def merge(model: Any) -> None:
    """Add low-rank updates to the weights they belong to, in place; nothing without any."""
    base = backbone(model)
    for name, module in list(_adapted(base)):
        module.merge()
        parent, _, last = name.rpartition(".")
        setattr(base.get_submodule(parent), last, module.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _adapted(base: Any) -> Iterator[tuple[str, Any]]:
    for name, module in base.named_modules():
        if hasattr(module, "get_base_layer") and hasattr(module, "merge"):
            yield name, module


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
        form = Form.TOKENS if settings.kind == "colbert" else Form.DENSE
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


def untrained_base(
    settings: TrainSettings,
    encoder: EncoderSettings,
    cross_encoder: CrossEncoderSettings,
    device: str,
) -> Any | None:
    """Return the checkpoint that training begins with, in fp32, as it is used without training.

    Args:
        settings: the recipe.
        encoder: as of `build_student`.
        cross_encoder: as of `build_student`.
        device: torch device.

    Returns:
        The model: for a ColBERT it gives all dimensions of the backbone where that has no
        projection. None where nothing can be ranked with it, as a classifier has to be made first.
    """
    if settings.kind == "cross_encoder":
        folder = resolve_weights(cross_encoder.model, cross_encoder.revision)
        if detect_kind(folder) is not Kind.CROSS_ENCODER:
            return None
        return _cross_encoder(cross_encoder, device)
    model, _ = assemble(
        encoder, Form.TOKENS if settings.kind == "colbert" else Form.DENSE, device, None
    )
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
