"""What tests show, in words, of results of this and of an earlier colbench."""

from __future__ import annotations

import pytest

from colbench.measures.significance import Significance
from colbench.results.verdicts import primary_measure, told, too_few_queries


def significance(**fields):
    values = {
        **{"difference": 0.02, "p_value": 0.0021, "p_holm": 0.0042, "significant": True},
        **{"wins": 30, "ties": 10, "losses": 10, "primary": True},
    }
    return Significance(**{**values, **fields})


def with_test(results, test, measure="ndcg@10"):
    row = results.systems[1].model_copy(update={"significance": {measure: test}})
    return results.model_copy(update={"systems": [results.systems[0], row]})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"verdict": "better"}, "significantly better (p = 0.004, Holm)"),
        ({"verdict": "worse", "p_holm": 1e-5}, "significantly worse (p < 0.001, Holm)"),
        ({"verdict": "alike"}, "no difference of 0.5 points or more"),
        ({"verdict": "open"}, "too few queries to tell"),
        (
            {"verdict": "open", "more_queries": 1234},
            "too few queries to tell: about 1,234 more queries would decide",
        ),
        ({"verdict": "open", "more_queries": 1}, "too few queries to tell: about 1 more query"),
        ({"verdict": None}, "a significant difference (p = 0.004, Holm)"),
        ({"verdict": None, "significant": False}, "not a significant difference (p = 0.004, Holm)"),
    ],
)
def test_a_verdict_is_told_in_words(example_results, fields, words):
    assert told(significance(**fields), example_results).startswith(words)


def test_the_primary_measure_is_the_first_or_what_the_results_say(example_results):
    assert primary_measure(example_results) == example_results.measures[0]
    named = example_results.model_copy(update={"primary": "mrr@10"})
    assert primary_measure(named) == "mrr@10"
    assert primary_measure(example_results.model_copy(update={"measures": []})) is None


@pytest.mark.parametrize(("wins", "few"), [(5, True), (6, False)])
def test_too_few_queries_for_any_test_are_told(example_results, wins, few):
    primary = example_results.measures[0]
    test = significance(wins=wins, ties=0, losses=0)
    sentence = too_few_queries(with_test(example_results, test, primary))
    assert (sentence is not None) == few
    if few:
        assert sentence == (
            "too few queries to tell: 5 cannot show any difference, 1 test at level 0.05 needs at "
            "least 6"
        )
