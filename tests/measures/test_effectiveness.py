"""Values per query equal trec_eval's, on every kind of run and judgment."""

from __future__ import annotations

import math

import ir_measures
import numba
import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, Bpref, P, R, Rprec, Success, nDCG

from colbench.errors import ConfigError, DataError
from colbench.measures.catalogue import DEFAULT_MEASURES
from colbench.measures.effectiveness import evaluate, mean_scores, warm_up
from colbench.run.model import Ranking, Run

TREC_EVAL = ir_measures.providers.registry["pytrec_eval"]
BURGES = {grade: 2**grade - 1 for grade in range(1, 4)}
SAME_IN_TREC_EVAL = {
    "ndcg@10": nDCG @ 10,
    "ndcg": nDCG,
    "ndcg_burges@10": nDCG(gains=BURGES) @ 10,
    "mrr": RR,
    "recall@100": R @ 100,
    "recall@1000": R @ 1000,
    "recall@3": R @ 3,
    "recall@3-l2": R(rel=2) @ 3,
    "map": AP,
    "map@5": AP @ 5,
    "map-l2": AP(rel=2),
    "precision@5": P @ 5,
    "precision@5-l2": P(rel=2) @ 5,
    "hit_rate@5": Success @ 5,
    "r-precision": Rprec,
    "r-precision-l2": Rprec(rel=2),
    "bpref": Bpref,
    "bpref-l2": Bpref(rel=2),
}
DOC_IDS = [f"d{number}" for number in range(14)]
QRELS = st.dictionaries(
    st.sampled_from([f"q{number}" for number in range(12)]),
    st.dictionaries(st.sampled_from(DOC_IDS), st.integers(-1, 3), min_size=1),
    min_size=1,
)
# A handful of scores makes ties; queries are missing, empty or unknown to the qrels.
RANKINGS = st.dictionaries(
    st.sampled_from([f"q{number}" for number in range(14)]),
    st.dictionaries(st.sampled_from(DOC_IDS), st.sampled_from([0.0, 0.5, 1.0, -1.0, 7.25])),
)
CAREFUL = settings(suppress_health_check=[HealthCheck.too_slow])


def as_run(scores) -> Run:
    return Run(
        "s", {query: Ranking.sort(list(row), list(row.values())) for query, row in scores.items()}
    )


def trec_eval(qrels, scores, measures):
    """measure → query → value; 0 for queries without results, which trec_eval leaves out.

    Queries with negative judgments only count 0 too: on those pytrec_eval 0.5.11 corrupts memory
    or never returns.
    """
    values = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    names = {str(measure): name for name, measure in measures.items()}
    judged = {query: row for query, row in qrels.items() if max(row.values()) >= 0}
    retrieved = {query: row for query, row in scores.items() if row}
    if judged and retrieved:
        for metric in TREC_EVAL.iter_calc(list(measures.values()), judged, retrieved):
            values[names[str(metric.measure)]][metric.query_id] = metric.value
    return values


def assert_close(actual, expected):
    assert actual.keys() == expected.keys()
    for name, row in expected.items():
        assert actual[name] == pytest.approx(row, abs=1e-6), name


@CAREFUL
@given(QRELS, RANKINGS)
def test_every_measure_equals_trec_eval(qrels, scores):
    actual = evaluate(qrels, as_run(scores), list(SAME_IN_TREC_EVAL))
    assert_close(actual, trec_eval(qrels, scores, SAME_IN_TREC_EVAL))


@CAREFUL
@given(QRELS, RANKINGS, st.integers(2, 3))
def test_a_level_of_ndcg_is_not_trec_evals_option(qrels, scores, level):
    """trec_eval's nDCG pays no heed to `-l`; here grades below the level gain nothing."""
    judged = {query: row for query, row in qrels.items() if max(row.values()) >= 0}
    retrieved = {query: row for query, row in scores.items() if row}
    plain, levelled = "ndcg@10", f"ndcg@10-l{level}"
    ours = evaluate(judged, as_run(scores), [plain, levelled])
    if judged and retrieved:
        evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10"}, relevance_level=level)
        for query, values in evaluator.evaluate(retrieved).items():
            assert ours[plain][query] == pytest.approx(values["ndcg_cut_10"], abs=1e-6)
    raised = {
        query: {doc: grade if grade >= level else 0 for doc, grade in row.items()}
        for query, row in judged.items()
    }
    assert_close({"x": ours[levelled]}, {"x": trec_eval(raised, scores, {"x": nDCG @ 10})["x"]})


@CAREFUL
@given(QRELS, RANKINGS, st.integers(1, 6))
def test_reciprocal_rank_at_k_is_trec_evals_up_to_rank_k(qrels, scores, k):
    whole = trec_eval(qrels, scores, {"mrr": RR})["mrr"]
    expected = {query: value if value >= 1 / k - 1e-9 else 0.0 for query, value in whole.items()}
    assert_close(evaluate(qrels, as_run(scores), [f"mrr@{k}"]), {f"mrr@{k}": expected})


def by_definition(qrels, scores, k, p):
    """The measures trec_eval lacks, straight from their formulas."""
    rows = {"rbp": {}, "hits": {}, "f1": {}, "dcg": {}, "dcg_burges": {}}
    for query, grades in qrels.items():
        ranked = sorted(scores.get(query, {}).items(), key=lambda item: item[::-1], reverse=True)
        gains = [max(grades.get(doc_id, 0), 0) for doc_id, _ in ranked]
        hits = sum(gain > 0 for gain in gains[:k])
        relevant = sum(grade > 0 for grade in grades.values())
        places = list(enumerate(gains))
        rows["rbp"][query] = (1 - p) * sum(p**place for place, gain in places if gain)
        rows["hits"][query] = hits
        rows["f1"][query] = 2 * hits / (k + relevant)
        rows["dcg"][query] = sum(gain / math.log2(place + 2) for place, gain in places[:k])
        rows["dcg_burges"][query] = sum(
            (2**gain - 1) / math.log2(place + 2) for place, gain in places[:k]
        )
    return rows


@CAREFUL
@given(QRELS, RANKINGS, st.integers(1, 20))
def test_measures_that_trec_eval_lacks_equal_their_definition(qrels, scores, k):
    names = {f"{metric}@{k}": metric for metric in ("hits", "f1", "dcg", "dcg_burges")}
    names["rbp.8"] = "rbp"
    expected = by_definition(qrels, scores, k, 0.8)
    actual = evaluate(qrels, as_run(scores), list(names))
    assert_close(actual, {name: expected[metric] for name, metric in names.items()})


@CAREFUL
@given(QRELS, RANKINGS, st.randoms(use_true_random=False))
def test_the_order_of_queries_and_judgments_changes_nothing(qrels, scores, random):
    def shuffled(mapping):
        return dict(random.sample(list(mapping.items()), len(mapping)))

    names = ["ndcg@10", "map", "bpref"]
    mixed = {query: shuffled(row) for query, row in shuffled(qrels).items()}
    expected = evaluate(qrels, as_run(scores), names)
    actual = evaluate(mixed, as_run(shuffled(scores)), names)
    assert actual == expected
    assert mean_scores(actual) == mean_scores(expected)
    assert list(actual["map"]) == list(mixed)


@CAREFUL
@given(QRELS, RANKINGS)
def test_values_do_not_depend_on_which_measures_are_asked_for_together(qrels, scores):
    names = ["rbp.95", "ndcg@10", "recall@3-l2", "bpref"]
    together = evaluate(qrels, as_run(scores), names)
    assert list(together) == names
    assert together == {name: evaluate(qrels, as_run(scores), [name, name])[name] for name in names}


def test_hash_collisions_of_ids_do_not_exist():
    assert hash(-1) == hash(-2)  # what ranx's own conversion compares documents by
    qrels = {"q": {"-1": 1}}
    run = as_run({"q": {"-2": 2.0, "-1": 1.0}})
    assert evaluate(qrels, run, ["mrr@10"])["mrr@10"] == {"q": 0.5}


def test_precision_divides_by_the_cutoff_even_where_fewer_documents_were_retrieved():
    run = as_run({"q": {"a": 1.0}})
    assert evaluate({"q": {"a": 1}}, run, ["precision@5"])["precision@5"] == {"q": 0.2}


def test_queries_without_any_results_or_relevant_documents_count_zero():
    qrels = {"q1": {"a": 1}, "q2": {"a": 0}, "q3": {"a": -1}}
    run = as_run({"q1": {}, "q2": {"a": 1.0}, "q3": {"a": 1.0}})
    names = [*DEFAULT_MEASURES, "bpref", "rbp.95"]
    values = evaluate(qrels, run, names)
    assert values == {name: {"q1": 0.0, "q2": 0.0, "q3": 0.0} for name in names}
    assert mean_scores(values)["ndcg@10"] == 0.0


def test_an_unknown_measure_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'ndcg@10'"):
        evaluate({"q": {"a": 1}}, as_run({"q": {"a": 1.0}}), ["ndgc@10"])


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="'ndcg_burges@10' is not finite"):
        evaluate({"q": {"a": 5000}}, as_run({"q": {"a": 1.0}}), ["ndcg_burges@10"])


def test_evaluating_few_queries_leaves_numbas_threads_as_they_were():
    before = numba.config.NUMBA_NUM_THREADS
    numba.set_num_threads(before)
    evaluate({"q": {"a": 1}}, as_run({"q": {"a": 1.0}}), ["map"])
    assert numba.get_num_threads() == before


def test_nothing_is_compiled_after_the_warm_up():
    from ranx.metrics import average_precision, ndcg, recall, reciprocal_rank

    modules = [average_precision, ndcg, recall, reciprocal_rank]
    kernels = [
        value
        for function in modules
        for name, value in function.__globals__.items()
        if name.endswith("_parallel")
    ]
    warm_up()
    compiled = [len(kernel.signatures) for kernel in kernels]
    assert sum(compiled) >= 4
    qrels = {f"q{number}": {"a": 2, "b": 1, "c": -1} for number in range(50)}
    run = as_run({query: {"a": 1.0, "b": 2.0, "z": 3.0} for query in qrels})
    evaluate(qrels, run, DEFAULT_MEASURES)
    assert [len(kernel.signatures) for kernel in kernels] == compiled


def test_a_negative_grade_gains_what_an_unjudged_document_gains():
    run = Run("x", {"q": Ranking.sort(["spam", "good"], [2.0, 1.0])})
    measures = ["ndcg@10", "ndcg_burges@10", "recall@100", "map"]
    assert evaluate({"q": {"good": 2, "spam": -2}}, run, measures) == evaluate(
        {"q": {"good": 2}}, run, measures
    )


@pytest.mark.parametrize("depth", [10, 100])
def test_a_cut_off_takes_the_last_document_within_it_and_none_beyond(depth):
    docs = [f"d{number:04}" for number in range(2 * depth)]
    run = Run("x", {"q": Ranking.sort(docs, [float(-n) for n in range(len(docs))])})
    for place, found in ((depth - 1, 1.0), (depth, 0.0)):
        values = evaluate({"q": {docs[place]: 1}}, run, [f"recall@{depth}", f"hit_rate@{depth}"])
        assert {values[name]["q"] for name in values} == {found}
