"""What a report is made of: headings, paragraphs, lists, pictures, and one model of a table.

A report is composed once, as a `Document`, and written by one renderer for each format: `terminal`,
`markdown`, `html`, `latex`, `csv`. All text in it is plain: to escape it is the renderers' work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from colbench.report.formats import counted
from colbench.results.origin import CollectionInfo


class Code(str):
    """A name, a path or a command: set in a fixed-width font where there is one."""

    __slots__ = ()


class Strong(str):
    """Text that stands out."""

    __slots__ = ()


@dataclass(frozen=True)
class Link:
    """Text that leads to an address."""

    text: str
    url: str

    def __str__(self) -> str:
        return self.text


Span = str | Link
"""A run of text of one kind: plain, `Code`, `Strong` or `Link`."""

Prose = Span | tuple[Span, ...]
"""A sentence or a cell: one span, or several."""


def spans(prose: Prose) -> tuple[Span, ...]:
    """Return the spans of a sentence."""
    return prose if isinstance(prose, tuple) else (prose,)


def plain(prose: Prose) -> str:
    """Return the characters of a sentence alone.

    >>> plain(("found by ", Code("bm25")))
    'found by bm25'
    """
    return "".join(map(str, spans(prose)))


Direction = Literal["higher", "lower"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        title: its head.
        kind: names are set as code and stand on the left, and so does prose; numbers stand on the
            right.
        unit: of its values; empty where the title or the format says it.
        format: writes a value; None is written as nothing.
        direction: which values are better; None where neither are.
        marks_best: whether the best value is marked.
        source: name of the value in the record it comes from, which heads the column in CSV.
        priority: columns of the lowest numbers come first where there is no room for all.
        optional: whether it is left out where no row has a value.
        implied: whether the name of the row says it: it is left out where room is scarce.
        about: how to read it, told where a reader points at the head; empty where the title says
            it all.
    """

    title: str
    kind: Literal["name", "text", "number"] = "number"
    unit: str = ""
    format: Callable[[Any], str] = str
    direction: Direction | None = None
    marks_best: bool = False
    source: str = ""
    priority: int = 3
    optional: bool = False
    implied: bool = False
    about: str = ""


def names(*titles: str, **options: Any) -> list[Column]:
    """Return columns of names."""
    return [Column(title=title, kind="name", **options) for title in titles]


def texts(*titles: str, **options: Any) -> list[Column]:
    """Return columns of prose."""
    return [Column(title=title, kind="text", **options) for title in titles]


def numbers(format: Callable[[Any], str], *titles: str, **options: Any) -> list[Column]:
    """Return columns of numbers that are written alike."""
    return [Column(title=title, format=format, **options) for title in titles]


@dataclass(frozen=True)
class Cell:
    """A value in a table, where more is to be said than the value.

    Attributes:
        value: what the column formats, and a reader sorts by.
        text: what is shown in place of the formatted value; None for that.
        mark: stands after it, as the dagger of a significant difference.
        best: whether it is the best of its column.
        tag: a word beside it, as `reference`; left out where room is scarce.
        caveat: a word beside it without which it would mislead, as `untrained`: never left out.
        difference: to the reference's value, shown beneath it in points where there is room.
        hint: told where a reader points at it.
    """

    value: Any = None
    text: Prose | None = None
    mark: str = ""
    best: bool = False
    tag: str = ""
    caveat: str = ""
    difference: float | None = None
    hint: str = ""

    @property
    def shown(self) -> Prose:
        """What is shown, but for mark and tag; nothing before the table has formatted it."""
        return "" if self.text is None else self.text

    @property
    def plain(self) -> str:
        """The characters of what is shown, with its mark."""
        return plain(self.shown) + self.mark

    @property
    def words(self) -> str:
        """Tag and caveat."""
        return ", ".join(filter(None, (self.tag, self.caveat)))

    @property
    def key(self) -> float | None:
        """The number it is sorted by; None where it has none."""
        return self.value if isinstance(self.value, int | float) else None


@dataclass(frozen=True)
class Table:
    """Rows of values under columns.

    Attributes:
        title: what it holds; shown above it where `titled`.
        columns: what the values are.
        rows: a value or a `Cell` for each column.
        notes: how to read it.
        titled: whether the title is shown.
        groups: of each row, what a page can hide it by; empty for no choice.
        totals: how many of the last rows sum up the others.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    notes: Sequence[Prose] = ()
    titled: bool = False
    groups: Sequence[str] = ()
    totals: int = 0

    def cells(self) -> list[list[Cell]]:
        """Return the rows with every value formatted and the best of a column marked."""
        lines = [
            [_formatted(value, column) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]
        for place, column in enumerate(self.columns):
            if column.marks_best and column.direction:
                _mark_best([line[place] for line in lines], lines, place, column.direction)
        return lines

    def compact(self) -> Table:
        """Return the table without its optional columns that have no value."""
        kept = [
            place
            for place, column in enumerate(self.columns)
            if not column.optional or any(_value(row[place]) is not None for row in self.rows)
        ]
        return self.select(kept)

    def named(self, names: Collection[str]) -> Table:
        """Return the table with the rows of these names; the best stays the best of all rows."""
        lines = self.cells()
        kept = [place for place, line in enumerate(lines) if line[0].value in names]
        return replace(
            self,
            columns=[replace(column, marks_best=False) for column in self.columns],
            rows=[lines[place] for place in kept],
            groups=[self.groups[place] for place in kept] if self.groups else (),
        )

    def select(self, places: Sequence[int]) -> Table:
        """Return the table with some of its columns."""
        return replace(
            self,
            columns=[self.columns[place] for place in places],
            rows=[[row[place] for place in places] for row in self.rows],
        )

    def records(self) -> list[dict[str, Any]]:
        """Return each row as source of the column → value, unformatted."""
        keys = [column.source or column.title for column in self.columns]
        return [dict(zip(keys, map(_value, row), strict=True)) for row in self.rows]


def _value(entry: Any) -> Any:
    return entry.value if isinstance(entry, Cell) else entry


def _formatted(entry: Any, column: Column) -> Cell:
    cell = entry if isinstance(entry, Cell) else Cell(entry)
    if cell.text is not None:
        return cell
    value = cell.value
    if value is None:
        return replace(cell, text="")
    written = value if isinstance(value, str | Link | tuple) else column.format(value)
    return replace(cell, text=written)


def _mark_best(
    column: Sequence[Cell], lines: list[list[Cell]], place: int, direction: Direction
) -> None:
    """Mark the cells that read as the best value does; digits not shown decide nothing."""
    known = [cell for cell in column if cell.key is not None]
    if not known:
        return
    choose = max if direction == "higher" else min
    best = choose(known, key=lambda cell: cell.key or 0.0).shown
    for line in lines:
        cell = line[place]
        line[place] = replace(cell, best=cell.key is not None and cell.shown == best)


Style = Literal["plain", "caption", "finding", "legend", "warning", "good", "bad", "doubtful"]


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several.

    Attributes:
        text: what it says.
        style: what it is for; a legend explains what stands above it, and a verdict is good, bad or
            doubtful.
    """

    text: Prose
    style: Style = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list.

    Attributes:
        items: its entries.
        minor: whether they are remarks, which stand back where that is possible.
    """

    items: Sequence[Prose]
    minor: bool = False


@dataclass(frozen=True)
class Facts:
    """Terms, and what is said of each."""

    items: Sequence[tuple[str, Prose]]


@dataclass(frozen=True)
class Listing:
    """Lines of code, to be copied as they are."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """A chart.

    Attributes:
        name: of the chart.
        title: what it shows.
        summary: how to read it.
        path: the file, relative to the report; empty where a page draws it itself.
    """

    name: str
    title: str
    summary: str = ""
    path: str = ""


@dataclass(frozen=True)
class Extra:
    """What an HTML page alone shows.

    Attributes:
        kind: the view of single queries, code that unfolds, or how to read what it alone shows.
        text: the code or the remark; of the view, what stands in its place without queries.
        title: what unfolds the code.
    """

    kind: Literal["queries", "listing", "legend"]
    text: str = ""
    title: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        heading: its title.
        blocks: its content; a section in it is one of a lower level.
        folded: more rows than this are folded where that is possible; None for never. An HTML page
            folds them however few they are.
        scope: whether it belongs in the short account that a terminal gives of a run, only in a
            report, or only on an HTML page, which has room for long tables.
    """

    heading: Prose
    blocks: Sequence[Block]
    folded: int | None = None
    scope: Literal["brief", "report", "page"] = "brief"

    def tables(self) -> list[Table]:
        """Return its tables, those of inner sections among them."""
        return [
            table
            for block in self.blocks
            for table in (
                block.tables()
                if isinstance(block, Section)
                else [block]
                if isinstance(block, Table)
                else []
            )
        ]


Block = Paragraph | Bullets | Facts | Listing | Picture | Extra | Table | Section


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: its heading; empty where it has none.
        lead: what stands before the first section.
        sections: the rest of it.
    """

    title: Prose
    lead: Sequence[Block] = ()
    sections: Sequence[Section] = field(default_factory=list)

    def blocks(self) -> Iterator[Block]:
        """Yield the lead, then the sections."""
        yield from self.lead
        yield from self.sections

    def tables(self) -> list[Table]:
        """Return all tables, in order."""
        return Section("", list(self.blocks())).tables()


class Searched(Protocol):
    """Whatever was measured on a collection."""

    @property
    def collection(self) -> CollectionInfo:
        """What was searched."""
        ...


def caption(found: Searched) -> str:
    """Return what was searched, in one line."""
    c = found.collection
    subset = " (a subset: not comparable with published numbers)" if c.sampled else ""
    documents, queries = counted(c.docs, "document"), counted(c.queries, "query", "queries")
    return f"{c.name}: {documents}, {queries}{subset}"


def origin(command: str, created: str, commit: str | None) -> Paragraph:
    """Return the line that says how a report was made."""
    return Paragraph(
        ("Made by ", Code(command), f", {created}, commit ", Code(commit or "unknown"), ".")
    )


def joined(*parts: Prose) -> tuple[Span, ...]:
    """Return sentences as one."""
    return tuple(span for part in parts for span in spans(part))
