"""Pairs of sets that overlap, found without comparing all pairs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet


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
