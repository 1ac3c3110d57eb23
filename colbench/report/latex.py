"""The comparison as a LaTeX table, for a paper. It needs the package `booktabs` and no other.

Characters outside Latin script need an engine that has them, such as XeLaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from colbench.report.rows import COSTS, Cell, Row, caption, rows, skipped
from colbench.results.schema import Results

_COSTS = ("search ms", "p95", "QPS", "index")
"""The cost columns a page has room for."""

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
    """Return one table a run, with a caption and a label of its own.

    Of a sweep, the references and the points on a Pareto front are shown.
    """
    tables = []
    labels: set[str] = set()
    for results in runs:
        label = _label(results, labels)
        labels.add(label)
        tables.append(_table(results, label))
    return "% needs \\usepackage{booktabs}\n" + "\n".join(tables)


def latex(value: str) -> str:
    r"""Return `value` as one line of LaTeX that shows exactly its characters.

    >>> print(latex("bm25_b & 50 % of $x^2$ -- [a]"))
    bm25\_b \& 50 \% of \$x\textasciicircum{}2\$ -{}- {[}a]
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return _SPECIAL.sub(lambda found: _WORDS[found[0]], _LIGATURE.sub("\0", line)).replace(
        "\0", "{}"
    )


def _table(results: Results, label: str) -> str:
    shown = _shown(results)
    places = [COSTS.index(cost) for cost in _COSTS]
    titles = ["system", *results.measures, *_COSTS]
    lines = [
        [_name(row), *map(_measure, row.measures), *(latex(row.costs[p].text) for p in places)]
        for row in shown
    ]
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"  \centering",
            f"  \\caption{{{_caption(results)}}}",
            f"  \\label{{{label}}}",
            r"  \footnotesize",
            r"  \setlength{\tabcolsep}{3pt}",
            f"  \\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}",
            r"    \toprule",
            _line(map(latex, titles)),
            r"    \midrule",
            *map(_line, lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _shown(results: Results) -> list[Row]:
    if results.sweep is None:
        return rows(results)
    sweep = results.sweep
    names = {*sweep.references, *sweep.front_latency, *sweep.front_bytes}
    return [row for row in rows(results) if row.name in names]


def _line(cells: Iterable[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _name(row: Row) -> str:
    return latex(row.name) + (" (baseline)" if row.is_baseline else "")


def _measure(cell: Cell) -> str:
    number, dagger = cell.text.rstrip("†"), cell.text.endswith("†")
    # Of no width, so that the digits of a column stay below each other.
    mark = r"\rlap{$^\dagger$}" if dagger else ""
    return (f"\\textbf{{{number}}}" if cell.best else number) + mark


def _caption(results: Results) -> str:
    parts = [f"{caption(results)}."]
    if results.sweep is not None:
        parts.append("References, and the points of the sweep that are on a Pareto front.")
    parts.append(
        "The best effectiveness is bold; times are medians over single queries in milliseconds, "
        "p95 is of the search; QPS: all queries as one batch."
    )
    if results.baseline is not None:
        parts.append(
            f"† differs from {results.baseline}: paired {results.test} test, Holm-corrected, "
            f"p ≤ {results.alpha:g}."
        )
    missing = ", ".join(name for name, _ in skipped(results))
    if missing:
        parts.append(f"Not measured: {missing}.")
    return latex(" ".join(parts))


def _label(results: Results, taken: set[str]) -> str:
    """Return a label that no table before has; letters, digits and dashes only."""
    name = re.sub(r"[^a-z0-9]+", "-", results.experiment.lower()).strip("-") or "results"
    label, number = f"tab:{name}", 1
    while label in taken:
        number += 1
        label = f"tab:{name}-{number}"
    return label
