"""What the tests of results show, in words: one wording for every report."""

from __future__ import annotations

from colbench.measures.significance import Significance, is_counted, too_few_sentence
from colbench.results.schema import Results


def primary_measure(results: Results) -> str | None:
    """Return the measure that results are about: of a sweep its own, else the first.

    None where nothing was judged.
    """
    if results.primary is not None:
        return results.primary
    if results.sweep is not None:
        return results.sweep.measure
    return next(iter(results.measures), None)


def too_few_queries(results: Results) -> str | None:
    """Say that the queries are too few for any test of the primary measure; None where not."""
    primary = primary_measure(results)
    tests = [
        system.significance[primary]
        for system in results.systems
        if system.significance and primary in system.significance
    ]
    if not tests or primary is None:
        return None
    queries = max(test.wins + test.ties + test.losses for test in tests)
    counted = sum(is_counted(test) for test in tests)
    return too_few_sentence(queries, max(counted, 1), results.alpha)


def told(test: Significance, results: Results) -> str:
    """Return the verdict of a test in words.

    Results of an earlier colbench have no verdict: there it is whether the difference is
    significant.
    """
    p = "" if test.p_holm is None else f" (p {_p(test.p_holm)}, Holm)"
    match test.verdict:
        case "better" | "worse":
            return f"significantly {test.verdict}{p}"
        case "alike":
            return f"no difference of {100 * results.margin:g} points or more"
        case "open" if test.more_queries is not None:
            more = test.more_queries
            ies = "y" if more == 1 else "ies"
            return f"too few queries to tell: about {more:,} more quer{ies} would decide"
        case "open":
            return "too few queries to tell"
    return f"{'a' if test.significant else 'not a'} significant difference{p}"


def _p(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"
