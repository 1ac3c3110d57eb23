"""What there is to show: a query, one or two documents, and how their tokens align."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colbench.explain.alignment import Alignment, contribution_differences
from colbench.explain.labels import printable

_EQUAL = 5e-5
"""Scores are shown with four decimals; nearer than this they read the same."""


@dataclass(frozen=True)
class ExplainedDocument:
    """One document and its alignment with the query.

    Attributes:
        id: its id in the collection; None for a text given by hand.
        title: its title, or the beginning of a text given by hand.
        alignment: which of its tokens each query token found.
        judged: whether judgments of the query are known at all.
        grade: the query's judgment of it; None where it is not judged.
        chunk: which of how many chunks is aligned, from 1: the one with the highest score.
    """

    id: str | None
    title: str
    alignment: Alignment
    judged: bool = False
    grade: int | None = None
    chunk: tuple[int, int] = (1, 1)

    @property
    def name(self) -> str:
        """What it is called."""
        return "the given text" if self.id is None else f"document {printable(self.id)}"

    @property
    def part(self) -> str:
        """The chunk in words; nothing where the document is not split."""
        number, count = self.chunk
        return f"chunk {number:,} of {count:,}" if count > 1 else ""

    @property
    def judgment(self) -> str:
        """The judgment in words; nothing where the query has none."""
        if not self.judged:
            return ""
        if self.grade is None:
            return "not judged"
        return f"judged {'relevant' if self.grade > 0 else 'not relevant'} (grade {self.grade})"


@dataclass(frozen=True)
class Explanation:
    """Why one document has its score, or why one of two outranks the other.

    Attributes:
        query: its text.
        query_id: its id; None for free text.
        collection: name of the collection; None where none was read.
        encoder: name of the encoder.
        documents: one, or two with the higher score first.
    """

    query: str
    query_id: str | None
    collection: str | None
    encoder: str
    documents: tuple[ExplainedDocument, ...]

    @property
    def letters(self) -> Sequence[str]:
        """What tables call the documents."""
        return "AB"[: len(self.documents)] if len(self.documents) > 1 else [""]

    @property
    def differences(self) -> NDArray[np.float64]:
        """float64 (query tokens,), contributions to A less those to B.

        Raises:
            ValueError: there is only one document.
        """
        a, b = self.documents
        return contribution_differences(a.alignment, b.alignment)

    @property
    def difference(self) -> float:
        """Score of A less that of B; 0 where they read the same."""
        total = float(self.differences.sum())
        return 0.0 if abs(total) < _EQUAL else total

    @property
    def score_range(self) -> tuple[float, float]:
        """Smallest and largest similarity of any pair of tokens: the ends of the colour scale."""
        matrices = [document.alignment.similarities for document in self.documents]
        lowest = min(float(matrix.min()) for matrix in matrices)
        return lowest, max(float(matrix.max()) for matrix in matrices)
