"""What a comparison says: headings, words and cells, the same in the terminal and in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from colbench.compare.costs import COSTS
from colbench.compare.record import (
    Change,
    Comparison,
    CostChange,
    FirstDocument,
    MeasureChange,
    MovedQuery,
    PairComparison,
)
from colbench.compare.tables import (
    ComparisonTable,
    Section,
    pair_name,
    points,
    shortened,
)
from colbench.report.rows import three_digits

_NOT_CONFIGURED = ("facts.", "encodings.")
"""Beginnings of what a system settles itself while it is measured."""


def sections(comparison: Comparison) -> list[Section]:
    """Return the sections that have something to say."""
    found = [
        _effectiveness(comparison),
        _costs(comparison),
        *_settings(comparison),
        _moved(comparison),
        _unpaired(comparison),
    ]
    return [section for section in found if section.notes or section.tables]


def _effectiveness(comparison: Comparison) -> Section:
    same = [pair for pair in comparison.pairs if _nothing_differs(pair)]
    lines = [
        [pair_name(pair), change.measure, *_measure(change)]
        for pair in comparison.pairs
        if pair not in same
        for change in pair.effectiveness
    ]
    names = ", ".join(map(pair_name, same))
    notes = [f"byte-identical run, and so not in the table: {names}"] if same else []
    notes += _grouped([(pair, pair.notes) for pair in comparison.pairs])
    interval = f"{comparison.level:.0%} interval"
    titles = ["system", "measure", "A", "B", "points", interval, "p", "p (Holm)", "W / T / L"]
    if not lines:
        return Section("Effectiveness", notes)
    legend = (
        f"points: B minus A, × 100. interval: bootstrap over queries (BCa, "
        f"{comparison.resamples:,} draws), not corrected. p: paired {comparison.test} test. "
        f"† p ≤ {comparison.alpha:g}, Holm-corrected over all systems and measures compared. "
        "W / T / L: queries on which B is better, equal, worse."
    )
    return Section("Effectiveness", notes, [ComparisonTable("", titles, lines, left=2)], legend)


def _nothing_differs(pair: PairComparison) -> bool:
    return bool(pair.identical) and not any(change.difference for change in pair.effectiveness)


def _measure(change: MeasureChange) -> list[str]:
    cells = [f"{change.a:.4f}", f"{change.b:.4f}", points(change.difference)]
    if change.wins is None:
        return [*cells, "", "", "", ""]
    limits = (
        ""
        if change.low is None or change.high is None
        else f"{points(change.low)} to {points(change.high)}"
    )
    return [
        *cells,
        limits,
        "" if change.p_value is None else f"{change.p_value:.3g}",
        "" if change.p_holm is None else f"{change.p_holm:.3g}{'†' if change.significant else ''}",
        f"{change.wins} / {change.ties} / {change.losses}",
    ]


def _costs(comparison: Comparison) -> Section:
    pairs = comparison.pairs
    lines = [
        [pair_name(pair), *_cost(cost, pair.times_comparable)]
        for pair in pairs
        for cost in pair.costs
    ]
    if not lines:
        return Section("Costs")
    notes = _grouped([(pair, pair.cost_notes) for pair in pairs])
    legend = (
        "Times are medians over single queries, but for p95. QPS: all queries as one batch. "
        "build s: from cached vectors or texts to a searchable index. "
        "Times that are not comparable have no ratio."
    )
    table = ComparisonTable("", ["system", "cost", "A", "B", "B / A"], lines, left=2)
    return Section("Costs", notes, [table], legend)


def _cost(change: CostChange, times_comparable: bool) -> list[str]:
    cost = COSTS[change.cost]
    told = times_comparable or not change.is_time
    return [
        cost.title,
        "" if change.a is None else cost.shown(change.a),
        "" if change.b is None else cost.shown(change.b),
        three_digits(change.ratio if told else None),
    ]


def _grouped(told: Sequence[tuple[PairComparison, Sequence[str]]]) -> list[str]:
    """Return each note once, after the names of the pairs that it is about."""
    names: dict[str, list[str]] = {}
    for pair, notes in told:
        for note in notes:
            names.setdefault(note, []).append(pair_name(pair))
    return [
        f"{'all systems' if 1 < len(about) == len(told) else ', '.join(about)}: {note}"
        for note, about in names.items()
    ]


def _settings(comparison: Comparison) -> list[Section]:
    pairs = [
        changes_table(pair_name(pair), _told_here(pair), "setting")
        for pair in comparison.pairs
        if _told_here(pair)
    ]
    config, environment = comparison.config, comparison.environment
    return [
        Section("Systems", tables=pairs),
        Section("Configuration", tables=[changes_table("", config, "key")] if config else []),
        Section(
            "Environment", tables=[changes_table("", environment, "key")] if environment else []
        ),
    ]


def _told_here(pair: PairComparison) -> list[Change]:
    """Return changes that the configuration does not tell.

    They are of facts, of an encoder's arithmetic, or of another system.
    """
    if pair.a != pair.b:
        return pair.settings
    return [change for change in pair.settings if change.key.startswith(_NOT_CONFIGURED)]


def changes_table(
    name: str, changes: Sequence[Change], title: str, sides: tuple[str, str] = ("A", "B")
) -> ComparisonTable:
    """Return a row a change.

    Args:
        name: what stands above the table.
        changes: its rows.
        title: of the first column.
        sides: titles of the values.
    """
    lines = [
        [
            change.key,
            "(none)" if change.kind == "added" else _value(change.a),
            "(none)" if change.kind == "removed" else _value(change.b),
        ]
        for change in changes
    ]
    return ComparisonTable(name, [title, *sides], lines, left=3)


def _value(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _moved(comparison: Comparison) -> Section:
    tables = [
        ComparisonTable(
            f"{pair_name(pair)}, {pair.moved_by}",
            ["query", "text", "A", "B", "points", "first in A", "first in B"],
            [query_cells(query) for query in [*pair.drops, *reversed(pair.rises)]],
            left=2,
        )
        for pair in comparison.pairs
        if pair.drops or pair.rises
    ]
    graded = "In parentheses: how the document is judged for the query."
    return Section("Queries that moved most", tables=tables, legend=graded if tables else "")


def query_cells(query: MovedQuery) -> list[str]:
    """Return id, text, values before and after, points, and the first documents."""
    return [
        query.id,
        shortened(query.text or ""),
        f"{query.a:.4f}",
        f"{query.b:.4f}",
        points(query.difference),
        _document(query.first_a),
        _document(query.first_b),
    ]


def _document(document: FirstDocument | None) -> str:
    if document is None:
        return ""
    return document.id if document.grade is None else f"{document.id} ({document.grade})"


def _unpaired(comparison: Comparison) -> Section:
    lines = [[found.system, found.reason] for found in comparison.unpaired]
    tables = [ComparisonTable("", ["system", "why"], lines, left=2)] if lines else []
    return Section("Not compared", tables=tables)
