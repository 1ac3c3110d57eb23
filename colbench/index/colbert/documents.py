"""Documents on their way into an index: ids and token vectors, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colbench.errors import DataError

_UNIT = 0.02


@dataclass(frozen=True)
class Block:
    """Consecutive documents.

    Attributes:
        ids: one per document.
        lengths: int64 (documents,), tokens of each; 0 is allowed.
        vectors: float (tokens, dims), unit rows.
    """

    ids: Sequence[str]
    lengths: NDArray[np.int64]
    vectors: NDArray[Any]

    def checked(self, dims: int) -> Block:
        """Return self.

        Raises:
            DataError: another number of dimensions or tokens, NaN, infinity, or rows that are not
                of length 1; names the document.
        """
        if self.vectors.ndim != 2 or self.vectors.shape[1] != dims:
            got = self.vectors.shape[-1] if self.vectors.ndim else 0
            raise DataError(f"vectors have {got} dimensions, the index takes {dims}")
        if len(self.vectors) != self.lengths.sum():
            raise DataError(
                f"{len(self.vectors)} vectors were given for documents of "
                f"{self.lengths.sum()} tokens, the first of them {self.ids[0]!r}"
            )
        wide = self.vectors.astype(np.float32)
        squares = np.einsum("ij,ij->i", wide, wide)
        wrong = np.flatnonzero(~(np.abs(squares - 1) <= 2 * _UNIT))
        if len(wrong):
            row = int(wrong[0])
            doc = self.ids[int(np.searchsorted(np.cumsum(self.lengths), row, side="right"))]
            what = (
                f"has length {np.sqrt(squares[row]):.3g} and not 1: normalise token vectors"
                if np.isfinite(squares[row])
                else "holds NaN or infinity: the encoder produced invalid vectors"
            )
            raise DataError(f"document {doc!r}: a token vector {what}")
        return self


@dataclass(frozen=True)
class Documents:
    """Documents that are read as often as needed and never all at once.

    Attributes:
        ids: one per document, each once.
        lengths: int64 (documents,), tokens of each.
        dims: dimensions of a vector.
        read: takes the most tokens wanted at a time, yields the vectors of consecutive documents
            (first document, end document, float (tokens, dims)), all documents in order.
        pooling: factor by which tokens were merged already (`pool_documents`).

    Raises:
        DataError: ids are no strings, or one cannot be written (`checked_ids`).
    """

    ids: Sequence[str]
    lengths: NDArray[np.int64]
    dims: int
    read: Callable[[int], Iterator[tuple[int, int, NDArray[Any]]]]
    pooling: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", checked_ids(self.ids))

    @classmethod
    def of(cls, ids: Iterable[str], vectors: Sequence[NDArray[Any]], dims: int) -> Documents:
        """Wrap matrices that are in memory, one float (tokens, dims) a document.

        Raises:
            DataError: a matrix has another number of dimensions, or ids are no strings.
        """
        ids = checked_ids(ids)
        if len(ids) != len(vectors):
            raise DataError(f"{len(ids)} document ids were given with {len(vectors)} matrices")
        for doc, matrix in zip(ids, vectors, strict=True):
            if matrix.ndim != 2 or matrix.shape[1] != dims:
                shape = "x".join(map(str, matrix.shape))
                raise DataError(f"document {doc!r}: vectors of shape {shape}, want tokens x {dims}")
        lengths = np.array([len(matrix) for matrix in vectors], dtype=np.int64)

        def read(most: int) -> Iterator[tuple[int, int, NDArray[Any]]]:
            for first, end in cuts(lengths, most):
                empty = np.empty((0, dims), dtype=np.float16)  # widens to what it stands beside
                yield first, end, np.concatenate([empty, *vectors[first:end]])

        return cls(ids, lengths, dims, read)

    @property
    def tokens(self) -> int:
        """Vectors of all documents together."""
        return int(self.lengths.sum())

    def blocks(self, most: int) -> Iterator[Block]:
        """Yield the documents in blocks of at most `most` tokens, at least one document each.

        Raises:
            DataError: invalid vectors.
        """
        for first, end, vectors in self.read(most):
            yield Block(self.ids[first:end], self.lengths[first:end], vectors).checked(self.dims)


def cuts(lengths: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of consecutive documents with at most `most` tokens, or of one."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        start = ends[first] - lengths[first]
        end = max(first + 1, int(np.searchsorted(ends, start + most, side="right")))
        yield first, end
        first = end


def checked_ids(ids: Iterable[str]) -> list[str]:
    """Return document ids as a list of plain strings.

    Raises:
        DataError: one string was given for several, an id is no string, or holds half a surrogate
            pair, which no file can hold.
    """
    if isinstance(ids, str | bytes):
        one = str(ids) if isinstance(ids, str) else ids.decode(errors="replace")
        raise DataError(f"document ids must be a list of strings, not one: write [{one!r}]")
    try:
        listed = list(ids)
    except TypeError:
        kind = type(ids).__name__
        raise DataError(f"document ids must be a list of strings, not of type {kind}") from None
    for doc in listed:
        if not isinstance(doc, str):
            raise DataError(
                f"document ids must be strings, {doc!r} is of type {type(doc).__name__}: "
                "convert all of them, here and in the queries' judgments"
            )
    try:
        "".join(listed).encode()
    except UnicodeEncodeError:
        doc = next(doc for doc in listed if not _encodes(doc))
        raise DataError(
            f"document id {doc!r} holds half a surrogate pair, which no file can hold: "
            "write it as valid Unicode"
        ) from None
    return [str(doc) for doc in listed]


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def repeated_ids(ids: Sequence[str]) -> list[str]:
    """Return the ids that occur more than once, sorted."""
    seen: set[str] = set()
    return sorted({doc for doc in ids if doc in seen or seen.add(doc)})  # type: ignore[func-returns-value]
