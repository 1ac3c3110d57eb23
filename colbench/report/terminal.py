"""A report in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from colbench.printing import printable, printable_lines
from colbench.report.formats import clean
from colbench.report.table import (
    Block,
    Bullets,
    Cell,
    Document,
    Facts,
    Listing,
    Paragraph,
    Prose,
    Section,
    Strong,
    Table,
    spans,
)

_UNBOUNDED = 10_000
"""Columns of a terminal in which every table fits."""

_PROSE = 26
"""Columns of the terminal that prose needs to be read."""

_HERE = ("brief", "report")
"""Scopes of the sections that a terminal shows."""

_STYLES = {
    "plain": "",
    "caption": "bold",
    "finding": "",
    "legend": "dim",
    "warning": "yellow",
    "good": "bold green",
    "bad": "bold red",
    "doubtful": "bold yellow",
}


def print_document(
    document: Document, console: Console, *, wide: bool = False, brief: bool = False
) -> None:
    """Print a report.

    Args:
        document: what is printed.
        console: whose width decides which columns of a table stand in a table below it.
        wide: print every table whole, though its lines be longer than the console is wide.
        brief: leave out sections that are not for a short account.
    """
    if document.title and not brief:
        console.print(_text(document.title, "bold"), soft_wrap=True)
        console.print()
    for block in document.blocks():
        if not isinstance(block, Section) or block.scope in (("brief",) if brief else _HERE):
            print_block(block, console, wide=wide)


def print_block(block: Block, console: Console, *, wide: bool = False, level: int = 2) -> None:
    """Print a part of a report; nothing for what a terminal does not show."""
    match block:
        case Section():
            _print_section(block, console, wide, level)
        case Table():
            _print_table(block, console, wide)
        case Paragraph():
            text = _text(block.text, _STYLES[block.style])
            console.print(text, soft_wrap=block.style != "legend")
        case Bullets():
            for item in block.items:
                console.print(Text.assemble("- ", _text(item)), soft_wrap=True)
        case Facts():
            for term, told in block.items:
                console.print(
                    Text.assemble(f"{printable(clean(term))}: ", _text(told)), soft_wrap=True
                )
        case Listing():
            console.print(Text(printable_lines(block.text)), soft_wrap=True)


def _print_section(section: Section, console: Console, wide: bool, level: int) -> None:
    style = "bold underline" if level == 2 else "bold"
    console.print()
    console.print(_text(section.heading, style), soft_wrap=True)
    for block in section.blocks:
        print_block(block, console, wide=wide, level=level + 1)


def _print_table(table: Table, console: Console, wide: bool) -> None:
    if table.titled:
        console.print()
        console.print(Text(printable(clean(table.title)), style="bold"), soft_wrap=True)
    if table.rows:
        for grid in _grids(table, console, wide):
            console.print()
            with _widened(console, grid if wide else None):
                console.print(grid, crop=False)
        console.print()
    for note in table.notes:
        console.print(_text(note, "dim"))


@contextmanager
def _widened(console: Console, grid: Grid | None) -> Iterator[None]:
    """Let a table have all the columns it needs."""
    if grid is None:
        yield
        return
    before = console.width
    console.width = max(before, _width(grid, console))
    try:
        yield
    finally:
        console.width = before


def _grids(table: Table, console: Console, wide: bool) -> list[Grid]:
    """Return one table where it fits; else those columns first that matter most.

    The columns on the left, with names, are in each of them. No number is cut or wrapped; names and
    prose are wrapped where even that is not enough.
    """
    if not wide:
        kept = [place for place, column in enumerate(table.columns) if not column.implied]
        table = table.select(kept)
    cells = table.cells()
    whole = _grid(table, cells, range(len(table.columns)), {}, tags=True)
    if wide or _width(whole, console) <= console.width:
        return [whole]
    left = _left(table)
    others = [place for place in range(len(table.columns)) if place not in left]
    bounds = _bounds(table, cells, left, others, console)

    def draw(places: Sequence[int]) -> Grid:
        return _grid(table, cells, [*left, *places], bounds, tags=False)

    if not others:
        return [draw([])]
    return [draw(part) for part in _parts(table, others, draw, console)]


def _left(table: Table) -> list[int]:
    """Return the first columns of names and prose: what a row is called."""
    left = [0]
    for place in range(1, len(table.columns)):
        column = table.columns[place]
        if column.kind == "number" or column.priority != 3:
            break
        left.append(place)
    return left


def _bounds(
    table: Table,
    cells: Sequence[Sequence[Cell]],
    left: Sequence[int],
    others: Sequence[int],
    console: Console,
) -> dict[int, int]:
    """Return how wide columns of names and prose may be: no number is to be cut for them."""

    def needed(place: int) -> int:
        """Return the width of a column with its padding and a line beside it."""
        return _width(_grid(table, cells, [place], {}, tags=False), console) + 1

    numbers = [place for place in others if table.columns[place].kind == "number"]
    prose = [place for place in others if place not in numbers]
    room = max(map(needed, numbers), default=_PROSE if prose else 0)
    share = (console.width - room) // len(left)
    shares = {place: min(needed(place), max(12, share)) for place in left}
    # What a short name leaves is a long one's.
    spare = share * len(left) - sum(shares.values())
    bounds = {p: width + (spare if width >= share else 0) - 3 for p, width in shares.items()}
    rest = console.width - sum(min(needed(p), bounds[p] + 3) for p in left)
    return bounds | dict.fromkeys(prose, max(10, rest - 3))


def _parts(
    table: Table, places: Sequence[int], draw: Callable[[Sequence[int]], Grid], console: Console
) -> list[list[int]]:
    """Deal columns to tables, those that matter most to the first, as many as fit to each."""
    waiting = sorted(places, key=lambda place: (table.columns[place].priority, place))
    parts = []
    while waiting:
        part: list[int] = []
        for place in waiting:
            larger = sorted([*part, place])
            if not part or _width(draw(larger), console) <= console.width:
                part = larger
        parts.append(part)
        # The rest in its own order, but for prose that only explains.
        rest = [place for place in waiting if place not in part]
        waiting = sorted(rest, key=lambda place: (table.columns[place].priority > 3, place))
    return parts


def _width(grid: Grid, console: Console) -> int:
    unbounded = console.options.update_width(_UNBOUNDED)
    return console.measure(grid, options=unbounded).maximum


def _grid(
    table: Table,
    cells: Sequence[Sequence[Cell]],
    places: Sequence[int],
    bounds: Mapping[int, int],
    *,
    tags: bool,
) -> Grid:
    """Return some columns of a table; a name that the row above has is left out."""
    grid = Grid(header_style="bold", show_edge=False)
    for place in places:
        column = table.columns[place]
        is_number = column.kind == "number"
        grid.add_column(
            Text(printable(clean(column.title))),
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_number,
            max_width=None if is_number else bounds.get(place),
        )
    repeats = sum(column.kind != "number" for column in table.columns) > 1
    before = None
    for number, row in enumerate(cells):
        if table.totals and number == len(cells) - table.totals:
            grid.add_section()
        shown = [row[place] for place in places]
        if repeats and shown[0].plain == before:
            shown[0] = replace(shown[0], text="", tag="", caveat="")
        before = row[places[0]].plain
        grid.add_row(*(_cell(cell, tags) for cell in shown))
    return grid


def _cell(cell: Cell, tags: bool) -> Text:
    text = _text(cell.shown, "bold" if cell.best else "")
    text.append(cell.mark)
    if words := cell.words if tags else cell.caveat:
        text.append(f" ({printable(clean(words))})")
    return text


def _text(prose: Prose, style: str = "") -> Text:
    """Return a sentence, without control characters, which ids and texts may hold."""
    parts = spans(prose)
    text = Text(style=style)
    for place, part in enumerate(parts):
        written = _cleaned(str(part), first=place == 0, last=place == len(parts) - 1)
        text.append(written, style="bold" if isinstance(part, Strong) else None)
    return text


def _cleaned(part: str, *, first: bool, last: bool) -> str:
    """Return a span as part of one line, with the spaces that part it from its neighbours."""
    written = printable(clean(part))
    before = " " if part[:1].isspace() and not first else ""
    after = " " if part[-1:].isspace() and not last and written else ""
    return f"{before}{written}{after}"
