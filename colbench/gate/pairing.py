"""Which systems can be gated, and why others cannot: a gate passes over nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from colbench.errors import did_you_mean
from colbench.gate.identity import why_not_exact
from colbench.gate.rules import GateRules
from colbench.gate.sides import GatedPair, GatedSide

T = TypeVar("T")

_NAMED = 5
"""Queries a message names at most."""


def other_collection(candidate: GatedSide, baseline: GatedSide) -> list[str]:
    """Say why the two cannot be compared at all; empty where they can."""
    before, after = baseline.results.collection, candidate.results.collection
    if before.name != after.name:
        return [f"the baseline searched {before.name}, the candidate {after.name}"]
    ours, theirs = _ids(candidate), _ids(baseline)
    if ours != theirs:
        differing = [
            f"{len(ids)} in the {side} alone ({', '.join(sorted(ids)[:_NAMED])}"
            f"{', …' if len(ids) > _NAMED else ''})"
            for side, ids in (("baseline", theirs - ours), ("candidate", ours - theirs))
            if ids
        ]
        return [f"another set of queries: {'; '.join(differing)}"]
    if before.fingerprint != after.fingerprint:
        return [
            f"another collection: {before.name} had fingerprint {before.fingerprint[:12]} "
            f"({before.docs:,} documents, {before.judgments:,} judgments), has "
            f"{after.fingerprint[:12]} ({after.docs:,}, {after.judgments:,}): documents, queries "
            "or judgments changed; accept a new baseline"
        ]
    return []


def _ids(side: GatedSide) -> set[str]:
    return {query.id for query in side.results.queries}


def pair_systems(
    candidate: GatedSide, baseline: GatedSide, rules: GateRules
) -> tuple[list[GatedPair], list[str]]:
    """Return the systems to gate, and why others that should be cannot."""
    pairs, unjudged = [], []
    for name in rules.systems or list(baseline.measured):
        why = _why_not(name, candidate, baseline)
        if not why:
            pair, why = _pair(name, candidate, baseline, rules)
            if pair is not None:
                pairs.append(pair)
        unjudged += [f"{name}: {reason}" for reason in ([why] if why else [])]
    if baseline.accepted is None and rules.systems is None:  # else it was accepted as it is
        unjudged += [
            f"{name}: skipped in both: {why}; accept a baseline without it, or name systems in the "
            "rules"
            for name, why in baseline.skipped.items()
            if name in candidate.skipped
        ]
    if not pairs and not unjudged:
        unjudged.append("the baseline measured no system")
    return pairs, unjudged


def _why_not(name: str, candidate: GatedSide, baseline: GatedSide) -> str:
    for word, side in (("baseline", baseline), ("candidate", candidate)):
        if name in side.measured:
            continue
        for status, reasons in (("skipped", side.skipped), ("failed", side.failed)):
            if name in reasons:
                return f"{status} in the {word}: {reasons[name]}"
        return f"missing in the {word}: {did_you_mean(name, side.measured)}"
    return ""


def _pair(
    name: str, candidate: GatedSide, baseline: GatedSide, rules: GateRules
) -> tuple[GatedPair | None, str]:
    """Return a system on both sides, and what of it cannot be judged."""
    before, after = baseline.measured[name], candidate.measured[name]
    values_before, values_after = baseline.values(before), candidate.values(after)
    for word, values in (("baseline", values_before), ("candidate", values_after)):
        if values is None:
            return None, f"the {word} has no values of single queries; run it again"
    assert values_before is not None and values_after is not None
    if before.depth != after.depth:
        return None, f"{before.depth} documents per query in the baseline, {after.depth} now"
    queries = [query.id for query in candidate.results.queries]
    order = {query.id: place for place, query in enumerate(baseline.results.queries)}
    try:
        aligned = [
            {
                measure: [by_query[query] for query in queries]
                for measure, by_query in values.items()
            }
            for values in (values_before, values_after)
        ]
    except KeyError as error:
        return None, f"query {error} has no value; run it again"
    places = [order[query] for query in queries]
    ranked = {
        "first_relevant": _picked(before.first_relevant, places),
        "rankings": _picked(before.rankings, places),
    }
    is_exact = str(before.config.get("kind")) in rules.exact
    why = why_not_exact(before, after, baseline.results, candidate.results) if is_exact else ""
    pair = GatedPair(
        name=name,
        before=before.model_copy(update=ranked),
        after=after,
        queries=queries,
        values_before=aligned[0],
        values_after=aligned[1],
        exact=is_exact and not why,
        why_not_exact=why,
    )
    return pair, _missing(pair, rules)


def _picked(values: Sequence[T] | None, places: Sequence[int]) -> list[T] | None:
    return None if values is None else [values[place] for place in places]


def _missing(pair: GatedPair, rules: GateRules) -> str:
    """Say what the rules ask for and one of the sides lacks."""
    reasons = []
    for word, values in (("baseline", pair.values_before), ("candidate", pair.values_after)):
        lacking = [measure for measure in rules.measures if measure not in values]
        if lacking:
            reasons.append(
                f"{', '.join(lacking)} not measured in the {word}: measure it, or take it out of "
                "the rules"
            )
    for word, system in (("baseline", pair.before), ("candidate", pair.after)):
        if pair.exact and system.rankings is None:
            reasons.append(f"a deterministic system without digests of its rankings in the {word}")
        if rules.lost_queries is not None and system.first_relevant is None:
            reasons.append(f"ranks of relevant documents missing in the {word}; run it again")
    return "; ".join(reasons)
