"""Contributions of query tokens to one score, or to the difference of two, as tables."""

from __future__ import annotations

from typing import Any

from colbench.explain.alignment import Alignment, largest_first
from colbench.explain.labels import context, labels
from colbench.explain.record import Explanation
from colbench.report.formats import fraction
from colbench.report.table import Column, Prose, Strong, Table, numbers, texts

_RADII = ((100, 4), (50, 2), (40, 1))
"""(characters of a line, neighbours of a winner shown on either side where there are as many)."""


def contribution_table(alignment: Alignment, width: int) -> Table:
    """One line per query token, in order: what it found, how similar, and the share of the score.

    Args:
        alignment: of one document.
        width: characters of a line, of which the neighbours of a found token take some.
    """
    columns = [
        Column(title=""),
        *texts("query token", "finds"),
        *numbers(fraction, "similarity", priority=0),
        Column(title="at", priority=1),
        Column(title="share", format=lambda share: f"{100 * share:.1f} %", priority=2),
    ]
    shares = alignment.shares
    rows: list[list[Any]] = [
        [
            *(row + 1, label.shown, _found(alignment, row, width)),
            *(float(alignment.contributions[row]), int(alignment.winners[row]) + 1),
            None if shares is None else float(shares[row]),
        ]
        for row, label in enumerate(labels(alignment.query_tokens))
    ]
    rows.append([None, "score", None, alignment.score, None, None])
    return Table("Contributions", columns, rows, totals=1)


def difference_table(explanation: Explanation, width: int) -> Table:
    """One line per query token, the largest difference first: what it found in A and in B.

    Args:
        explanation: of two documents.
        width: characters of a line, of which the neighbours of a found token take some.
    """
    a, b = (document.alignment for document in explanation.documents)
    columns = [
        Column(title=""),
        *texts("query token"),
        *texts("finds in A", priority=0),
        *numbers(fraction, "A", priority=0),
        *texts("finds in B", priority=0),
        *numbers(fraction, "B", priority=0),
        *numbers("{:+.4f}".format, "A − B", priority=0),
    ]
    differences = explanation.differences
    tokens = labels(a.query_tokens)
    rows: list[list[Any]] = [
        [
            *(row + 1, tokens[row].shown),
            *(_found(a, row, width // 2), float(a.contributions[row])),
            *(_found(b, row, width // 2), float(b.contributions[row])),
            float(differences[row]),
        ]
        for row in largest_first(differences).tolist()
    ]
    rows.append([None, "score", None, a.score, None, b.score, explanation.difference])
    return Table("Differences", columns, rows, totals=1)


def _found(alignment: Alignment, row: int, width: int) -> Prose:
    """Return the winning token, between « and » with its neighbours where there is room."""
    tokens = labels(alignment.document_tokens)
    winner = int(alignment.winners[row])
    radius = next((radius for least, radius in _RADII if width >= least), 0)
    if radius == 0:
        return tokens[winner].shown
    before, own, after = context(tokens, winner, radius)
    first = max(winner - radius, 0)
    start = "" if first == 0 else "…" if tokens[first].joined else "… "
    end = "" if winner + radius >= len(tokens) - 1 else " …"
    return (start + before, Strong(f"«{own}»"), after + end)
