"""An explanation in the terminal: heat maps, contributions as tables, and why A outranks B."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from colbench.explain.alignment import Alignment, largest_first
from colbench.explain.heat_map import heat_map
from colbench.explain.labels import context, labels, printable
from colbench.explain.record import ExplainedDocument, Explanation
from colbench.explain.wording import summary, two_decimals
from colbench.printing import printable as on_terminal
from colbench.report.formats import counted, fraction
from colbench.report.table import Column, Prose, Strong, Table, numbers, texts
from colbench.report.terminal import print_block

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


def print_explanation(
    explanation: Explanation, console: Console, *, everything: bool = False
) -> None:
    """Print the heat map and the contributions of one document, or the differences of two.

    Args:
        explanation: of one or two documents.
        console: whose width decides how many document tokens a heat map shows.
        everything: show every document token, in as many lines as it takes, and the heat maps of
            two documents too.
    """
    console.print(Text(on_terminal(_query_line(explanation)), style="bold"), soft_wrap=True)
    compared = len(explanation.documents) > 1
    for letter, document in zip(explanation.letters, explanation.documents, strict=True):
        console.print(document_line(letter, document), soft_wrap=True)
        if everything or not compared:
            _print_heat_map(explanation, document, console, everything=everything)
    if everything or not compared:
        console.print(Text(_legend(explanation), style="dim"))
    if not compared:
        print_block(contribution_table(explanation.documents[0].alignment, console.width), console)
        return
    print_block(difference_table(explanation, console.width), console)
    console.print(Text(outcome(explanation), style="bold"), soft_wrap=True)
    console.print(Text(on_terminal(summary(explanation))), soft_wrap=True)


def _print_heat_map(
    explanation: Explanation, document: ExplainedDocument, console: Console, *, everything: bool
) -> None:
    console.print()
    scale = explanation.score_range
    for line in heat_map(document.alignment, scale, console.width, everything=everything):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    console.print()


def document_line(letter: str, document: ExplainedDocument) -> Text:
    """Return which document it is, its score and judgment, in one line."""
    parts = [
        f"score {document.alignment.score:.4f}",
        document.judgment,
        document.part,
        counted(len(document.alignment.document_tokens), "token"),
    ]
    title = f" {printable(document.title)}" if document.title else ""
    return Text.assemble(
        (f"{letter}: " if letter else "", "bold"),
        (on_terminal(document.name), "bold"),
        on_terminal(title),
        f" ({', '.join(part for part in parts if part)})",
    )


def outcome(explanation: Explanation) -> str:
    """Return which of two documents is ahead and by how much."""
    a, b = explanation.documents
    if explanation.difference == 0:
        verb = "and B share the score"
    else:
        verb = f"outranks B by {explanation.difference:.4f}:"
    return f"A {verb} {a.alignment.score:.4f} against {b.alignment.score:.4f}"


def _query_line(explanation: Explanation) -> str:
    number = f" {printable(explanation.query_id)}" if explanation.query_id is not None else ""
    where = f" of {explanation.collection}" if explanation.query_id is not None else ""
    return f"query{number}{where}, {explanation.encoder}: {printable(explanation.query)}"


def _legend(explanation: Explanation) -> str:
    low, high = map(two_decimals, explanation.score_range)
    return (
        f"Similarities of query tokens (rows) and document tokens (columns), from {low} (dark) to "
        f"{high} (bright). * marks the winner of each query token; the winners sum to the score. "
        "… stands for document tokens left out (--all shows them)."
    )
