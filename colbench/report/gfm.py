"""GitHub-flavoured Markdown from text that others chose: names, notes, reasons, commands.

Rules: https://github.github.com/gfm/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from colbench.report.formats import clean

_SPECIAL = re.compile(
    r"[\\`*\[\]~#$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # between letters or digits an underscore is no emphasis
    r"|^[-+>]"  # would open a list or a quotation
)
_NUMBERED = re.compile(r"^(\d+)([.)])(?= |$)")


def text(value: str) -> str:
    r"""Return `value` as one line of prose that shows exactly its characters.

    >>> print(text("colbert_exact *fast* <b> [x](y)"))
    colbert_exact \*fast\* &lt;b> \[x\](y)
    """
    escaped = _SPECIAL.sub(r"\\\g<0>", clean(value))
    escaped = _NUMBERED.sub(r"\1\\\2", escaped)
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def code(value: str) -> str:
    """Return `value` as a code span; fenced by more backticks than it holds in a row.

    >>> print(code("colbert_exact"), code("a`b"))
    `colbert_exact` ``a`b``
    """
    value = clean(value)
    if not value:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", value)), default=0))
    pad = " " if value[0] == "`" or value[-1] == "`" else ""
    return f"{fence}{pad}{value}{pad}{fence}"


def table(titles: Sequence[str], lines: Iterable[Sequence[str]], *, left: Sequence[bool]) -> str:
    """Return a table.

    Args:
        titles: the header, Markdown already.
        lines: the cells, Markdown already. Pipes are escaped here and nowhere else: a table needs
            that even inside a code span, and a code span outside a table must not have it.
        left: of each column whether it is left-aligned; the others are right-aligned.
    """
    rule = ["---" if is_left else "---:" for is_left in left]
    return "\n".join([_row(titles), "| " + " | ".join(rule) + " |", *map(_row, lines)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
