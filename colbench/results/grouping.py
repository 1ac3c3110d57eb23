"""Queries in groups: by length, by number of relevant documents, by a column of their metadata.

Every query is in exactly one group. Lengths and numbers are cut at their quartiles, so that groups
are about as large as each other and equal values stay together; numbers of relevant documents have
fixed bounds; of other values the commonest have a group each, and the rest one together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from colbench.collection.metadata import Plain
from colbench.errors import ConfigError, did_you_mean
from colbench.retriever.words import WORD, finder, normalised, segmented

LENGTH, RELEVANT, METADATA = "length", "relevant", "metadata."

_PARTS = 4
"""Groups that lengths and numbers are cut into."""
_MOST_VALUES = 12
"""Values of a column that have a group each."""
_MOST_NUMBERS = 10
"""Different numbers up to which each has a group."""
_LONGEST = 60
"""Characters of a label."""
_NAMED, _CONSIDERED = 20, 1000
"""Columns that a message names, and those among which it looks for a near name."""

_RELEVANT = ("none relevant", "1 relevant", "2–4 relevant", "5–9 relevant", "10 or more relevant")


class Asked(Protocol):
    """A query, of a collection or of results."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def text(self) -> str:
        """What is asked; the id where there is no text."""
        ...

    @property
    def metadata(self) -> Mapping[str, Plain] | None:
        """Column → value."""
        ...


@dataclass(frozen=True)
class Group:
    """Queries that have something in common.

    Attributes:
        label: what it is.
        places: their places among all queries.
    """

    label: str
    places: list[int]


def check_slices(wanted: Sequence[str], queries: Sequence[Asked]) -> None:
    """Fail now if queries cannot be grouped as wanted.

    Raises:
        ConfigError: naming the first that these queries do not have, and the nearest that they do.
    """
    for place, name in enumerate(wanted):
        if name in wanted[:place]:
            raise ConfigError(f"slices: '{name}' is there twice")
        column = name.removeprefix(METADATA)
        if name in (LENGTH, RELEVANT) or (
            column != name and any(column in (query.metadata or {}) for query in queries)
        ):
            continue
        raise ConfigError(f"slices: queries here have no '{name}': {_hint(name, queries)}")


def _hint(name: str, queries: Sequence[Asked]) -> str:
    columns = Counter(column for query in queries for column in query.metadata or {})
    if not columns and name.startswith(METADATA):
        return "they have no metadata; choose from: length, relevant"
    own = [LENGTH, RELEVANT]
    if name in columns:
        return f"did you mean '{METADATA}{name}'?"
    common = [METADATA + column for column, _ in columns.most_common(_CONSIDERED)]
    near = did_you_mean(name, own + common)
    if near.startswith("did"):
        return near
    more = f" and {len(columns) - _NAMED} columns more" if len(columns) > _NAMED else ""
    return did_you_mean(name, own + common[:_NAMED]) + more


def has_text(queries: Sequence[Asked]) -> bool:
    """Return whether queries have texts: of given vectors they may have none but their ids."""
    return any(query.text != query.id for query in queries)


def words(text: str) -> int:
    """Return the length of a query: the words that BM25 finds before stop words go.

    Of scripts without spaces, pairs of characters are counted.

    >>> words("What's 3.5 °C?"), words("東京都")
    (5, 2)
    """
    return len(segmented(finder(WORD)(normalised(text, "nfc"))))


def by_length(queries: Sequence[Asked]) -> list[Group]:
    """Return the queries in up to four groups, from short to long."""
    lengths = {place: words(query.text) for place, query in enumerate(queries)}

    def label(low: float, high: float) -> str:
        if low == high:
            return f"{low:,.0f} word{'s' * (low != 1)}"
        return f"{low:,.0f}–{high:,.0f} words"

    return _by_quartile(lengths, label)


def by_relevant(relevant: Sequence[int]) -> list[Group]:
    """Return queries in groups by how many documents are relevant to them.

    >>> [(group.label, group.places) for group in by_relevant([3, 1, 4])]
    [('1 relevant', [1]), ('2–4 relevant', [0, 2])]
    """
    groups: dict[int, list[int]] = {}
    for place, count in enumerate(relevant):
        groups.setdefault(sum(count > bound for bound in (0, 1, 4, 9)), []).append(place)
    return [Group(_RELEVANT[number], groups[number]) for number in sorted(groups)]


def by_column(queries: Sequence[Asked], column: str) -> tuple[list[Group], list[str]]:
    """Return the queries by their values in a column, and what is to be said of these.

    Numbers come in order, in four parts where there are many; other values by how many queries have
    them. Queries without a value come last.
    """
    found = {
        place: query.metadata[column]
        for place, query in enumerate(queries)
        if query.metadata and column in query.metadata
    }
    missing = [place for place in range(len(queries)) if place not in found]
    numbers = {place: float(v) for place, v in found.items() if _is_number(v)}
    notes = []
    if found and len(numbers) == len(found):
        few = len(set(numbers.values())) <= _MOST_NUMBERS
        groups = _by_quartile(numbers, _range, len(found) if few else _PARTS)
    else:
        groups, pooled = _by_value({place: _written(v) for place, v in found.items()})
        notes += pooled
        if numbers:
            notes.append(f"{len(numbers)} of {len(found)} values are numbers beside words")
        nested = sum(isinstance(v, str) and _is_nested(v) for v in found.values())
        if nested:
            notes.append(
                f"{nested} of {len(found)} values are lists or objects, told by their JSON"
            )
    if missing:
        groups.append(Group("(no value)", missing))
        notes.append(f"{len(missing)} of {len(queries)} queries have no value")
    return groups, notes


def _by_quartile(
    values: Mapping[int, float], label: Callable[[float, float], str], parts: int = _PARTS
) -> list[Group]:
    """Cut places at the quantiles of their values; equal values stay together."""
    ordered = sorted(values.values())
    if len(set(ordered)) <= parts:
        bounds = sorted(set(ordered))
    else:
        ends = (-(-number * len(ordered) // parts) - 1 for number in range(1, parts + 1))
        bounds = sorted({ordered[end] for end in ends})
    groups = []
    low = float("-inf")
    for high in bounds:
        places = [place for place, value in values.items() if low < value <= high]
        inside = [values[place] for place in places]
        groups.append(Group(label(min(inside), max(inside)), places))
        low = high
    return groups


def _by_value(values: Mapping[int, str]) -> tuple[list[Group], list[str]]:
    counts = Counter(values.values())
    order = sorted(counts, key=lambda value: (-counts[value], value))
    # One value more than there is room for is no reason to hide it.
    shown = order if len(order) <= _MOST_VALUES + 1 else order[:_MOST_VALUES]
    places: dict[str, list[int]] = {value: [] for value in shown}
    rest: list[int] = []
    for place, value in values.items():
        places.get(value, rest).append(place)
    groups = [Group(_shortened(value), places[value]) for value in shown]
    if not rest:
        return groups, []
    other = len(order) - len(shown)
    groups.append(Group(f"({other:,} other values)", rest))
    told = f"{len(order):,} different values: the {len(shown)} commonest have a group each"
    return groups, [told]


def _is_number(value: Plain) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nested(value: str) -> bool:
    if not value.startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(value), list | dict)
    except (ValueError, RecursionError):
        return len(value) > _LONGEST  # its JSON is cut


def _written(value: Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _range(low: float, high: float) -> str:
    return f"{low:.10g}" if low == high else f"{low:.10g} to {high:.10g}"


def _shortened(value: str) -> str:
    value = value or "(empty)"
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def columns_of(wanted: Iterable[str]) -> list[str]:
    """Return the columns of metadata that are wanted.

    >>> columns_of(["length", "metadata.language"])
    ['language']
    """
    return [name.removeprefix(METADATA) for name in wanted if name.startswith(METADATA)]
