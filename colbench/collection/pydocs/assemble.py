"""From documented objects to documents, queries and judgments.

Also the `small` collection, a part of the objects chosen by hash and so the same on every machine,
and the search for pairs of sets that overlap, which does not compare all pairs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from colbench.collection.model import Document, Query
from colbench.collection.pydocs.docstring import take_apart
from colbench.collection.pydocs.fairness import (
    content_words,
    is_document,
    is_query,
    names_itself,
    quotes,
    shingles,
    without_name,
    words,
)
from colbench.collection.pydocs.harvest import Documented
from colbench.digests import text_digest


def jaccard(left: AbstractSet[str], right: AbstractSet[str]) -> float:
    """Return |left ∩ right| / |left ∪ right|; 0 where both are empty.

    >>> jaccard({"a", "b"}, {"b", "c"})
    0.3333333333333333
    """
    union = len(left | right)
    return len(left & right) / union if union else 0.0


def similar_pairs(sets: Sequence[AbstractSet[str]], threshold: float) -> Iterator[tuple[int, int]]:
    """Yield every (i, j), j < i, whose Jaccard similarity is at least `threshold`; exact.

    Prefix filtering (Chaudhuri, Ganti, Kaushik, ICDE 2006): with members ordered rarest first,
    two sets that are this similar share one of their first `n − ⌈threshold · n⌉ + 1` members.

    Args:
        sets: empty ones are similar to none.
        threshold: in (0, 1].

    >>> list(similar_pairs([{"a", "b", "c"}, {"d"}, {"a", "b", "c", "e"}], 0.7))
    [(2, 0)]
    """
    frequency = Counter(member for one in sets for member in one)
    postings: dict[str, list[int]] = {}
    for i, one in enumerate(sets):
        rarest = sorted(one, key=lambda member: (frequency[member], member))
        prefix = rarest[: len(one) - math.ceil(threshold * len(one)) + 1]
        seen = {j for member in prefix for j in postings.get(member, [])}
        for j in sorted(seen):
            if jaccard(one, sets[j]) >= threshold:
                yield i, j
        for member in prefix:
            postings.setdefault(member, []).append(i)


SAME_DOCUMENT = 0.8
"""Jaccard similarity of word 3-grams from which two bodies are one document."""
SAME_SUMMARY = 0.8
"""Jaccard similarity of content words from which two summaries ask for the same thing."""
SAME_SUMMARY_SAME_NAME = 0.5
"""The same, for objects of one name (`numpy.linalg.svd`, `torch.linalg.svd`)."""
MAX_RELEVANT = 5
"""A summary that more objects share is boilerplate, not a question."""


class Entry(NamedTuple):
    """One object that may stand in the collection.

    Attributes:
        name: public dotted name.
        question: summary sentence without the object's own name.
        body: the rest of the documentation.
    """

    name: str
    question: str
    body: str


def entries(named: Iterable[tuple[str, Documented]]) -> Iterator[Entry]:
    """Yield the objects whose documentation makes a document."""
    for name, objects in named:
        prose = take_apart(objects.docstring)
        if prose is not None and is_document(prose.body):
            yield Entry(name, without_name(prose.summary, name), prose.body)


def merged(given: Sequence[Entry]) -> list[Entry]:
    """Return entries in the order of their names, of near-duplicate bodies only the first.

    First is the one with the shortest name. An entry goes only if it resembles one that stays.
    """
    order = sorted(given, key=lambda one: (one.name.count("."), len(one.name), one.name))
    # Without the names, for copies that differ in them; and as written, because cutting two
    # different names can make two equal bodies differ.
    unnamed = [shingles(words(without_name(one.body, one.name))) for one in order]
    written = [shingles(words(one.body)) for one in order]
    pairs = {*similar_pairs(unnamed, SAME_DOCUMENT), *similar_pairs(written, SAME_DOCUMENT)}
    gone: set[int] = set()
    for later, earlier in sorted(pairs):
        if earlier not in gone:
            gone.add(later)
    return sorted(one for place, one in enumerate(order) if place not in gone)


def questions(documents: Sequence[Entry]) -> Iterator[tuple[Entry, list[str]]]:
    """Yield (entry whose question is asked, names of all relevant documents).

    Entries whose summaries say the same are judged together and asked for once.
    """
    everything = _Corpus(documents)
    for group in _groups(documents):
        if len(group) > MAX_RELEVANT:
            continue
        members = [documents[place] for place in group]
        for asked in members:
            if (
                is_query(asked.question)
                and not any(names_itself(asked.question, one.name) for one in members)
                and not any(quotes(one.body, asked.question) for one in members)
                and not everything.contains(asked.question)
            ):
                yield asked, [one.name for one in members]
                break


def collection(
    documents: Sequence[Entry], asked: Iterable[tuple[Entry, list[str]]]
) -> tuple[list[Document], list[Query], dict[str, dict[str, int]]]:
    """Return documents, queries and qrels in colbench's types, queries in order of names."""
    queries, qrels = [], {}
    for entry, relevant in sorted(asked):
        query = Query(f"q:{entry.name}", entry.question)
        queries.append(query)
        qrels[query.id] = dict.fromkeys(relevant, 1)
    return [Document(one.name, "", one.body) for one in documents], queries, qrels


def _groups(documents: Sequence[Entry]) -> list[list[int]]:
    """Connected components of "asks for the same thing", each in order, in order of its first."""
    summaries = [frozenset(content_words(one.question)) for one in documents]
    same = list(similar_pairs(summaries, SAME_SUMMARY))
    namesakes: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(documents):
        namesakes[one.name.rpartition(".")[2].lower().replace("_", "")].append(place)
    for places in namesakes.values():
        for at, i in enumerate(places):
            same.extend(
                (i, j)
                for j in places[:at]
                if jaccard(summaries[i], summaries[j]) >= SAME_SUMMARY_SAME_NAME
            )
    leader = list(range(len(documents)))

    def find(place: int) -> int:
        while leader[place] != place:
            place = leader[place]
        return place

    for i, j in same:
        first, second = sorted((find(i), find(j)))
        leader[second] = first
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(documents)):
        groups[find(place)].append(place)
    return list(groups.values())


class _Corpus:
    """Answers whether any document contains a sentence, by way of its rarest 3-gram."""

    def __init__(self, documents: Sequence[Entry]) -> None:
        self._texts = [words(one.body) for one in documents]
        self._postings: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(self._texts):
            for shingle in shingles(text):
                self._postings[shingle].append(place)

    def contains(self, sentence: str) -> bool:
        sought = words(sentence)
        rarest = min((self._postings.get(one, []) for one in shingles(sought)), key=len)
        phrase = f" {' '.join(sought)} "
        return any(phrase in f" {' '.join(self._texts[place])} " for place in rarest)


SMALL_DOCUMENTS = 1050
"""Objects drawn; about 1,000 are left when near-duplicates are merged."""
SMALL_QUERIES = 300
MAX_OF_MODULE = 40
"""Objects drawn from one source file, so that none makes up a package's whole share."""


def drawn(named: Iterable[tuple[str, Documented]], count: int) -> list[Entry]:
    """Return at most `count` entries of one package, source file by source file.

    Whole files are drawn rather than single objects, so that an object stays among its siblings:
    they are what makes retrieval hard.
    """
    by_file = sorted(named, key=lambda one: (_place(one[1].module), _place(one[0])))
    taken: Counter[str] = Counter()
    chosen_entries: list[Entry] = []
    for name, of_file in by_file:
        if len(chosen_entries) == count:
            break
        if taken[of_file.module] < MAX_OF_MODULE:
            fitting = list(entries([(name, of_file)]))
            taken[of_file.module] += len(fitting)
            chosen_entries.extend(fitting)
    return chosen_entries


def chosen(asked: Iterable[tuple[Entry, list[str]]], count: int) -> list[tuple[Entry, list[str]]]:
    """Return `count` of the questions."""
    return sorted(asked, key=lambda one: _place(one[0].name))[:count]


def _place(name: str) -> str:
    return text_digest(name)
