"""From a checkpoint and a form to the right sentence-transformers model.

| checkpoint       | tokens (late interaction)                  | pooled (bi-encoder)          |
|------------------|--------------------------------------------|------------------------------|
| late-interaction | as trained                                 | refused                      |
| bi-encoder       | untrained: the token vectors before pooling | as trained                  |
| plain            | untrained: the token vectors               | needs `pooling` mean or cls  |
| cross-encoder    | refused                                    | refused                      |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.encoder.base import Arithmetic
from colbench.encoder.checkpoint import (
    Kind,
    check_no_random_weights,
    check_tokenizer,
    detect_kind,
)
from colbench.encoder.lengths import set_lengths
from colbench.encoder.runtime import load_quietly, set_weights
from colbench.encoder.settings import EncoderSettings, Form
from colbench.encoder.weights import resolve_weights
from colbench.errors import ConfigError


def assemble(
    settings: EncoderSettings, form: Form, device: str, query_length: int | None
) -> tuple[Any, Path]:
    """Return a SentenceTransformer (pooled) or MultiVectorEncoder (tokens), and its folder.

    In fp32, with the lengths and prompts of the settings.

    Args:
        settings: the model and how texts go through it.
        form: tokens or pooled.
        device: torch device that exists.
        query_length: the collection's published query length in tokens; taken where the settings
            have none and the checkpoint is a late-interaction one.

    Raises:
        ConfigError: the checkpoint cannot be loaded, or lacks what the form or the settings need.
        StorageError: the embedded weights are damaged.
        WeightsUnavailable: weights, or code they need from another repository, cannot be had.
    """
    folder = resolve_weights(settings.model, settings.revision)
    kind = detect_kind(folder)
    _check_form(settings, form, kind)
    make = _pooled_model if form is Form.POOLED else _token_model
    model = make(folder, kind, settings, device)
    check_no_random_weights(model, folder, unused=("pooler",))
    check_tokenizer(model, folder)
    set_weights(model, Arithmetic("torch", "fp32", device))
    if settings.query_length is not None or kind is not Kind.LATE_INTERACTION:
        query_length = settings.query_length
    set_lengths(
        model[0],
        query_length=query_length,
        document_length=settings.document_length,
        name=settings.name,
    )
    for side, prompt in (("query", settings.query_prompt), ("document", settings.document_prompt)):
        if prompt is not None:
            model.prompts[side] = prompt
    return model, folder


def _check_form(settings: EncoderSettings, form: Form, kind: Kind) -> None:
    """Refuse a checkpoint that has no meaning in this form."""
    if kind is Kind.CROSS_ENCODER:
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} is a cross-encoder, "
            "which has no vectors; use it as a cross_encoder"
        )
    if form is Form.POOLED and kind is Kind.LATE_INTERACTION:
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} is a late-interaction model; "
            "a bi-encoder needs a model with one vector a text"
        )
    if form is Form.POOLED and kind is Kind.PLAIN and settings.pooling == "checkpoint":
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} says nothing about pooling; "
            "set pooling=mean or pooling=cls"
        )


def _pooled_model(folder: Path, kind: Kind, settings: EncoderSettings, device: str) -> Any:
    """Return a SentenceTransformer whose last module gives `sentence_embedding`, unit rows or not
    as the settings say."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling

    model: Any = load_quietly(
        SentenceTransformer, folder, trust_remote_code=settings.trust_remote_code, device=device
    )
    while isinstance(model[-1], Normalize):
        del model[-1]
    if settings.normalize:
        model.append(Normalize())
    if settings.pooling == "checkpoint":
        return model
    for index, module in enumerate(model):
        if isinstance(module, Pooling):
            model[index] = Pooling(module.embedding_dimension, pooling_mode=settings.pooling)
            return model
    raise ConfigError(
        f"encoder {settings.name!r}: pooling={settings.pooling} has no pooling module to replace "
        f"in {settings.model!r}; set pooling=checkpoint"
    )


def _token_model(folder: Path, kind: Kind, settings: EncoderSettings, device: str) -> Any:
    """Return a MultiVectorEncoder that never has a projection the checkpoint does not hold."""
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    trusted = settings.trust_remote_code
    if kind is Kind.LATE_INTERACTION:
        return load_quietly(MultiVectorEncoder, folder, trust_remote_code=trusted, device=device)
    single: Any = load_quietly(
        SentenceTransformer, folder, trust_remote_code=trusted, device=device
    )
    if not isinstance(single[0], Transformer):
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} has no transformer in front, "
            "so it gives no token vectors"
        )
    # Not MultiVectorEncoder(folder): that would add a projection of random numbers. And Normalize
    # must be told to work on tokens; by default it looks for a pooled vector and does nothing.
    modules = [single[0], MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
    return MultiVectorEncoder(modules=modules, prompts=dict(single.prompts), device=device)
