"""Promises about single queries: those answered before, and those that must be answered."""

from __future__ import annotations

import math
from collections.abc import Sequence

from colbench.errors import ColbenchError, StorageError
from colbench.gate.record import Guard
from colbench.gate.rules import GateRules, LostQueries, MustFind
from colbench.gate.sides import GatedPair, GatedSide
from colbench.results.store import verified_run
from colbench.run.model import Run

ANSWERED = 10
"""A query is answered when a relevant document stands at this rank or better."""

_NAMED = 10
_ROUNDING = 1e-9


def lost_limit(rule: LostQueries, queries: int) -> int:
    """Return how many of so many queries may be lost.

    >>> lost_limit(LostQueries(at_most=3, share=0.02), 50)
    3
    >>> lost_limit(LostQueries(at_most=3, share=0.02), 300)
    6
    """
    return max(rule.at_most, math.floor(rule.share * queries + _ROUNDING))


def check_lost(pair: GatedPair, rule: LostQueries) -> Guard:
    """Count the queries that were answered and no longer are."""
    limit = lost_limit(rule, len(pair.queries))
    before, after = pair.before.first_relevant or [], pair.after.first_relevant or []
    ranks = list(zip(pair.queries, before, after, strict=True))
    lost = [query for query, first, second in ranks if answered(first) and not answered(second)]
    won = sum(answered(second) and not answered(first) for _, first, second in ranks)
    count = sum(map(answered, before))
    finding = (
        f"{len(lost)} of {count} answered queries lost their last relevant document in the top "
        f"{ANSWERED} (at most {limit} may), {won} were won"
    )
    if lost:
        finding += f": {', '.join(lost[:_NAMED])}{', …' if len(lost) > _NAMED else ''}"
    return Guard(
        guard="lost_queries",
        system=pair.name,
        passed=len(lost) <= limit,
        finding=finding,
        queries=lost,
    )


def check_runs(candidate: GatedSide, rules: GateRules) -> list[Guard]:
    """Return a broken promise for every system that failed, whether the baseline knows it or not.

    Without rules about systems all of the candidate's count.
    """
    return [
        Guard(guard="runs", system=name, passed=False, finding=f"it failed: {reason}")
        for name, reason in candidate.failed.items()
        if rules.systems is None or name in rules.systems
    ]


def answered(rank: int | None) -> bool:
    """Return whether a query whose first relevant document has this rank is answered."""
    return rank is not None and rank <= ANSWERED


def check_must_find(
    pairs: Sequence[GatedPair], rules: Sequence[MustFind], candidate: GatedSide
) -> tuple[list[Guard], list[str]]:
    """Look for the documents that critical queries have to find, in the candidate's runs.

    Returns:
        The guards, and what could not be judged: a query that was not searched, a system that was
        not gated, a run that is missing or damaged.
    """
    guards, unjudged = [], []
    known = {pair.name: pair for pair in pairs}
    runs: dict[str, Run] = {}
    for rule in rules:
        for name in rule.systems or known:
            if name not in known:
                unjudged.append(f"must_find '{rule.name}': system '{name}' was not gated")
                continue
            try:
                guards.append(_find(known[name], rule, candidate, runs))
            except ColbenchError as error:
                unjudged.append(f"must_find '{rule.name}', {name}: {error}")
    return guards, unjudged


def _find(pair: GatedPair, rule: MustFind, candidate: GatedSide, runs: dict[str, Run]) -> Guard:
    if rule.query not in pair.queries:
        raise StorageError(f"the collection has no query '{rule.query}'")
    if pair.name not in runs:
        runs[pair.name] = verified_run(candidate.results, pair.after, candidate.folder)
    ranking = runs[pair.name].rankings.get(rule.query)
    ranks = {doc: rank for rank, doc in enumerate(ranking.doc_ids if ranking else (), start=1)}
    missing = [doc for doc in rule.documents if ranks.get(doc, rule.within + 1) > rule.within]
    places = ", ".join(
        f"{doc} at rank {ranks[doc]}" if doc in ranks else f"{doc} not retrieved"
        for doc in (missing or rule.documents)
    )
    return Guard(
        guard="must_find",
        system=pair.name,
        passed=not missing,
        finding=f"{rule.name} (query {rule.query}, within {rule.within}): {places}",
        queries=[rule.query] if missing else [],
    )
