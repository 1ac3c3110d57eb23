"""Effectiveness of a run per query, computed by ranx.

ranx gets numbered arrays instead of its own `Qrels` and `Run`, which avoids what is wrong or slow
there (0.3.21): documents compared by hash, rows matched to queries by position only, tied scores in
arbitrary order, crashes on empty results, NaN for a query without relevant documents, RBP above 1
on graded judgments, and half a minute of compilation in a new environment instead of ten seconds.

Values equal trec_eval's: judgments of 0 or less are not relevant and gain nothing, a query without
relevant or without retrieved documents counts 0.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colbench.collection.model import Qrels
from colbench.digests import text_digest
from colbench.errors import DataError
from colbench.measures.catalogue import DEFAULT_MEASURES, Measure, parse
from colbench.parallel import ALONE
from colbench.run.model import Ranking, Run

_DIGITS = 12
"""Hexadecimal digits of a digest: two of a million rankings share one with probability .002."""


def first_relevant(qrels: Mapping[str, Mapping[str, int]], run: Run) -> dict[str, int | None]:
    """Return query id → rank, from 1, of its first document graded above 0; None without one.

    >>> run = Run("x", {"q": Ranking.sort(["a", "b"], [2.0, 1.0])})
    >>> first_relevant({"q": {"b": 1, "a": 0}, "r": {"a": 1}}, run)
    {'q': 2, 'r': None}
    """
    return {query: _first(run.rankings.get(query), grades) for query, grades in qrels.items()}


def _first(ranking: Ranking | None, grades: Mapping[str, int]) -> int | None:
    ranking_ids = ranking.doc_ids if ranking else ()
    ranks = (rank for rank, doc in enumerate(ranking_ids, start=1) if grades.get(doc, 0) > 0)
    return next(ranks, None)


def ranking_digest(doc_ids: Sequence[str]) -> str:
    """Return the first digits of a sha256 over document ids in their order; scores do not count.

    >>> ranking_digest(["a", "b"]) == ranking_digest(["b", "a"])
    False
    """
    content = "".join(f"{len(doc)}:{doc}" for doc in doc_ids)
    return text_digest(content)[:_DIGITS]


PerQuery = dict[str, dict[str, float]]
"""measure → query id → value."""

_UNJUDGED = -2.0
_PADDING = -1.0
_GRADED = frozenset({"ndcg", "ndcg_burges", "dcg", "dcg_burges"})


def evaluate(qrels: Qrels, run: Run, measures: Sequence[str]) -> PerQuery:
    """Return the value of every measure for every query of `qrels`, in their order.

    Queries of the run that have no judgments are ignored.

    Raises:
        ConfigError: a measure is unknown.
        DataError: a value is not finite, as exponential gains of huge grades are.
    """
    parsed = [parse(name) for name in dict.fromkeys(measures)]
    values: PerQuery = {measure.name: dict.fromkeys(qrels, 0.0) for measure in parsed}
    groups: dict[tuple[int, str], list[Measure]] = defaultdict(list)
    for measure in parsed:
        groups[measure.level, _view(measure.metric)].append(measure)
    for (level, view), group in groups.items():
        judged = {query_id: _judged(qrels[query_id], level, view) for query_id in qrels}
        live = [
            query_id
            for query_id, grades in judged.items()
            if any(grades.values()) and len(run.rankings.get(query_id, ()))
        ]
        if live:
            rankings = [run.rankings[query_id] for query_id in live]
            computed = _compute([judged[query_id] for query_id in live], rankings, group)
            for name, column in computed.items():
                values[name].update(zip(live, column.tolist(), strict=True))
    return values


def mean_scores(per_query: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over queries of every measure; it does not depend on their order.

    >>> mean_scores({"map": {"q1": 0.5, "q2": 1.0}})
    {'map': 0.75}
    """
    return {name: math.fsum(row.values()) / len(row) for name, row in per_query.items()}


def warm_up(measures: Iterable[str] = DEFAULT_MEASURES) -> None:
    """Compile what `evaluate` needs, so that no later call waits for it.

    numba keeps the machine code on disk, beside ranx or in the user's cache folder: about ten
    seconds the first time in an environment, one or two in every later process.
    """
    ranking = Ranking.sort(["a", "b"], [2.0, 1.0])
    evaluate({"q": {"a": 1, "b": 0}}, Run("warm-up", {"q": ranking}), list(measures))


def _view(metric: str) -> str:
    if metric in _GRADED:
        return "graded"
    return metric if metric in {"bpref", "rbp"} else "binary"


def _judged(grades: Mapping[str, int], level: int, view: str) -> dict[str, int]:
    """Return the judgments a group of measures may see, all relevant ones at 1 or more.

    bpref also needs those judged not relevant. A negative grade is no judgment to it, as in
    trec_eval. Where nothing is judged not relevant ranx divides by zero; one such document that
    no system can retrieve gives what trec_eval defines, the share of relevant ones retrieved.
    """
    if view == "graded":
        return {doc_id: grade for doc_id, grade in grades.items() if grade >= level}
    judged = {doc_id: 1 for doc_id, grade in grades.items() if grade >= level}
    if view == "bpref":
        judged |= {doc_id: 0 for doc_id, grade in grades.items() if 0 <= grade < level}
        if all(judged.values()):
            judged[""] = 0
    return judged


def _compute(
    judged: Sequence[Mapping[str, int]], rankings: Sequence[Ranking], group: Sequence[Measure]
) -> dict[str, NDArray[np.float64]]:
    """Let ranx compute measures that share their judgments; one value per query, in order."""
    qrels_array, run_array = _arrays(judged, rankings)
    bare = {measure.name: measure.name.removesuffix(f"-l{measure.level}") for measure in group}
    scores = _ranx(qrels_array, run_array, sorted(set(bare.values())))
    for name, metric in bare.items():
        if not np.isfinite(scores[metric]).all():
            raise DataError(f"'{name}' is not finite on these judgments; lower the largest grades")
    return {name: scores[metric] for name, metric in bare.items()}


def _arrays(
    judged: Sequence[Mapping[str, int]], rankings: Sequence[Ranking]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return qrels and run as ranx's arrays of (document number, value), one row set per query.

    Judged documents are numbered per query, by falling grade, which is the ideal order ranx
    expects; every other document has a number that no judged one has. Short lists are padded: a
    padded judgment is NaN, which is neither relevant nor not relevant, and a padded result is an
    unjudged document. Scores given to ranx fall strictly with the rank.
    """
    widest = max(map(len, judged))
    deepest = max(map(len, rankings))
    qrels_array = np.full((len(judged), widest, 2), (_PADDING, np.nan))
    run_array = np.full((len(judged), deepest, 2), _UNJUDGED)
    run_array[:, :, 1] = -np.arange(deepest)
    for row, (grades, ranking) in enumerate(zip(judged, rankings, strict=True)):
        falling = sorted(grades.items(), key=lambda item: (-item[1], item[0]))
        qrels_array[row, : len(falling), 0] = np.arange(len(falling))
        qrels_array[row, : len(falling), 1] = [grade for _, grade in falling]
        numbers = {doc_id: float(number) for number, (doc_id, _) in enumerate(falling)}
        run_array[row, : len(ranking), 0] = [
            numbers.get(doc_id, _UNJUDGED) for doc_id in ranking.doc_ids
        ]
    return qrels_array, run_array


def _ranx(
    qrels_array: NDArray[np.float64], run_array: NDArray[np.float64], metrics: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    # Here and not above: importing ranx takes over a second and sets numba's threading layer.
    import numba
    import ranx

    threads = numba.get_num_threads()
    try:
        with ALONE, warnings.catch_warnings():
            warnings.simplefilter("ignore", numba.NumbaTypeSafetyWarning)
            # The first metric stands twice because ranx fails on one metric without its mean.
            computed: dict[str, NDArray[np.float64]] = ranx.evaluate(
                qrels_array, run_array, [*metrics, metrics[0]], return_mean=False
            )
    finally:
        numba.set_num_threads(threads)  # ranx leaves it at 1 after fewer than ten queries
    return computed
