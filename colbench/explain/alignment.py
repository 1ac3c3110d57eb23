"""What the score of one document is made of: which document token each query token found.

MaxSim (Khattab and Zaharia 2020, equation 3) is a sum over query tokens of the similarity with the
most similar document token, so it falls apart into one contribution a query token without a rest,
and so does the difference of two documents' scores for one query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Alignment:
    """One query against one document.

    Attributes:
        query_tokens: label of each query vector.
        document_tokens: label of each document vector.
        similarities: float32 (query tokens, document tokens), dot products.
        winners: int64 (query tokens,), position of the most similar document token; the first of
            equals.
        contributions: float32 (query tokens,), the similarity with the winner.
    """

    query_tokens: tuple[str, ...]
    document_tokens: tuple[str, ...]
    similarities: NDArray[np.float32]
    winners: NDArray[np.int64]
    contributions: NDArray[np.float32]

    @property
    def score(self) -> float:
        """MaxSim: the sum of the contributions."""
        return float(self.contributions.sum(dtype=np.float64))

    @property
    def shares(self) -> NDArray[np.float64] | None:
        """float64 (query tokens,), contributions that sum to 1; None for a score of 0 or less,
        of which nothing can have a share."""
        score = self.score
        return self.contributions.astype(np.float64) / score if score > 0 else None


def align(
    query: NDArray[np.floating],
    document: NDArray[np.floating],
    query_tokens: Sequence[str],
    document_tokens: Sequence[str],
) -> Alignment:
    """Match every query token with its most similar document token.

    Args:
        query: (query tokens, dims).
        document: (document tokens, dims), in the precision it is stored in; widened to float32, as
            the exact systems do.
        query_tokens: one label a row of `query`.
        document_tokens: one label a row of `document`.

    Raises:
        ValueError: labels and rows differ in number, or one side has no row.

    >>> found = align(np.eye(2), np.array([[0.5, 0.0], [0.25, 0.75]]), ["a", "b"], ["x", "y"])
    >>> found.winners.tolist(), found.contributions.tolist(), found.score
    ([0, 1], [0.5, 0.75], 1.25)
    """
    for side, rows, labels in (
        ("query", query, query_tokens),
        ("document", document, document_tokens),
    ):
        if len(rows) != len(labels) or len(rows) == 0:
            raise ValueError(f"the {side} has {len(rows)} vectors and {len(labels)} tokens")
    similarities = query.astype(np.float32) @ document.astype(np.float32).T
    winners = similarities.argmax(axis=1).astype(np.int64)
    return Alignment(
        query_tokens=tuple(query_tokens),
        document_tokens=tuple(document_tokens),
        similarities=similarities,
        winners=winners,
        contributions=similarities[np.arange(len(winners)), winners],
    )


def contribution_differences(a: Alignment, b: Alignment) -> NDArray[np.float64]:
    """Return float64 (query tokens,), contributions to `a` less those to `b`.

    They sum to the difference of the two scores.

    Raises:
        ValueError: the alignments are of different queries.
    """
    if a.query_tokens != b.query_tokens:
        raise ValueError("the two alignments are of different queries")
    return a.contributions.astype(np.float64) - b.contributions.astype(np.float64)


def largest_first(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the order of values by absolute size, largest first, equals in their order.

    >>> largest_first(np.array([0.5, -2.0, 0.5, 1.0])).tolist()
    [1, 3, 0, 2]
    """
    return np.argsort(-np.abs(values), kind="stable").astype(np.int64)
