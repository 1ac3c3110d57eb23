"""Deterministic systems: same settings, versions and machine, hence the same values of a query.

A lexical index has to give the same rankings, too. Vectors depend in their last bits on which texts
shared a batch, and that on what a cache held before: near ties far down may change places, so that
a path with vectors is held to the values of its measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colbench.gate.record import Guard
from colbench.gate.sides import GatedPair
from colbench.measures.ties import differ
from colbench.results.schema import Environment, QueryInfo, Results, SystemResult

_MACHINE = ("cpu", "threads", "accelerator")
"""What the last bits of a vector depend on; a lexical index depends on none of it."""

_OURS = "colbench"
"""Our own version allows no difference: it is what is judged."""

_INERT = frozenset({"about", "measure_gemm"})
"""Settings that change no ranking: a description, and what exact search once measured besides."""


def why_not_exact(
    before: SystemResult, after: SystemResult, baseline: Results, candidate: Results
) -> str:
    """Say what allows a deterministic system's rankings to differ; empty where nothing does."""
    reasons = []
    if _settings(before) != _settings(after) or before.metadata != after.metadata:
        reasons.append("settings")
    first, second = baseline.environment, candidate.environment
    changed = [
        name
        for name in dict.fromkeys([*first.packages, *second.packages])
        if name != _OURS and first.packages.get(name) != second.packages.get(name)
    ]
    if changed:
        reasons.append(f"versions of {', '.join(changed)}")
    if holds_vectors(before) or holds_vectors(after):
        reasons += [name for name in _MACHINE if _of(first, name) != _of(second, name)]
    return ", ".join(reasons)


def _settings(system: SystemResult) -> dict[str, object]:
    """Return the settings of a system that decide what it finds."""
    return {key: value for key, value in system.config.items() if key not in _INERT}


def holds_vectors(system: SystemResult) -> bool:
    """Return whether a system searches vectors."""
    return system.index is None or system.index.vectors > 0


def _of(environment: Environment, name: str) -> object:
    return getattr(environment, name)


def check_identity(pair: GatedPair, queries: Sequence[QueryInfo]) -> Guard:
    """Compare the rankings of a deterministic system, query by query.

    Args:
        pair: an exact one.
        queries: of the candidate, for their texts.
    """
    differing = _differing(pair)
    if not differing:
        return Guard(
            guard="identity",
            system=pair.name,
            passed=True,
            finding=_same(pair),
        )
    first = differing[0]
    text = next((query.text for query in queries if query.id == first), "")
    return Guard(
        guard="identity",
        system=pair.name,
        passed=False,
        finding=f"a deterministic system, and {len(differing)} of {len(pair.queries)} queries are "
        f"answered differently; the first is {first} ({text}){_shown(pair, first)}",
        queries=differing,
    )


def _differing(pair: GatedPair) -> list[str]:
    moved_rankings = set() if holds_vectors(pair.after) else _reranked(pair)
    queries = []
    for place, query in enumerate(pair.queries):
        values = [
            (pair.values_before[name][place], pair.values_after[name][place])
            for name in _common(pair.values_before, pair.values_after)
        ]
        moved = any(differ(first, second) for first, second in values)
        if moved or query in moved_rankings:
            queries.append(query)
    return queries


def _reranked(pair: GatedPair) -> set[str]:
    before, after = pair.before.rankings, pair.after.rankings
    if before is None or after is None:  # which is told as not judged
        return set()
    places = zip(pair.queries, before, after, strict=True)
    return {query for query, first, second in places if first != second}


def _same(pair: GatedPair) -> str:
    reranked = len(_reranked(pair))
    if not reranked:
        return f"the rankings of {len(pair.queries)} queries are the baseline's"
    return (
        f"the values of {len(pair.queries)} queries are the baseline's; {reranked} are ranked "
        "differently where no measure sees it, as vectors of other batches may"
    )


def _common(a: Mapping[str, list[float]], b: Mapping[str, list[float]]) -> list[str]:
    return [name for name in a if name in b]


def _shown(pair: GatedPair, query: str) -> str:
    """Say what moved for a query: the first measure that differs, if any does."""
    place = pair.queries.index(query)
    for name in _common(pair.values_before, pair.values_after):
        first, second = pair.values_before[name][place], pair.values_after[name][place]
        if differ(first, second):
            return f": {name} {first:.4f} → {second:.4f}"
    return ": no measure sees it"
