"""What a comparison says: the report of it, the same in the terminal and in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from colbench.compare.record import (
    Change,
    Comparison,
    CostChange,
    FirstDocument,
    MeasureChange,
    MovedQuery,
    PairComparison,
    Side,
)
from colbench.report.costs import cost, costs, explained
from colbench.report.formats import fraction, p_value, points, shortened, three_digits
from colbench.report.rows import UNTRAINED
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Document,
    Paragraph,
    Prose,
    Section,
    Table,
    caption,
    names,
    numbers,
    texts,
)

_NOT_CONFIGURED = ("metadata.", "encodings.")
"""Beginnings of what a system settles itself while it is measured."""


def comparison_document(comparison: Comparison) -> Document:
    """Return the report of a comparison."""
    sides: list[Prose] = [_side("A", comparison.a), _side("B", comparison.b)]
    return Document(
        (Code(comparison.a.path), " → ", Code(comparison.b.path)),
        [
            Paragraph(caption(comparison), "caption"),
            Bullets([*sides, *comparison.notes]),
        ],
        sections(comparison),
    )


def _side(letter: str, side: Side) -> Prose:
    return (f"{letter}: {side.experiment}, {side.created}, ", Code(side.command))


def sections(comparison: Comparison) -> list[Section]:
    """Return the sections that have something to say."""
    parts = [
        _effectiveness(comparison),
        _costs(comparison),
        *_settings(comparison),
        _moved(comparison),
        _unpaired(comparison),
    ]
    return [one for one in parts if one.blocks]


def _pair_cell(pair: PairComparison) -> Cell:
    return Cell(pair_name(pair), caveat=UNTRAINED if pair.untrained else "")


def pair_name(pair: PairComparison) -> str:
    """Return the name of both systems, or both names.

    >>> from types import SimpleNamespace as Pair
    >>> pair_name(Pair(a="bm25", b="bm25")), pair_name(Pair(a="bm25", b="colbert"))
    ('bm25', 'bm25 → colbert')
    """
    return pair.a if pair.a == pair.b else f"{pair.a} → {pair.b}"


def _effectiveness(comparison: Comparison) -> Section:
    same = [pair for pair in comparison.pairs if _nothing_differs(pair)]
    alike = ", ".join(map(pair_name, same))
    notes = [f"byte-identical run, and so not in the table: {alike}"] if same else []
    notes += _grouped([(pair, pair.notes) for pair in comparison.pairs])
    columns = [
        *names("system"),
        *texts("measure"),
        *numbers(fraction, "A", "B", priority=1),
        *numbers(points, "points", priority=1),
        Column(title=f"{comparison.level:.0%} interval"),
        *numbers(p_value, "p", "p (Holm)"),
        Column(title="W / T / L"),
        *texts("verdict", priority=3, optional=True),
    ]
    rows = [
        [_pair_cell(pair), _named(change), *_measure(change)]
        for pair in comparison.pairs
        if pair not in same
        for change in pair.effectiveness
    ]
    legend = (
        f"points: B minus A, × 100. interval: bootstrap over queries (BCa, "
        f"{comparison.resamples:,} draws), not corrected. p: paired {comparison.test} test. "
        f"† p ≤ {comparison.alpha:g}, Holm-corrected: {_families(comparison)}. "
        "W / T / L: queries on which B is better, equal, worse."
    )
    return section("Effectiveness", [Table("", columns, rows).compact()], legend, notes)


def _families(comparison: Comparison) -> str:
    """Return what the corrections are over."""
    if comparison.primary is None:
        return "over all systems and measures compared"
    return (
        f"{comparison.primary}, the primary measure, over the systems; the secondary measures "
        "together, over systems and measures"
    )


def _named(change: MeasureChange) -> str:
    return f"{change.measure} (secondary)" if change.primary is False else change.measure


def _verdict(change: MeasureChange) -> str | None:
    match change.verdict:
        case "open" if change.more_queries is not None:
            return f"too few queries to tell (about {change.more_queries:,} more would)"
        case "open":
            return "too few queries to tell"
        case "alike":
            return "no difference that matters"
    return change.verdict


def section(
    heading: str,
    tables: Sequence[Table],
    legend: str = "",
    notes: Sequence[str] = (),
    folded: int | None = None,
) -> Section:
    """Return a section of remarks, the tables that have rows, and how to read them."""
    blocks: list[Block] = [Bullets(notes)] if notes else []
    shown = [table for table in tables if table.rows]
    told = [Paragraph(legend, "legend")] if shown and legend else []
    return Section(heading, [*blocks, *shown, *told], folded)


def _nothing_differs(pair: PairComparison) -> bool:
    return bool(pair.identical) and not any(change.difference for change in pair.effectiveness)


def _measure(change: MeasureChange) -> list[Any]:
    cells = [change.a, change.b, change.difference]
    if change.wins is None:
        return [*cells, None, None, None, None, None]
    return [
        *cells,
        limits(change.low, change.high),
        change.p_value,
        Cell(change.p_holm, mark="†" if change.significant else ""),
        f"{change.wins} / {change.ties} / {change.losses}",
        _verdict(change),
    ]


def limits(low: float | None, high: float | None) -> str | None:
    """Return an interval of differences in points; None where it is not known."""
    return None if low is None or high is None else f"{points(low)} to {points(high)}"


def _costs(comparison: Comparison) -> Section:
    pairs = comparison.pairs
    columns = [
        *names("system"),
        *texts("cost"),
        *numbers(str, "A", "B"),
        *numbers(three_digits, "B / A"),
    ]
    rows = [
        [_pair_cell(pair), *_cost(change, pair.times_comparable)]
        for pair in pairs
        for change in pair.costs
    ]
    legend = f"{explained(costs('compare'))} Times that are not comparable have no ratio."
    notes = _grouped([(pair, pair.cost_notes) for pair in pairs]) if rows else []
    return section("Costs", [Table("", columns, rows)], legend, notes)


def _cost(change: CostChange, times_comparable: bool) -> list[Any]:
    found = cost(change.cost)
    comparable = times_comparable or not change.is_time
    sides = (change.a, change.b)
    return [
        found.title,
        *(None if side is None else Cell(side, found.format(side)) for side in sides),
        change.ratio if comparable else None,
    ]


def _grouped(noted: Sequence[tuple[PairComparison, Sequence[str]]]) -> list[str]:
    """Return each note once, after the names of the pairs that it is about."""
    names: dict[str, list[str]] = {}
    for pair, notes in noted:
        for note in notes:
            names.setdefault(note, []).append(pair_name(pair))
    return [
        f"{'all systems' if 1 < len(about) == len(noted) else ', '.join(about)}: {note}"
        for note, about in names.items()
    ]


def _settings(comparison: Comparison) -> list[Section]:
    pairs = [
        changes_table(_notes_here(pair), "setting", pair_name(pair)) for pair in comparison.pairs
    ]
    return [
        section("Systems", pairs),
        section("Configuration", [changes_table(comparison.config, "key")]),
        section("Environment", [changes_table(comparison.environment, "key")]),
    ]


def _notes_here(pair: PairComparison) -> list[Change]:
    """Return changes that the configuration does not tell.

    They are of facts, of an encoder's arithmetic, or of another system.
    """
    if pair.a != pair.b:
        return pair.settings
    return [change for change in pair.settings if change.key.startswith(_NOT_CONFIGURED)]


def changes_table(
    changes: Sequence[Change], title: str, system: str = "", sides: tuple[str, str] = ("A", "B")
) -> Table:
    """Return a row a change.

    Args:
        changes: its rows.
        title: of the first column.
        system: what stands above the table; empty for nothing.
        sides: titles of the values.
    """
    rows = [
        [
            change.key,
            "(none)" if change.kind == "added" else _value(change.a),
            "(none)" if change.kind == "removed" else _value(change.b),
        ]
        for change in changes
    ]
    return Table(system, [*names(title), *texts(*sides)], rows, titled=bool(system))


def _value(value: Any) -> str:
    return shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _moved(comparison: Comparison) -> Section:
    tables = [
        moved_table(
            f"{pair_name(pair)}, {pair.moved_by}",
            [*pair.drops, *reversed(pair.rises)],
            ("A", "B"),
            ("first in A", "first in B"),
        )
        for pair in comparison.pairs
    ]
    graded = "In parentheses: how the document is judged for the query."
    return section("Queries that moved most", tables, graded)


def moved_table(
    title: str, queries: Sequence[MovedQuery], sides: tuple[str, str], firsts: tuple[str, str]
) -> Table:
    """Return a row per query that moved.

    Args:
        title: what stands above the table.
        queries: its rows.
        sides: titles of the values before and after.
        firsts: titles of the documents ranked first before and after.
    """
    columns = [
        *names("query"),
        *texts("text", priority=2),
        *numbers(fraction, *sides, priority=1),
        *numbers(points, "points", priority=1),
        *texts(*firsts, priority=2),
    ]
    rows = [
        [
            *(query.id, shortened(query.text or ""), query.a, query.b, query.difference),
            *(_document(query.first_a), _document(query.first_b)),
        ]
        for query in queries
    ]
    return Table(title, columns, rows, titled=True)


def _document(document: FirstDocument | None) -> str:
    if document is None:
        return ""
    return document.id if document.grade is None else f"{document.id} ({document.grade})"


def _unpaired(comparison: Comparison) -> Section:
    rows = [[system.system, system.reason] for system in comparison.unpaired]
    return section("Not compared", [Table("", [*names("system"), *texts("why")], rows)])
