"""Numbers and the one-line summary of an explanation."""

from __future__ import annotations

import numpy as np

from colbench.explain.alignment import Alignment
from colbench.explain.labels import labels, whole_word
from colbench.explain.record import Explanation


def two_decimals(value: float, *, signed: bool = False) -> str:
    """Return a similarity without the zero before the point.

    >>> two_decimals(0.914), two_decimals(-0.05), two_decimals(1.0), two_decimals(-0.001)
    ('.91', '-.05', '1.00', '.00')
    >>> two_decimals(0.386, signed=True), two_decimals(1.2, signed=True)
    ('+.39', '+1.20')
    """
    text = f"{round(value, 2) + 0.0:{'+' if signed else ''}.2f}"
    return text.replace("0.", ".", 1) if abs(round(value, 2)) < 1 else text


def summary(explanation: Explanation) -> str:
    """Say in one line which query token does most for the difference of two documents.

    As in "'vitamin' finds 'vitamin' (.91) in A but only 'nutrient' (.52) in B: +.39 of the +1.20".
    """
    total = explanation.difference
    if total == 0:
        return "A and B have the same score"
    differences = explanation.differences
    token = int(np.argmax(differences))
    most, rest = float(differences[token]), total - float(differences[token])
    a, b = (document.alignment for document in explanation.documents)
    if rest >= 0:
        part = f"{_signed(most)} of the {_signed(total)}"
    else:
        part = f"{_signed(most)}, the other tokens together {_signed(rest)}"
    return (
        f"{_quoted(a.query_tokens, token)} finds {_found(a, token)} in A "
        f"but only {_found(b, token)} in B: {part}"
    )


def _signed(value: float) -> str:
    return two_decimals(value, signed=True)


def _found(alignment: Alignment, token: int) -> str:
    similarity = two_decimals(alignment.contributions[token])
    return f"{_quoted(alignment.document_tokens, int(alignment.winners[token]))} ({similarity})"


def _quoted(tokens: tuple[str, ...], position: int) -> str:
    """Return a token in quotes, with its word where it is only a piece of one."""
    tokens_shown = labels(tokens)
    word = whole_word(tokens_shown, position)
    alone = tokens_shown[position].shown
    return f"'{alone}'" if alone == word else f"'{alone}' of '{word}'"
