"""Rankings that come from outside: of a function, a program, a server, a file.

Whoever answers may be wrong: every id is held against the collection and every score against what
has a place in an order. What can be left out is left out, counted and told; what cannot be is an
error of one line. Ties break as everywhere, whatever the order of an answer.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from colbench.collection.raw import examples, short
from colbench.errors import DataError
from colbench.hits import Hits, top_k
from colbench.retriever.base import Retriever, Workbench

MOST_RESULTS = 1_000_000
"""Results of one query that are looked at; more is taken for a list without an end."""

_IDS = ("id", "doc_id", "docid", "_id", "corpus_id")
_WANTED = "a list of (id, score), a mapping of id to score, or a list of ids, best first"


def ranked(answer: object) -> tuple[list[Any], list[Any] | None]:
    """Take an answer apart into ids and scores, which are not looked at yet.

    Args:
        answer: pairs of id and score, mappings with the keys `id` (or `doc_id`, `docid`, `_id`,
            `corpus_id`) and `score`, or ids alone, in anything that can be iterated over; or one
            mapping of id to score.

    Returns:
        Ids, and their scores; None for these where no result has one.

    Raises:
        ValueError: it is none of these, or has no end; says what it is.

    >>> ranked([("a", 1.5), ("b", 2)])
    (['a', 'b'], [1.5, 2])
    >>> ranked({"a": 1.5}), ranked(iter(["b", "a"]))
    ((['a'], [1.5]), (['b', 'a'], None))
    >>> ranked([{"id": "a", "score": 3}])
    (['a'], [3])
    """
    if isinstance(answer, Mapping):
        answer = list(islice(answer.items(), MOST_RESULTS + 1))
    if isinstance(answer, str | bytes | set | frozenset) or not isinstance(answer, Iterable):
        raise ValueError(f"{_shown(answer)} is not {_WANTED}")
    items = list(islice(answer, MOST_RESULTS + 1))
    if len(items) > MOST_RESULTS:
        raise ValueError(f"more than {MOST_RESULTS:,} results: return the k best")
    pairs = [_pair(item) for item in items]
    scored = sum(len(pair) == 2 for pair in pairs)
    if 0 < scored < len(pairs):
        raise ValueError(f"{scored} of {len(pairs)} results have a score: give one to all or none")
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs] if scored else None


def _pair(item: Any) -> tuple[Any, ...]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return tuple(item)
    if isinstance(item, str | int | np.integer) and not isinstance(item, bool):
        return (item,)
    if isinstance(item, Mapping):
        for key in _IDS:
            if key in item:
                return (item[key], item["score"]) if "score" in item else (item[key],)
    raise ValueError(f"the result {_shown(item)} is neither an id nor a pair of id and score")


def _shown(value: object) -> str:
    kind = type(value).__name__
    return kind if value is None or not isinstance(value, str | int | float) else short(str(value))


@dataclass(frozen=True)
class _LeftOut:
    """What was wrong with the answer to one query."""

    results: int
    unknown: tuple[str, ...] = ()
    repeated: int = 0
    infinite: int = 0
    unscored: bool = False


class Answers:
    """Makes `Hits` of what was answered, and keeps count of what is wrong with it.

    Args:
        name: of the system.
        bench: of the collection that is searched.
    """

    def __init__(self, name: str, bench: Workbench) -> None:
        self.name, self._ranks = name, bench.ranks
        self._numbers = {doc_id: number for number, doc_id in enumerate(bench.collection.doc_ids)}
        self._queries = len({query.text for query in bench.collection.queries})
        self._told: dict[str, _LeftOut] = {}

    def hits(self, query: str, ids: Sequence[Any], scores: Sequence[Any] | None, k: int) -> Hits:
        """Return the k best of what was answered to a query.

        Args:
            query: its text.
            ids: texts, or whole numbers, which stand for their digits.
            scores: as many, the larger the better; None where the order is all there is, and a
                document counts as the inverse of its rank.
            k: documents to keep at most.

        Raises:
            DataError: ids or scores are of the wrong kind or number, a score is NaN, or of all
                that was answered to all queries the collection has no document.
        """
        names = [name if type(name) is str else self._named(query, name) for name in ids]
        if scores is not None and len(scores) != len(names):
            self._wrong(query, f"{len(names)} ids and {len(scores)} scores do not go together")
        values = (
            1.0 / np.arange(1, len(names) + 1)
            if scores is None
            else np.array([self._value(query, score) for score in scores], dtype=np.float64)
        )
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        best: dict[int, Any] = {}
        unknown = []
        for name, value in zip(names, values, strict=True):
            number = self._numbers.get(name)
            if number is None:
                unknown.append(name)
            elif number not in best or value > best[number]:
                best[number] = value
        self._told[query] = _LeftOut(
            results=len(names),
            unknown=tuple(unknown),
            repeated=len(names) - len(unknown) - len(best),
            infinite=int(np.isinf(values).sum()),
            unscored=scores is None and len(names) > 0,
        )
        if unknown and not best:
            self._check_all()
        docs = np.fromiter(best, dtype=np.int64, count=len(best))
        found = np.fromiter(best.values(), dtype=np.float32, count=len(best))
        return top_k(docs, found, k, self._ranks)

    def _named(self, query: str, name: Any) -> str:
        if isinstance(name, bool) or not isinstance(name, str | int | np.integer):
            self._wrong(query, f"the id {_shown(name)} is no text: return the collection's ids")
        return str(name) if isinstance(name, str) else str(int(name))

    def _value(self, query: str, score: Any) -> float:
        try:
            if isinstance(score, str | bytes | bool):
                raise TypeError
            value = float(score)
        except (TypeError, ValueError, OverflowError):
            self._wrong(query, f"the score {_shown(score)} is no number")
        if math.isnan(value):
            self._wrong(query, "a score is NaN, which has no place in an order")
        return value

    def _wrong(self, query: str, what: str) -> NoReturn:
        raise DataError(f"the answer to the query {short(query)}: {what}")

    def _check_all(self) -> None:
        """Raise where all queries were answered and no document of the collection was named."""
        told = self._told.values()
        if len(told) >= self._queries and all(len(one.unknown) == one.results for one in told):
            strange = [name for one in told for name in one.unknown]
            raise DataError(
                f"no result of {len(strange)} is a document of the collection: they are like "
                f"{examples(strange)}, and its ids like {examples(self._numbers)}"
            )

    def notes(self) -> list[str]:
        """Return what was left out or made up, a line each, for queries however often asked."""
        told = self._told.values()
        strange = [name for one in told for name in one.unknown]
        repeated = sum(one.repeated for one in told)
        infinite = sum(one.infinite for one in told)
        notes = []
        if strange:
            queries = sum(bool(one.unknown) for one in told)
            notes.append(
                f"{self.name}: documents that the collection lacks, such as {examples(strange)}, "
                f"left out of the answers: {len(strange)}, in {queries} of {len(told)} queries"
            )
        if repeated:
            notes.append(
                f"{self.name}: documents answered more than once, of which the best score counts: "
                f"{repeated}"
            )
        if infinite:
            notes.append(f"{self.name}: infinite scores: {infinite}")
        if any(one.unscored for one in told):
            notes.append(f"{self.name}: answers without scores; the score is 1/rank")
        return notes


class OutsideSystem(Retriever):
    """A system that answers with ids: one query after the other, each answer checked."""

    def __init__(self, name: str, settings: Any, bench: Workbench, folder: Path) -> None:
        super().__init__(name, settings, bench, folder)
        self.answers = Answers(name, bench)

    def encode(self, queries: Sequence[str]) -> Sequence[Any]:
        """Hand the texts on."""
        return list(queries)

    def search(self, queries: Sequence[Any], k: int) -> list[Hits]:
        """Ask for each query and check what is answered."""
        return [self.ask(query, k) for query in queries]

    @abstractmethod
    def ask(self, query: Any, k: int) -> Hits:
        """Return the k best documents of one query, through `answers`."""

    def notes(self, queries: Sequence[str]) -> list[str]:
        """Say what of the answers was left out."""
        return self.answers.notes()
