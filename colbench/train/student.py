"""What is trained: a loaded model, with a new projection or low-rank updates where they are wanted.

Whatever the recipe, what is saved is a plain checkpoint: low-rank updates are added to the weights
they belong to (`merge`), so nothing needs peft to search with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from colbench.config.train import Student, TrainSettings
from colbench.encoder.assemble import assemble
from colbench.encoder.checkpoint import (
    Kind,
    check_no_random_weights,
    check_tokenizer,
    detect_kind,
)
from colbench.encoder.cross_encoder import load_model
from colbench.encoder.runtime import load_quietly
from colbench.encoder.settings import CrossEncoderSettings, EncoderSettings, Form
from colbench.encoder.weights import resolve_weights
from colbench.errors import ConfigError

_SAMPLED = 1024
_BATCH = 32
_INSTALL = "pip install 'colbench[train]'"


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
            _project(model, settings.student, documents)
    if settings.student.update != "full":
        _freeze(model, settings.kind)
    if settings.student.update == "lora":
        _adapt(backbone(model), settings.student, settings.kind)
    return model


def backbone(model: Any) -> Any:
    """Return the Hugging Face model inside, which `_adapt` changes in place."""
    return model[0].model


def head_pattern(kind: str) -> str:
    """Return what the names of the parameters of a projection or classifier contain.

    >>> import re
    >>> bool(re.search(head_pattern("colbert"), "1.linear.weight"))
    True
    """
    return r"classifier|pooler|score\." if kind == "cross_encoder" else r"\.linear\."


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
        model = _with_new_classifier(settings, folder, device)
    model.max_seq_length = min(settings.max_length, model.max_seq_length)
    return model.float()


def _with_new_classifier(settings: CrossEncoderSettings, folder: Path, device: str) -> Any:
    from sentence_transformers import CrossEncoder

    model: Any = load_quietly(
        lambda path, **options: CrossEncoder(path, num_labels=1, **options),
        folder,
        trust_remote_code=settings.trust_remote_code,
        device=device,
    )
    check_no_random_weights(model, folder, unused=("classifier", "pooler", "score."))
    check_tokenizer(model, folder)
    return model


def _project(model: Any, student: Student, documents: Sequence[str]) -> None:
    """Put a projection behind the backbone, or replace the one that is there."""
    from sentence_transformers.base.modules import Dense

    present = next((place for place, part in enumerate(model) if isinstance(part, Dense)), None)
    if present is not None:
        width = int(model[present].linear.out_features)
        if width == student.dims:
            return
        raise ConfigError(
            f"student.dims={student.dims}, but the encoder projects to {width} dimensions already; "
            "leave student.dims out, or begin with an encoder without a projection"
        )
    width = int(model.get_embedding_dimension())
    assert student.dims is not None
    if student.dims > width:
        raise ConfigError(f"student.dims={student.dims} is more than the encoder's {width}")
    start = _principal(model, documents, student.dims) if student.start == "pca" else None
    projection = Dense(
        in_features=width,
        out_features=student.dims,
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=start,
        module_input_name="token_embeddings",
    )
    model.insert(1, projection.to(model.device))


def _principal(model: Any, documents: Sequence[str], dims: int) -> torch.Tensor:
    """Return the directions (dims, width) that hold most of the documents' token vectors.

    Not centred: MaxSim takes inner products, and a mean that is taken away would change them.
    """
    width = int(model.get_embedding_dimension())
    moments = torch.zeros((width, width), dtype=torch.float64)
    step = max(len(documents) // _SAMPLED, 1)
    chosen = sorted(documents, key=len)[::step]
    for first in range(0, len(chosen), _BATCH):
        for rows in model.encode_document(
            list(chosen[first : first + _BATCH]), show_progress_bar=False, convert_to_numpy=True
        ):
            tokens = torch.from_numpy(rows).double()
            moments += tokens.T @ tokens
    _, vectors = torch.linalg.eigh(moments)
    # A sign is arbitrary, and may differ between machines: the largest entry is made positive.
    directions = vectors.T.flip(0)[:dims]
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    signed: torch.Tensor = directions * largest.sign()
    return signed.float().contiguous()


def _freeze(model: Any, kind: str) -> None:
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        parameter.requires_grad_(_is_head(name, kind))
    if kind != "bi_encoder" and not any(_is_head(name, kind) for name in parameters):
        raise ConfigError(
            "the encoder has no projection to train: set student.dims, or student.update=full"
        )


def _is_head(name: str, kind: str) -> bool:
    return kind != "bi_encoder" and re.search(head_pattern(kind), name) is not None


def _adapt(base: Any, student: Student, kind: str) -> None:
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
        if not _is_head(name, kind)
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
