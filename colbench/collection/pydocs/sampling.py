"""The `small` collection: a part of the objects, chosen by hash, so the same on every machine."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from colbench.collection.pydocs.assemble import Entry, entries
from colbench.collection.pydocs.harvest import Documented

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
    kept: list[Entry] = []
    for name, found in by_file:
        if len(kept) == count:
            break
        if taken[found.module] < MAX_OF_MODULE:
            fitting = list(entries([(name, found)]))
            taken[found.module] += len(fitting)
            kept.extend(fitting)
    return kept


def chosen(asked: Iterable[tuple[Entry, list[str]]], count: int) -> list[tuple[Entry, list[str]]]:
    """Return `count` of the questions."""
    return sorted(asked, key=lambda one: _place(one[0].name))[:count]


def _place(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8")).hexdigest()
