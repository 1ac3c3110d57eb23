"""A table in LaTeX, for a paper. It needs the package `booktabs` and no other.

Characters outside Latin script need an engine that has them, such as XeLaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from colbench.report.costs import costs, explained
from colbench.report.rows import not_measured, test_told
from colbench.report.systems import comparison
from colbench.report.table import Cell, Table, caption, plain
from colbench.results.schema import Results

_ROOM = 2
"""Columns of at most this priority have room on a page, and those of names."""

_WORDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "†": r"$^\dagger$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    # At the start of a row these two would be taken for arguments of the line break before.
    "[": "{[}",
    "*": "{*}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(map(re.escape, _WORDS)))
_LIGATURE = re.compile(r"(?<=[-'`,?!])(?=[-'`,])")


def render_latex(runs: Sequence[Results]) -> str:
    """Return one table for each run, with a caption and a label of its own.

    Of a sweep, the references and the variants on a Pareto front are shown.
    """
    tables = []
    labels: set[str] = set()
    for results in runs:
        label = _label(results, labels)
        labels.add(label)
        tables.append(latex_table(_comparison(results), _caption(results), label))
    return "% needs \\usepackage{booktabs}\n" + "\n".join(tables)


def latex_table(table: Table, caption: str, label: str) -> str:
    """Return a table for a paper, with the columns that matter most.

    Args:
        table: what is set.
        caption: plain text.
        label: what it is referred to by; letters, digits, colons and dashes.
    """
    kept = [
        place
        for place, column in enumerate(table.columns)
        if column.priority <= _ROOM or column.kind == "name"
    ]
    table = table.select(kept)
    sides = "".join("r" if column.kind == "number" else "l" for column in table.columns)
    lines = [[_cell(cell) for cell in row] for row in table.cells()]
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"  \centering",
            f"  \\caption{{{latex(caption)}}}",
            f"  \\label{{{label}}}",
            r"  \footnotesize",
            r"  \setlength{\tabcolsep}{3pt}",
            f"  \\begin{{tabular}}{{{sides}}}",
            r"    \toprule",
            _line(latex(column.title) for column in table.columns),
            r"    \midrule",
            *map(_line, lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def latex(value: str) -> str:
    r"""Return `value` as one line of LaTeX that shows exactly its characters.

    >>> print(latex("bm25_b & 50 % of $x^2$ -- [a]"))
    bm25\_b \& 50 \% of \$x\textasciicircum{}2\$ -{}- {[}a]
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return _SPECIAL.sub(lambda found: _WORDS[found[0]], _LIGATURE.sub("\0", line)).replace(
        "\0", "{}"
    )


def _line(cells: Iterable[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    written = latex(plain(cell.shown))
    # Of no width, so that the digits of a column stay below each other.
    mark = f"\\rlap{{{latex(cell.mark)}}}" if cell.mark else ""
    bold = f"\\textbf{{{written}}}" if cell.best else written
    return f"{bold}{mark}" + (f" ({latex(cell.words)})" if cell.words else "")


def _comparison(results: Results) -> Table:
    sweep = results.sweep
    if sweep is None:
        return comparison(results)
    return comparison(results, only=[*sweep.references, *sweep.front_latency, *sweep.front_bytes])


def _caption(results: Results) -> str:
    parts = [f"{caption(results)}."]
    if results.sweep is not None:
        parts.append("References, and the variants of the sweep that are on a Pareto front.")
    told = explained(cost for cost in costs("comparison") if cost.priority <= _ROOM)
    parts.append(f"The best effectiveness is bold; {told}")
    if results.reference is not None:
        parts.append(f"† differs from {results.reference}: {test_told(results)}.")
    missing = [
        f"{name} ({why})" if why.startswith("failed") else name
        for name, why in not_measured(results)
    ]
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.")
    return " ".join(parts)


def _label(results: Results, taken: set[str]) -> str:
    """Return a label that no table before has; letters, digits and dashes only."""
    name = re.sub(r"[^a-z0-9]+", "-", results.experiment.lower()).strip("-") or "results"
    label, number = f"tab:{name}", 1
    while label in taken:
        number += 1
        label = f"tab:{name}-{number}"
    return label
