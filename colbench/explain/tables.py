"""Contributions of query tokens to one score, or to the difference of two, as tables."""

from __future__ import annotations

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from colbench.explain.alignment import Alignment, largest_first
from colbench.explain.labels import context, labels
from colbench.explain.record import Explanation

_RADII = ((100, 4), (50, 2), (40, 1))
"""(characters of a line, neighbours of a winner shown on either side where there are as many)."""

_NARROW = 60
"""Characters of a line below which there is room only for what matters most."""


def contribution_table(alignment: Alignment, width: int) -> Table:
    """One line a query token, in order: what it found, how similar, and the share of the score.

    A narrow terminal gets no positions and no shares.

    Args:
        alignment: of one document.
        width: characters of a line.
    """
    table = _table("", "query token", "finds", "similarity", "at", "share")
    shares = alignment.shares
    lines = [
        (
            str(row + 1),
            Text(label.shown),
            _found(alignment, row, width),
            f"{alignment.contributions[row]:.4f}",
            str(int(alignment.winners[row]) + 1),
            "" if shares is None else f"{100 * shares[row]:.1f} %",
        )
        for row, label in enumerate(labels(alignment.query_tokens))
    ]
    kept = 4 if width < _NARROW else len(lines[0])
    table.columns = table.columns[:kept]
    for line in lines:
        table.add_row(*line[:kept])
    table.add_section()
    table.add_row("", "score", "", f"{alignment.score:.4f}")
    return table


def difference_table(explanation: Explanation, width: int) -> Table:
    """One line a query token, the largest difference first: what it found in A and in B.

    Args:
        explanation: of two documents.
        width: characters of a line.
    """
    table = _table("", "query token", "finds in A", "A", "finds in B", "B", "A − B")
    a, b = (document.alignment for document in explanation.documents)
    differences = explanation.differences
    shown = labels(a.query_tokens)
    for row in largest_first(differences).tolist():
        table.add_row(
            str(row + 1),
            Text(shown[row].shown),
            _found(a, row, width // 2),
            f"{a.contributions[row]:.4f}",
            _found(b, row, width // 2),
            f"{b.contributions[row]:.4f}",
            f"{differences[row]:+.4f}",
        )
    table.add_section()
    total = f"{explanation.difference:+.4f}"
    table.add_row("", "score", "", f"{a.score:.4f}", "", f"{b.score:.4f}", total)
    return table


def _table(*titles: str) -> Table:
    table = Table(header_style="bold", show_edge=False)
    for title in titles:
        wordy = title.startswith(("query", "finds"))
        side: JustifyMethod = "left" if wordy else "right"
        table.add_column(title, justify=side, overflow="fold", no_wrap=not wordy)
    return table


def _found(alignment: Alignment, row: int, width: int) -> Text:
    """Return the winning token, between « and » with its neighbours where there is room."""
    shown = labels(alignment.document_tokens)
    winner = int(alignment.winners[row])
    radius = next((radius for least, radius in _RADII if width >= least), 0)
    if radius == 0:
        return Text(shown[winner].shown)
    before, own, after = context(shown, winner, radius)
    first = max(winner - radius, 0)
    start = "" if first == 0 else "…" if shown[first].joined else "… "
    end = "" if winner + radius >= len(shown) - 1 else " …"
    return Text.assemble(start + before, ("«" + own + "»", "bold"), after + end)
