"""Loading an encoder: the right sentence-transformers class for a checkpoint and a form.

| checkpoint       | tokens (late interaction)                  | pooled (bi-encoder)          |
|------------------|--------------------------------------------|------------------------------|
| late-interaction | as trained                                 | refused                      |
| bi-encoder       | untrained: the token vectors before pooling | as trained                  |
| plain            | untrained: the token vectors               | needs `pooling` mean or cls  |
| cross-encoder    | refused                                    | refused                      |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.base import Encoder, Vectors
from colbench.encoder.checkpoint import Kind, check_no_random_weights, detect_kind
from colbench.encoder.fingerprint import fingerprint
from colbench.encoder.lengths import describe_lengths, set_lengths
from colbench.encoder.runtime import (
    arithmetic,
    check_finite,
    code_folders,
    load_quietly,
    pick_device,
)
from colbench.encoder.settings import EncoderSettings, Form
from colbench.encoder.tokens import document_tokens, query_tokens
from colbench.encoder.weights import resolve_weights
from colbench.errors import ConfigError


def load_encoder(settings: EncoderSettings, form: Form, query_length: int | None = None) -> Encoder:
    """Load a model, fetched from the hub where it must be.

    Args:
        settings: the model and how texts go through it.
        form: tokens or pooled.
        query_length: the collection's published query length in tokens; taken where the settings
            have none and the checkpoint is a late-interaction one.

    Raises:
        ConfigError: the model cannot be used in this form or with these settings.
        StorageError: the embedded weights are damaged.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    folder = resolve_weights(settings.model, settings.revision)
    kind = detect_kind(folder)
    _check_form(settings, form, kind)
    device = pick_device(settings.device, settings.precision)
    make = _pooled_model if form is Form.POOLED else _token_model
    model = make(folder, kind, settings, device)
    check_no_random_weights(model, folder, unused=("pooler",))
    # Newer transformers load weights in the precision of the file; the precision is ours to set.
    model.float()
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
    return LoadedEncoder(model, settings, form, folder, device)


class LoadedEncoder:
    """An `Encoder` over a sentence-transformers model. Made by `load_encoder`."""

    settings: EncoderSettings
    form: Form
    fingerprint: str
    document_fingerprint: str
    dims: int

    def __init__(
        self, model: Any, settings: EncoderSettings, form: Form, folder: Path, device: str
    ) -> None:
        from sentence_transformers.base.modules import Normalize

        self._model = model
        self._device = device
        self.settings = settings
        self.form = form
        self.dims = int(model.get_embedding_dimension())
        unit_rows = form is Form.TOKENS or settings.normalize
        has_normalize = any(isinstance(module, Normalize) for module in model)
        # Autocast rounds the normalised rows to half precision again.
        self._renormalise = unit_rows and (settings.precision != "fp32" or not has_normalize)
        document, query = self._describe(folder)
        self.document_fingerprint = fingerprint(folder, document)
        self.fingerprint = fingerprint(folder, {**document, **query})

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix a text, in order."""
        return self._encode(self._model.encode_document, texts)

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix a text, in order."""
        return self._encode(self._model.encode_query, texts)

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each document, one for every row of its vectors."""
        return document_tokens(self._model, texts)

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each query, one for every row of its vectors."""
        return query_tokens(self._model, texts)

    def _encode(self, method: Callable[..., Any], texts: Sequence[str]) -> list[Vectors]:
        with arithmetic(self.settings.precision, self._device):
            output = method(
                list(texts),
                batch_size=self.settings.batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        arrays = [np.asarray(rows, dtype=np.float32).reshape(-1, self.dims) for rows in output]
        check_finite(arrays, texts, self.settings.name)
        return [_unit_rows(array) for array in arrays] if self._renormalise else arrays

    def _describe(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what decides the document vectors, and what else the query vectors."""
        lengths = describe_lengths(self._model[0])
        prompts = dict(self._model.prompts)
        query = {"lengths_query": lengths.pop("query"), "prompt_query": prompts.pop("query", None)}
        document: dict[str, Any] = {
            "form": self.form,
            "precision": self.settings.precision,
            "lengths": lengths,
            "prompts": prompts,
            "code": {name: path.name for name, path in code_folders(folder).items()},
        }
        if self.form is Form.POOLED:
            document |= {"pooling": self.settings.pooling, "normalize": self.settings.normalize}
        return document, query


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


def _unit_rows(array: Vectors) -> Vectors:
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    unit: Vectors = array / np.maximum(lengths, np.float32(1e-12))
    return unit
