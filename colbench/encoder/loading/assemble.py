"""From a checkpoint and a form to the right sentence-transformers model.

| checkpoint       | tokens (late interaction)                  | dense (bi-encoder)           |
|------------------|--------------------------------------------|------------------------------|
| late-interaction | as trained                                 | refused                      |
| bi-encoder       | untrained: the token vectors before pooling | as trained                  |
| plain            | untrained: the token vectors               | needs `pooling` mean or cls  |
| cross-encoder    | refused                                    | refused                      |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colbench.encoder.backends.runtime import load_quietly, set_weights
from colbench.encoder.base import Arithmetic
from colbench.encoder.loading.checkpoint import (
    Kind,
    check_tokenizer,
    detect_kind,
    is_stanford,
)
from colbench.encoder.loading.complete import check_no_random_weights, check_no_unused_weights
from colbench.encoder.loading.positions import positions, too_long
from colbench.encoder.loading.stanford import stanford_model
from colbench.encoder.loading.weights import resolve_weights
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError


def set_lengths(
    transformer: Any, *, query_length: int | None, document_length: int | None, name: str
) -> None:
    """Set the longest query and document of a sentence-transformers `Transformer` module.

    None keeps what the checkpoint says. A checkpoint that pads its queries with [MASK] to a fixed
    length (ColBERT's query augmentation; Khattab and Zaharia 2020, section 3.2) pads to the new
    query length; one that pads at least to a length keeps that floor where it can.

    Raises:
        ConfigError: the model has fewer positions than a length asks for, be it of the checkpoint.
    """
    limit = positions(transformer.model) if hasattr(transformer, "model") else None
    for side, length in (("query", query_length), ("document", document_length)):
        if length is not None and limit is not None and length > limit:
            raise too_long(name, side, f"{side}_length={length}", limit)
    if document_length is not None:
        transformer.document_length = document_length
    if query_length is not None:
        _set_query_length(transformer, query_length)
    if limit is not None:
        _check_stored(transformer, limit, name)


def _set_query_length(transformer: Any, query_length: int) -> None:
    expansion = transformer.query_expansion
    # sentence-transformers refuses a query length below the expansion's, so the order matters.
    transformer.query_length = None
    if expansion is not None:
        fixed = expansion["strategy"] == "fixed"
        length = query_length if fixed else min(query_length, expansion["length"])
        transformer.query_expansion = {**expansion, "length": length}
    transformer.query_length = query_length


def _check_stored(transformer: Any, limit: int, name: str) -> None:
    """Refuse lengths that the checkpoint itself says; cap what nobody said.

    sentence-transformers takes the rows of the table of positions for the length where a checkpoint
    says none; RoBERTa and MPNet use two of them for something else.
    """
    whole = transformer.max_seq_length
    rows = getattr(transformer.model.config, "max_position_embeddings", None)
    if whole is not None and whole > limit and whole == rows:
        whole = transformer.max_seq_length = limit
    expansion = transformer.query_expansion
    query = expansion["length"] if expansion is not None else None
    for side, own in (
        ("query", transformer.query_length or query),
        ("document", transformer.document_length),
    ):
        length = own or whole
        if length is not None and length > limit:
            raise too_long(name, side, f"the checkpoint's length of {length:,} for a {side}", limit)


def describe_lengths(transformer: Any) -> dict[str, Any]:
    """Return the lengths in force, as JSON; the query side under `query`."""
    return {
        "query": {
            "length": transformer.query_length,
            "expansion": transformer.query_expansion,
        },
        "document_length": transformer.document_length,
        "tokenizer_length": transformer.max_seq_length,
    }


def assemble(
    settings: EncoderSettings, form: Form, device: str, query_length: int | None
) -> tuple[Any, Path]:
    """Return a SentenceTransformer (dense) or MultiVectorEncoder (tokens), and its folder.

    In fp32, with the lengths and prompts of the settings.

    Args:
        settings: the model and how texts go through it.
        form: tokens or dense.
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
    make = _dense_model if form is Form.DENSE else _token_model
    model = make(folder, kind, settings, device)
    check_no_random_weights(model, folder, unused=("pooler",))
    untrained = form is Form.TOKENS and kind is not Kind.LATE_INTERACTION
    check_no_unused_weights(model, folder, untrained=untrained)
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
    if form is Form.DENSE and kind is Kind.LATE_INTERACTION:
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} is a late-interaction model; "
            "a bi-encoder needs a model with one vector per text"
        )
    if form is Form.DENSE and kind is Kind.PLAIN and settings.pooling == "checkpoint":
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} says nothing about pooling; "
            "set pooling=mean or pooling=cls"
        )


def _dense_model(folder: Path, kind: Kind, settings: EncoderSettings, device: str) -> Any:
    """Return a SentenceTransformer whose last module gives `sentence_embedding`, unit rows or not
    as the settings say."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    trusted = settings.trust_remote_code
    model: Any = load_quietly(SentenceTransformer, folder, trust_remote_code=trusted, device=device)
    if not isinstance(model[0], Transformer) and not trusted:
        raise ConfigError(
            f"encoder {settings.name!r}: {settings.model!r} has no transformer in front, and "
            "colbench encodes with no other kind"
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
    if is_stanford(folder):
        return load_quietly(stanford_model, folder, trust_remote_code=trusted, device=device)
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
    # must be told to work on tokens; by default it looks for a dense vector and does nothing.
    modules = [single[0], MultiVectorMask(), Normalize(module_input_name="token_embeddings")]
    return MultiVectorEncoder(modules=modules, prompts=dict(single.prompts), device=device)
