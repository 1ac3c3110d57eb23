"""A loaded encoder: a sentence-transformers model, its arithmetic, and what decides its vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.backends.accelerate import accelerate, describe_arithmetic
from colbench.encoder.backends.devices import encode_on
from colbench.encoder.backends.precision import choose_arithmetic
from colbench.encoder.backends.runtime import check_finite, code_folders, first_device
from colbench.encoder.base import Arithmetic, Encoder
from colbench.encoder.batches import (
    TokenCounter,
    count_flops,
    forward,
    forward_both,
    plan_batches,
    preprocess,
    preprocess_ahead,
)
from colbench.encoder.cache.store import MODELS, default_root
from colbench.encoder.chunks import Span, split_texts
from colbench.encoder.loading.assemble import assemble, describe_lengths
from colbench.encoder.loading.checkpoint import Kind, detect_kind
from colbench.encoder.loading.fingerprint import fingerprint
from colbench.encoder.settings import EncoderSettings, Form
from colbench.encoder.tokens import document_tokens, prompt_of, query_tokens
from colbench.errors import ConfigError
from colbench.vectors import Vectors

_CPU_TOKENS = 4096
_GPU_TOKENS = 131_072
_QUERY_BATCH = 32
_READ = {"arithmetic", "lengths", "code"}
"""What of `LoadedEncoder._describe` decides what comes out of the transformer, besides a prompt."""

_FORM_KEYS = {Form.TOKENS: "tokens", Form.DENSE: "pooled"}
"""Form → its name in a fingerprint: the earlier one, under which caches were filled."""


def load_encoder(
    settings: EncoderSettings,
    form: Form,
    query_length: int | None = None,
    cache_root: Path | None = None,
) -> Encoder:
    """Load a model, fetched from the hub where it must be.

    Args:
        settings: the model and how texts go through it.
        form: tokens or dense.
        query_length: the collection's published query length in tokens; taken where the settings
            have none and the checkpoint is a late-interaction one.
        cache_root: where converted models are kept; the embedding cache by default.

    Raises:
        ConfigError: the model cannot be used in this form or with these settings.
        StorageError: the embedded weights are damaged, or a converted model cannot be written.
        WeightsUnavailable: the weights are not here and cannot be had.
    """
    device = first_device(settings)
    arithmetic = choose_arithmetic(settings, device)
    model, folder = assemble(settings, form, device, query_length)
    return LoadedEncoder(
        model, settings, form, folder, arithmetic, cache_root=cache_root or default_root()
    )


class LoadedEncoder:
    """An `Encoder` over a sentence-transformers model. Made by `load_encoder`."""

    settings: EncoderSettings
    form: Form
    arithmetic: Arithmetic
    cosine: float | None
    fingerprint: str
    document_fingerprint: str
    dims: int
    batch_tokens: int
    document_limit: int
    query_limit: int
    untrained: bool

    def __init__(
        self,
        model: Any,
        settings: EncoderSettings,
        form: Form,
        folder: Path,
        arithmetic: Arithmetic,
        *,
        cache_root: Path,
    ) -> None:
        from sentence_transformers.base.modules import Normalize

        self._model = model
        self.settings = settings
        self.form = form
        self.untrained = form is Form.TOKENS and detect_kind(folder) is not Kind.LATE_INTERACTION
        self.dims = int(model.get_embedding_dimension())
        self._documents, self._queries = (TokenCounter(model, t) for t in ("document", "query"))
        self._check_room()
        self.document_limit = self._documents.limit
        self.query_limit = self._queries.limit
        self._flops = count_flops(model)
        self.arithmetic, self.cosine = accelerate(
            model,
            arithmetic,
            folder,
            cache_root / MODELS,
            replaceable=settings.precision == "auto",
        )
        on_cpu = self.arithmetic.device.startswith("cpu")
        self.batch_tokens = settings.batch_tokens or (_CPU_TOKENS if on_cpu else _GPU_TOKENS)
        unit_rows = form is Form.TOKENS or settings.normalize
        has_normalize = any(isinstance(module, Normalize) for module in model)
        # Arithmetic below fp32 rounds the normalised rows again.
        exact = self.arithmetic.precision == "fp32"
        self._renormalise = unit_rows and not (exact and has_normalize)
        document, query = self._describe(folder)
        read = {key: value for key, value in document.items() if key in _READ}
        self._reads = (fingerprint(folder, read), prompt_of(model, "document"))
        self.document_fingerprint = fingerprint(folder, document)
        self.fingerprint = fingerprint(folder, {**document, **query})

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return how many tokens each document has, (texts,), before anything is cut off."""
        return self._documents.count(texts)

    def count_query_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the same of queries; the [MASK] tokens of an expansion are not counted."""
        return self._queries.count(texts)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the chunks of each text, each within `document_limit`."""
        places = zip(texts, self.spans(texts), strict=True)
        return [[text[start:end] for start, end in spans] for text, spans in places]

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return where these chunks begin and end in each text, in characters."""
        return split_texts(
            texts,
            tokenizer=self._model.tokenizer,
            count=self.count_tokens,
            limit=self.document_limit,
            overlap=self.settings.chunk_overlap,
            name=self.settings.name,
        )

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Vectors]]:
        """Yield the vectors of each batch of documents, one forward pass a batch, in order."""
        if self.settings.devices and len(self.settings.devices) > 1:
            yield from self._encode_on(self.settings.devices, batches)
            return
        for texts, features in preprocess_ahead(self._model, batches, "document"):
            yield self._encode(features, texts, "document")

    def shares_passes(self, other: Encoder) -> bool:
        """Return whether the other form of the same model reads the same tokens of documents."""
        return (
            isinstance(other, LoadedEncoder)
            and self.form is not other.form
            and self._reads == other._reads
            and len(self.settings.devices or [""]) == 1
        )

    def encode_both(
        self, other: Encoder, batches: Iterable[Sequence[str]]
    ) -> Iterator[tuple[list[Vectors], list[Vectors]]]:
        """Yield what `encode_batches` of this encoder and of another that shares its passes yields,
        from one pass through the transformer a batch.

        The values are the same to the last bit: what comes after the transformer is each one's own.
        """
        assert isinstance(other, LoadedEncoder)
        # A pooling may leave the prompt out; what a dense model reads says where that ends.
        dense, tokens = (self, other) if self.form is Form.DENSE else (other, self)
        tokens._model[0] = dense._model[0]  # they are equal, and one of them is memory enough
        models = {dense.form: dense._model, tokens.form: tokens._model}
        for texts, features in preprocess_ahead(dense._model, batches, "document"):
            arrays = forward_both(models, features, "document", self.arithmetic)
            yield (
                self._finished(arrays[self.form], texts),
                other._finished(arrays[other.form], texts),
            )

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix per text, in order, in batches of `batch_tokens`."""
        read = np.minimum(self.count_tokens(texts), self.document_limit)
        plan = plan_batches(read, self.batch_tokens)
        vectors: list[Vectors] = [np.empty((0, self.dims), np.float32)] * len(texts)
        batches = ([texts[i] for i in batch] for batch in plan)
        for batch, matrices in zip(plan, self.encode_batches(batches), strict=True):
            for i, matrix in zip(batch, matrices, strict=True):
                vectors[i] = matrix
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix per text, in order."""
        vectors: list[Vectors] = []
        for start in range(0, len(texts), _QUERY_BATCH):
            batch = texts[start : start + _QUERY_BATCH]
            vectors += self._encode(preprocess(self._model, batch, "query"), batch, "query")
        return vectors

    def forward_flops(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the floating-point operations of a forward pass over a text, (texts,)."""
        return self._flops(lengths)

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each document, one for every row of its vectors."""
        return document_tokens(self._model, texts)

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each query, one for every row of its vectors."""
        return query_tokens(self._model, texts)

    def _check_room(self) -> None:
        """Fail where every query, or every document, would be read as the same text."""
        for side, counter in (("query", self._queries), ("document", self._documents)):
            if not counter.reads_text:
                raise ConfigError(
                    f"encoder {self.settings.name!r}: nothing of a {side} itself would be read, "
                    f"for its prompt and markers fill all {counter.limit} tokens; set a larger "
                    f"encoder.{side}_length or a shorter encoder.{side}_prompt"
                )

    def _encode_on(
        self, devices: Sequence[str], batches: Iterable[Sequence[str]]
    ) -> Iterator[list[Vectors]]:
        batches_left, handed = tee(batches)
        for texts, arrays in zip(
            batches_left, encode_on(devices, self._model, handed), strict=True
        ):
            yield self._finished(arrays, texts)

    def _encode(self, features: Any, texts: Sequence[str], task: str) -> list[Vectors]:
        arrays = forward(self._model, features, task, self.form, self.arithmetic)
        return self._finished(arrays, texts)

    def _finished(self, arrays: list[Vectors], texts: Sequence[str]) -> list[Vectors]:
        check_finite(arrays, texts, self.settings.name)
        return [_unit_rows(array) for array in arrays] if self._renormalise else arrays

    def _describe(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what decides the document vectors, and what else the query vectors."""
        lengths = describe_lengths(self._model[0])
        prompts = dict(self._model.prompts)
        query = {"lengths_query": lengths.pop("query"), "prompt_query": prompts.pop("query", None)}
        document: dict[str, Any] = {
            "form": _FORM_KEYS[self.form],
            "arithmetic": describe_arithmetic(self.arithmetic),
            "lengths": lengths,
            "prompts": prompts,
            "code": {name: path.name for name, path in code_folders(folder).items()},
        }
        if self.form is Form.DENSE:
            document |= {"pooling": self.settings.pooling, "normalize": self.settings.normalize}
        return document, query


def _unit_rows(array: Vectors) -> Vectors:
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    unit: Vectors = array / np.maximum(lengths, np.float32(1e-12))
    return unit
