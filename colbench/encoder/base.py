"""The contract between a model and everything that stores or scores its vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.settings import EncoderSettings, Form

Vectors = NDArray[np.float32]
"""shape (vectors, dims): one row a token, or a single row for a pooled text."""


class Encoder(Protocol):
    """A loaded model in one of two forms.

    Both forms return a list of matrices, so that one cache and one index serve both: a pooled text
    is a matrix with one row. Implementations: `colbench.encoder.models`.
    """

    settings: EncoderSettings
    form: Form
    fingerprint: str
    """sha256 over the weights, tokenizer and module files, the settings that change vectors
    (lengths, prompts, pooling, precision, form) and the versions of the libraries that run it."""
    document_fingerprint: str
    """The same without what only queries see (their length and prompt): names the folder of cached
    document vectors, which collections with different query lengths share."""
    dims: int

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix a text, in order; rows of the tokens form have length 1."""
        ...

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each document, one for every row of its vectors; nothing is encoded.

        Only for the tokens form.
        """
        ...

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix a text, in order."""
        ...

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each query, one for every row of its vectors; nothing is encoded.

        Markers and [MASK] expansion are among them. Only for the tokens form.
        """
        ...
