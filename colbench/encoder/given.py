"""In the place of a model: the token vectors that came with a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Collection
from colbench.collection.vectors.given import GivenVectors, QueryText, TokenVectors
from colbench.digests import text_digest
from colbench.encoder.base import Arithmetic
from colbench.encoder.cache.embeddings import Embeddings, EncodeStats
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError
from colbench.vectors import Vectors

NAME = "given"
"""What tables call it."""


class GivenEncoder:
    """An `Encoder` that looks vectors up: those of queries by the query, of documents in order.

    A query is found by its id where its text knows that, else by its text, else as an id.
    """

    form = Form.TOKENS
    cosine: float | None = None
    batch_tokens = 1
    document_limit = query_limit = 1 << 40
    untrained = False

    def __init__(self, collection: Collection) -> None:
        assert collection.given is not None
        self.given: GivenVectors = collection.given
        documents, queries = self.given.documents, self.given.queries
        self.settings = EncoderSettings(name=NAME, model=NAME)
        self.arithmetic = Arithmetic(NAME, documents.precision, "none")
        self.dims = documents.dims
        self.document_fingerprint = text_digest(f"given {documents.sha256} {documents.normalize}")
        self.fingerprint = text_digest(f"{self.document_fingerprint} {queries.sha256}")
        self._doc_ids = collection.doc_ids
        self._places = {query.id: number for number, query in enumerate(collection.queries)}
        self._ids: dict[str, str | None] = {}
        for query in collection.queries:  # a text of several queries stands for none of them
            self._ids[str(query.text)] = None if str(query.text) in self._ids else query.id
        self._rows = queries.open()

    def embeddings(self) -> Embeddings:
        """Return the vectors of all documents, on disk where they lie."""
        documents = self.given.documents
        return GivenEmbeddings(
            lengths=documents.lengths,
            dims=self.dims,
            dtype=documents.dtype,
            stats=self._stats(documents),
            _shards=(),
            _shard_of=np.empty(0, dtype=np.int64),
            _row_of=np.empty(0, dtype=np.int64),
            _given=documents,
        )

    def document(self, doc_id: str) -> NDArray[np.float16]:
        """Return the vectors of one document as exact search stores them."""
        number = self._doc_ids.index(doc_id)
        ((_, _, rows),) = self.given.documents.select([number]).blocks(1)
        return rows.astype(np.float16)

    def _stats(self, documents: TokenVectors) -> EncodeStats:
        backend, precision, device = self.arithmetic
        return EncodeStats(
            encoder=NAME,
            form="tokens",
            backend=backend,
            precision=precision,
            device=device,
            docs_per_second=None,
            tokens_per_second=None,
            gflops=None,
            tokens=int(documents.lengths.sum()),
            truncated_docs=0,
            truncated_tokens=0,
            encoded=0,
            cached=len(documents.lengths),
            seconds=0.0,
        )

    def encode_queries(self, texts: Sequence[str]) -> list[Vectors]:
        """Return the given vectors of queries, float32.

        Raises:
            ConfigError: a text is none of a query, or of several.
        """
        queries = self.given.queries
        found = []
        for text in texts:
            place = self._place(text)
            start = int(queries.starts[place])
            rows = self._rows[start : start + int(queries.lengths[place])]
            found.append(rows.astype(np.float32))
        return found

    def _place(self, text: str) -> int:
        if isinstance(text, QueryText):
            query_id: str | None = text.query_id
        else:
            query_id = self._ids.get(text, text)
        place = self._places.get(query_id or "")
        if place is None:
            raise ConfigError(
                f"there are no vectors of the query {text[:60]!r}: the collection gives vectors, "
                "and no encoder makes others; name one of its queries"
            )
        return place

    def count_query_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return how many vectors each query has, (texts,)."""
        lengths = self.given.queries.lengths
        return np.array([lengths[self._place(text)] for text in texts], dtype=np.int64)

    def query_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Yield the numbers of each query's vectors, from 1: their tokens are not known."""
        for count in self.count_query_tokens(texts).tolist():
            yield token_names(count)

    def document_tokens(self, texts: Sequence[str]) -> Iterator[NDArray[np.str_]]:
        """Refuse: tokens of given vectors are not known."""
        raise ConfigError(
            "the collection gives vectors without their tokens, so none can be skipped: set "
            "index.skip_tokens=none"
        )

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Refuse, as `encode_documents` does."""
        self._refuse()

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Refuse, as `encode_documents` does."""
        self._refuse()

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Refuse, as `encode_documents` does."""
        self._refuse()

    def encode_batches(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Vectors]]:
        """Refuse, as `encode_documents` does."""
        self._refuse()

    def encode_documents(self, texts: Sequence[str]) -> list[Vectors]:
        """Refuse: vectors of documents are given, see `embeddings`, and no others are made."""
        self._refuse()

    def forward_flops(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return zeros: there is no forward pass."""
        return np.zeros(len(lengths))

    def shares_passes(self, other: Self) -> bool:
        """Return False: there is no forward pass."""
        return False

    def encode_both(
        self, other: Self, batches: Iterable[Sequence[str]]
    ) -> Iterator[tuple[list[Vectors], list[Vectors]]]:
        """Refuse, as `encode_documents` does."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigError(
            "the collection gives token vectors: no encoder makes others of its texts"
        )


def token_names(count: int) -> NDArray[np.str_]:
    """Return what vectors without tokens are called: their numbers, from 1.

    >>> token_names(3).tolist()
    ['1', '2', '3']
    """
    return np.array([str(number) for number in range(1, count + 1)], dtype=np.str_)


@dataclass(frozen=True)
class GivenEmbeddings(Embeddings):
    """Vectors of documents, in the file that they were given in."""

    _given: TokenVectors

    def blocks(self, max_vectors: int) -> Iterator[tuple[int, int, NDArray[np.floating]]]:
        """Yield (first document, end document, their vectors (n, dims)), as `Embeddings` does.

        Raises:
            StorageError: the file was changed since it was checked.
        """
        return self._given.blocks(max_vectors)

    def in_place(self) -> NDArray[np.float16] | None:
        """Return all rows as a memory map, where they lie in half precision and in this order."""
        given = self._given
        ends = given.starts + given.lengths
        if given.dtype != np.float16 or (given.starts[1:] != ends[:-1]).any():
            return None
        rows: NDArray[np.float16] = given.open().stored[int(given.starts[0]) : int(ends[-1])]
        return rows
