"""One vector per text, searched by inner product in faiss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from colbench.encoder.base import Encoder
from colbench.encoder.cache.store import Embeddings
from colbench.encoder.settings import EncoderSettings, Form
from colbench.hits import Hits
from colbench.index.dense import DenseIndex
from colbench.index.size import IndexSize
from colbench.retriever.base import Retriever, SystemSettings
from colbench.retriever.chunks import Chunks, best_chunks

_BLOCK = 16_384


class BiEncoderSettings(SystemSettings):
    """Parameters of a bi-encoder."""

    encoder: EncoderSettings = Field(description="the model")
    pooling: Literal["checkpoint", "mean", "cls"] | None = Field(
        None, description="overrides the encoder's pooling"
    )
    index: Literal["flat", "hnsw"] = Field("flat", description="exact search or an HNSW graph")
    hnsw_links: int = Field(32, ge=2, description="links a node (M)")
    ef_construction: int = Field(200, ge=1, description="breadth while the graph is built")
    ef_search: int = Field(
        128, ge=1, description="breadth of a search; raised to k where k is larger"
    )

    def model(self) -> EncoderSettings:
        """The encoder with this system's pooling."""
        if self.pooling is None:
            return self.encoder
        return self.encoder.model_copy(update={"pooling": self.pooling})

    def encodings(self) -> list[tuple[EncoderSettings, Form]]:
        """One vector per document."""
        return [(self.model(), Form.DENSE)]


class BiEncoder(Retriever):
    """Sentence-transformers vectors in a faiss index."""

    Settings = BiEncoderSettings
    _chunks: Chunks
    _embeddings: Embeddings
    _encoder: Encoder
    _index: DenseIndex
    _ef_search: int = 0

    def use(self, settings: BiEncoderSettings) -> None:
        """Search the same index in another way."""
        super().use(settings)
        self._ef_search = 0

    def prepare(self) -> None:
        """Load the model and open the document vectors."""
        self._encoder = self.bench.encoder(self.settings.model(), Form.DENSE)
        self._chunks = self.bench.chunks(self.settings.model(), Form.DENSE)
        self._embeddings = self.bench.embed(self.settings.model(), Form.DENSE)

    def build(self) -> None:
        """Index the document vectors."""
        settings: BiEncoderSettings = self.settings
        self._index = DenseIndex.write(
            self.folder,
            self._embeddings.dims,
            (vectors for _, _, vectors in self._embeddings.blocks(_BLOCK)),
            kind=settings.index,
            hnsw_links=settings.hnsw_links,
            ef_construction=settings.ef_construction,
        )

    def encode(self, queries: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one float32 (1, dims) matrix per query."""
        return list(self._encoder.encode_queries(queries))

    def search(self, queries: Sequence[NDArray[np.float32]], k: int) -> list[Hits]:
        """Return the k documents with the largest inner product."""
        matrix = np.concatenate(queries)
        depth = self._chunks.depth(k)
        results, final = self._found(matrix, depth, k)
        # Each goes on alone, so that what is found for one depends on no other.
        for number in np.flatnonzero(~final):
            deeper = depth
            while not final[number]:
                deeper *= 2
                (results[number],), (final[number],) = self._found(
                    matrix[number : number + 1], deeper, k
                )
        return results

    def _found(
        self, queries: NDArray[np.float32], depth: int, k: int
    ) -> tuple[list[Hits], NDArray[np.bool_]]:
        """Search for so many chunks.

        Returns:
            The k best of their documents for each query; bool (queries,): whether no chunk that was
            not found could change them.
        """
        breadth = max(self.settings.ef_search, depth)
        self._ef_search = max(self._ef_search, breadth)
        self._index.set_ef_search(breadth)
        owners, ranks = self._chunks.owners, self.bench.ranks
        nearest = self._index.search(queries, depth)
        results = [best_chunks(chunks, scores, k, owners, ranks) for chunks, scores in nearest]
        final = [
            owners is None
            or len(chunks) < depth
            or depth >= len(owners)
            or (len(hits) == k and hits.scores[-1] > scores.min())
            for hits, (chunks, scores) in zip(results, nearest, strict=True)
        ]
        return results, np.array(final, dtype=bool)

    @property
    def concurrent(self) -> bool:
        """Unless a graph is searched for chunks: each query then sets the breadth of all."""
        return self.settings.index == "flat" or self._chunks.owners is None

    def size(self) -> IndexSize:
        """Bytes of the faiss file."""
        return self._index.size()

    def metadata(self) -> dict[str, Any]:
        """The breadth an HNSW search really had."""
        return {"ef_search": self._ef_search} if self.settings.index == "hnsw" else {}


SYSTEM = BiEncoder
