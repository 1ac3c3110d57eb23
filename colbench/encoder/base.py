"""The contract between a model and everything that stores or scores its vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from colbench.encoder.settings import EncoderSettings, Form
from colbench.vectors import Vectors


class Arithmetic(NamedTuple):
    """How a forward pass is run: what `auto` in the settings became.

    Attributes:
        backend: torch or openvino.
        precision: fp32, bf16, fp16 or int8.
        device: torch device.
    """

    backend: str
    precision: str
    device: str


class Encoder(Protocol):
    """A loaded model in one of two forms.

    Both forms return a list of matrices, so that one cache and one index serve both: a text of one
    vector is a matrix with one row. Implementations: `colbench.encoder.models`.
    """

    settings: EncoderSettings
    form: Form
    arithmetic: Arithmetic
    cosine: float | None
    """Mean cosine of token vectors to those of fp32, on fixed texts; None where not measured."""
    fingerprint: str
    """sha256 over the weights, tokenizer and module files, the settings that change vectors
    (lengths, prompts, pooling, precision, form) and the versions of the libraries that run it."""
    document_fingerprint: str
    """The same without what only queries see (their length and prompt): names the folder of cached
    document vectors, which collections with different query lengths share."""
    dims: int
    batch_tokens: int
    """Tokens of one forward pass, padding among them."""
    document_limit: int
    """Tokens of a document that are read; the rest is cut off."""
    query_limit: int
    """The same of a query."""
    untrained: bool
    """Whether its token vectors were never trained for late interaction."""

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return how many tokens each document has, (texts,), before anything is cut off.

        Markers and prompt are among them. Nothing is encoded.
        """
        ...

    def count_query_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the same of queries; the [MASK] tokens of an expansion are not counted."""
        ...

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the chunks of each text, each within `document_limit`; one where it fits whole.

        Raises:
            ConfigError: the tokenizer cannot say where to cut, or the chunks would overlap too far.
        """
        ...

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return where the chunks of `split` begin and end in each text, in characters.

        Raises:
            ConfigError: as of `split`.
        """
        ...

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Vectors]]:
        """Yield the vectors of each batch of documents, one forward pass a batch, in order.

        One float32 matrix per text; rows of the tokens form have length 1.
        """
        ...

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix per text, in order, in batches of `batch_tokens`."""
        ...

    def forward_flops(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the floating-point operations of a forward pass over a text, (texts,).

        A product and a sum are two. Padding counts for nothing.

        Args:
            lengths: tokens read of each text.
        """
        ...

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each document, one for every row of its vectors; nothing is encoded.

        Only for the tokens form.
        """
        ...

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return one float32 matrix per text, in order."""
        ...

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the tokens of each query, one for every row of its vectors; nothing is encoded.

        Markers and [MASK] expansion are among them. Only for the tokens form.
        """
        ...

    def shares_passes(self, other: Self) -> bool:
        """Return whether `encode_both` gives the vectors of both: two forms of one model, which
        read the same tokens in the same arithmetic, on one device."""
        ...

    def encode_both(
        self, other: Self, batches: Iterable[Sequence[str]]
    ) -> Iterator[tuple[list[Vectors], list[Vectors]]]:
        """Yield what `encode_batches` of this encoder and of the other one yields, from one forward
        pass a batch."""
        ...
