"""Names of measures are checked before any work."""

from __future__ import annotations

import pytest

from colbench.errors import ConfigError
from colbench.measures.catalogue import (
    DEFAULT_MEASURES,
    METRICS,
    check_measures,
    cutoff,
    ignores_order,
    level_note,
    parse,
)


def test_the_default_measures_and_every_form_of_name_are_accepted():
    check_measures(
        [*DEFAULT_MEASURES, "precision@5", "hit_rate@10", "ndcg_burges@10", "bpref", "rbp.95"]
    )
    check_measures(["recall@100-l2", "r-precision", "r-precision-l3", "map-l2", "rbp.8-l2"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ndgc@10", "unknown measure 'ndgc@10': did you mean 'ndcg@10'?"),
        ("nDCG@10", "unknown measure 'nDCG@10': did you mean 'ndcg@10'?"),
        ("ndcg@0", "unknown measure 'ndcg@0': did you mean 'ndcg@10'?"),
        ("ndcg@", "unknown measure 'ndcg@': did you mean 'ndcg@10'?"),
        ("ndcg@10-l0", "unknown measure 'ndcg@10-l0': did you mean 'ndcg@10'?"),
        ("ndcg@10 ", "unknown measure 'ndcg@10 ': did you mean 'ndcg@10'?"),
        ("rbp.0", "unknown measure 'rbp.0': did you mean 'rbp.95'?"),
        ("ap", "unknown measure 'ap': did you mean 'map'?"),
        ("precision", "measure 'precision' cannot be computed: write 'precision@10' instead"),
        ("rbp", "measure 'rbp' cannot be computed: write 'rbp.95' instead"),
        ("bpref@10", "measure 'bpref@10' cannot be computed: write 'bpref' instead"),
        ("ndcg.10", "measure 'ndcg.10' cannot be computed: write 'ndcg@10' instead"),
    ],
)
def test_a_name_that_is_no_measure_says_what_was_meant(name, message):
    with pytest.raises(ConfigError) as caught:
        check_measures(["ndcg@10", name])
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["", "@10", "P@5", "-l2", "ndcg@99999999999999999999"])
def test_other_names_are_refused_too(name):
    with pytest.raises(ConfigError, match="unknown measure"):
        parse(name)


def test_a_cutoff_is_the_number_after_the_at_sign():
    assert [cutoff(name) for name in ("ndcg@10", "recall@1000-l2", "map", "rbp.95")] == [
        10,
        1000,
        None,
        None,
    ]


def test_the_catalogue_holds_every_metric_that_ranx_knows():
    from ranx.metrics import metric_switch

    assert {metric_switch(name).__name__ for name in METRICS} == {
        *("average_precision", "bpref", "dcg", "dcg_burges", "f1", "hit_rate", "hits", "ndcg"),
        *("ndcg_burges", "precision", "r_precision", "rank_biased_precision", "recall"),
        "reciprocal_rank",
    }


def test_a_level_of_a_measure_of_gains_is_told_from_trec_evals():
    assert level_note(["ndcg@10", "map-l2", "recall@100-l2"]) is None
    note = level_note(["ndcg@10-l2", "map", "dcg-l3"])
    assert note.startswith("ndcg@10-l2, dcg-l3: grades below the level gain nothing")
    assert note.endswith("ignores its option -l 2: that value is ndcg@10")


@pytest.mark.parametrize(
    ("name", "depth", "documents", "ignores"),
    [
        ("recall@1000", 300, 300, True),
        ("recall@300", 300, 300, True),
        ("recall@299", 300, 300, False),
        ("recall", 300, 300, True),
        ("recall", 100, 300, False),
        ("recall@1000-l2", 300, 300, True),
        ("hit_rate@1000", 300, 300, True),
        ("precision@300", 300, 300, True),
        ("ndcg@1000", 300, 300, False),
        ("mrr", 300, 300, False),
    ],
)
def test_what_looks_at_a_whole_collection_sees_no_ranking(name, depth, documents, ignores):
    assert ignores_order(name, depth, documents) is ignores
