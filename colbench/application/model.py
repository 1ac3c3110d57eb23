"""A late-interaction model as an application uses it: passages, vectors, scores."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from colbench.application.results import Passage, Result
from colbench.config.folder import options, read_yaml
from colbench.config.models import named_settings
from colbench.encoder.base import Encoder
from colbench.encoder.models import load_encoder
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError, DataError, did_you_mean
from colbench.index.maxsim import score_matrix
from colbench.settings import explain
from colbench.vectors import Vectors


class Model:
    """An encoder of tokens, loaded when it is first needed; threads take turns with it.

    Args:
        settings: of the encoder to load.
        encoder: one that is loaded, in place of that.
    """

    def __init__(self, settings: EncoderSettings, encoder: Encoder | None = None) -> None:
        self.settings = settings
        self.given = encoder is not None
        self._encoder = encoder
        self._turn = threading.RLock()

    @classmethod
    def of(cls, encoder: Any, **settings: Any) -> Model:
        """Return a model that is named, or that is there.

        Args:
            encoder: an option of `conf/encoder/`, a hub name, a folder, `embedded:…`, settings, or
                an encoder in the form of tokens.
            **settings: keys of `conf/encoder/` in place of what the name stands for.

        Raises:
            ConfigError: there is no such model, or a key is unknown.
        """
        if isinstance(encoder, Model):
            return encoder
        if isinstance(encoder, EncoderSettings):
            return cls(encoder)
        if isinstance(getattr(encoder, "settings", None), EncoderSettings):
            if encoder.form is not Form.TOKENS:
                raise ConfigError("the encoder gives one vector a text: load it with Form.TOKENS")
            return cls(encoder.settings, encoder)
        name = str(encoder)
        values = named_settings("encoder", _option_of(name), (), {})
        try:
            return cls(
                EncoderSettings.model_validate({"long_documents": "chunk", **values, **settings})
            )
        except ValidationError as error:
            raise ConfigError(explain(error, EncoderSettings, "encoder")) from None

    @property
    def encoder(self) -> Encoder:
        """The loaded encoder.

        Raises:
            WeightsUnavailable: the weights cannot be had.
            ConfigError: it cannot be used for token vectors.
        """
        with self._turn:
            if self._encoder is None:
                self._encoder = load_encoder(self.settings, Form.TOKENS)
            return self._encoder

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per query, rows of length 1."""
        with self._turn:
            return self.encoder.encode_queries(list(texts))

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 (tokens, dims) matrix per text; what is too long is cut off."""
        with self._turn:
            return self.encoder.encode_documents(list(texts))

    def spans(self, texts: Sequence[str], *, split: bool) -> list[list[tuple[int, int]]]:
        """Return where the passages of each text begin and end; all of it where none is split."""
        if not split:
            return [[(0, len(text))] for text in texts]
        with self._turn:
            return self.encoder.spans(list(texts))

    def rerank(self, query: str, texts: Sequence[str], k: int | None) -> list[Result]:
        """Return texts by exact MaxSim of their best passages.

        Args:
            query: a text.
            texts: documents.
            k: how many; None returns all of them.
        """
        if not texts:
            return []
        split = self.settings.long_documents == "chunk"
        spans = self.spans(texts, split=split)
        passages = [
            text[start:end]
            for text, places in zip(texts, spans, strict=True)
            for start, end in places
        ]
        (vectors,) = self.encode_queries([query])
        scores = exact_scores(vectors, self.encode_documents(passages))
        results, first = [], 0
        for number, (text, places) in enumerate(zip(texts, spans, strict=True)):
            own = scores[first : first + len(places)]
            best, first = int(np.argmax(own)), first + len(places)
            start, end = places[best]
            passage = Passage(best + 1, len(places), start, end, text[start:end])
            results.append((float(own[best]), number, passage))
        # Equal scores by id, descending, as everywhere; ids are places.
        results.sort(key=lambda found: (found[0], str(found[1])), reverse=True)
        return [
            Result(rank, score, str(number), texts[number], {}, passage)
            for rank, (score, number, passage) in enumerate(results[:k], start=1)
        ]


def _option_of(name: str) -> str:
    """Return the option of `conf/encoder/` that an embedded model is the model of, or the name.

    >>> _option_of("embedded:all-MiniLM-L6-v2"), _option_of("owner/model")
    ('minilm', 'owner/model')
    """
    if not name.startswith("embedded:"):
        return name
    models = {read_yaml(path).get("model"): key for key, path in options("encoder", ()).items()}
    if name not in models:
        known = [str(model) for model in models if str(model).startswith("embedded:")]
        raise ConfigError(f"unknown encoder {name!r}: {did_you_mean(name, known)}")
    return models[name]


def exact_scores(query: Vectors, documents: Sequence[Vectors]) -> NDArray[np.float32]:
    """Return MaxSim of a query with each document, float32 (documents,); -inf without tokens.

    Vectors of documents are rounded to float16 first, as exact search keeps them.

    >>> exact_scores(np.eye(2, dtype=np.float32), [np.eye(2), np.eye(2)[:1]]).tolist()
    [2.0, 1.0]
    """
    import torch

    starts = np.concatenate([[0], np.cumsum([len(one) for one in documents])]).astype(np.int64)
    rows = np.concatenate([one.astype(np.float16) for one in documents]).astype(np.float32)
    return np.asarray(score_matrix([query], torch.from_numpy(rows), starts)[0], dtype=np.float32)


def checked_texts(texts: Any, what: str) -> list[str]:
    """Return texts as a list.

    Raises:
        DataError: one is no text, or holds half a surrogate pair.
    """
    if not isinstance(texts, Iterable):
        raise DataError(f"{what} is of type {type(texts).__name__}: give a string, or a list")
    listed = [texts] if isinstance(texts, str) else list(texts)
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise DataError(f"{what} {number + 1} is of type {type(text).__name__}: give a string")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{what} {number + 1} holds half a surrogate pair: write it as valid Unicode"
            ) from None
    return listed
