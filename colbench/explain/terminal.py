"""An explanation in the terminal: heat maps, contributions, and why A outranks B."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from colbench.explain.heat_map import heat_map
from colbench.explain.labels import printable
from colbench.explain.record import ExplainedDocument, Explanation
from colbench.explain.tables import contribution_table, difference_table
from colbench.explain.wording import summary, two_decimals
from colbench.report.terminal import print_block


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
    console.print(Text(_query_line(explanation), style="bold"), soft_wrap=True)
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
    console.print(Text(summary(explanation)), soft_wrap=True)


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
        f"{len(document.alignment.document_tokens):,} tokens",
    ]
    title = f" {printable(document.title)}" if document.title else ""
    return Text.assemble(
        (f"{letter}: " if letter else "", "bold"),
        (document.name, "bold"),
        title,
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
