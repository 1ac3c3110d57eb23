"""Several indexes, searched as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from colbench.application.filters import named_fields
from colbench.application.opened import RRF_K
from colbench.application.results import Result
from colbench.errors import ConfigError, DataError
from colbench.hits import Hits, tie_ranks
from colbench.index.colbert.index import ColbertIndex
from colbench.retriever.systems.rrf import fuse_hits

_FUSED = 100
"""Documents that each index gives to a fusion, or as many as are asked for."""


class Index(Protocol):
    """An index that is open: a `Colbert`."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        ...

    @property
    def state(self) -> ColbertIndex:
        """Its vectors."""
        ...

    @property
    def fields(self) -> dict[str, str]:
        """Fields of its metadata and their types."""
        ...

    def __len__(self) -> int: ...

    def search_all(self, queries: Sequence[str], k: int, **options: Any) -> list[list[Result]]:
        """Return the best documents of each query."""
        ...

    def share_model(self, other: Self) -> None:
        """Use the model of another index."""
        ...


class Several:
    """Indexes that are searched as one; made by `Colbert.open_all`.

    Where all were made with one encoder, results are ordered by score: each is MaxSim of the same
    query vectors, up to what compression cost. Else scores of different models say nothing of each
    other, and the rankings are fused by reciprocal rank.

    Attributes:
        indexes: name → index; the name is that of its folder.
        comparable: whether scores of all indexes can be compared.
    """

    def __init__(self, indexes: Sequence[Any]) -> None:
        if not indexes:
            raise ConfigError("there is no index: name one folder at least")
        names = [index.folder.name for index in indexes]
        if len(set(names)) < len(names):
            names = [str(index.folder) for index in indexes]
        if len(set(names)) < len(names):
            raise ConfigError("an index is named twice: name each folder once")
        self.indexes: dict[str, Index] = dict(zip(names, indexes, strict=True))
        encoders = {index.state.manifest.encoder for index in indexes}
        self.comparable = len(encoders) == 1
        if self.comparable:  # one model in memory is enough
            for index in indexes[1:]:
                index.share_model(indexes[0])

    def __len__(self) -> int:
        """Return the number of documents of all indexes."""
        return sum(map(len, self.indexes.values()))

    def __repr__(self) -> str:
        """Return the names."""
        return f"Several({', '.join(self.indexes)}: {len(self)} documents)"

    def search(self, query: str | Sequence[str], k: int = 10, **options: Any) -> Any:
        """Return the best documents of all indexes; each result names its index.

        Args:
            query: a text, or several.
            k: documents wanted of each query.
            **options: as of `Colbert.search`; a filter may name fields that only some indexes
                have: in the others they are None.

        Returns:
            A list of results, best first; of several queries a list of such lists. Equal scores
            are ordered by id, descending, then by index.
        """
        queries = [query] if isinstance(query, str) else list(query)
        fused = not self.comparable or bool(options.get("hybrid"))
        depth = max(k, _FUSED) if fused else k
        fields: dict[str, Any] = {}
        named = set(named_fields(options.get("filter")))
        for name, index in self.indexes.items():
            for field, kind in index.fields.items():
                if fields.setdefault(field, kind) != kind and field in named:
                    raise DataError(
                        f"field {field!r} holds a {kind} in {name}, a {fields[field]} elsewhere: "
                        "search them one by one"
                    )
        found = [
            index.search_all(queries, depth, fields=fields, **options)
            for index in self.indexes.values()
        ]
        together = [
            self._together([results[n] for results in found], k, fused=fused)
            for n in range(len(queries))
        ]
        return together[0] if isinstance(query, str) else together

    def _together(self, found: Sequence[list[Result]], k: int, *, fused: bool) -> list[Result]:
        named = [
            [dataclasses.replace(result, index=name) for result in results]
            for name, results in zip(self.indexes, found, strict=True)
        ]
        flat = [result for results in named for result in results]
        if not fused:
            flat.sort(key=lambda result: (result.score, result.id, result.index), reverse=True)
            return _ranked(flat[:k])
        ranks = tie_ranks([f"{result.id}\0{result.index}" for result in flat])
        rankings, first = [], 0
        for results in named:
            docs = np.arange(first, first + len(results), dtype=np.int64)
            scores = np.array([result.score for result in results], dtype=np.float32)
            rankings.append(Hits(docs, scores))
            first += len(results)
        fused_hits = fuse_hits(rankings, RRF_K, k, ranks)
        best = zip(fused_hits.docs.tolist(), fused_hits.scores.tolist(), strict=True)
        return _ranked([dataclasses.replace(flat[doc], score=score) for doc, score in best])


def _ranked(results: Sequence[Result]) -> list[Result]:
    return [dataclasses.replace(one, rank=rank) for rank, one in enumerate(results, start=1)]
