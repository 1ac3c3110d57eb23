"""Rank intervals: what the paired tests of all pairs leave open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from colbench.errors import DataError
from colbench.measures.ranks import rank_intervals
from colbench.measures.significance import holm


def scores(values):
    return {
        system: {"map": {f"q{n}": float(value) for n, value in enumerate(row)}}
        for system, row in values.items()
    }


def of_map(values, **how):
    return {
        name: ranks["map"] for name, ranks in rank_intervals(scores(values), ["map"], **how).items()
    }


def test_systems_that_are_told_apart_have_a_rank_each():
    noise = np.random.default_rng(1).normal(0, 0.01, (3, 50))
    values = {"b": 0.5 + noise[0], "a": 0.9 + noise[1], "c": 0.1 + noise[2]}
    assert of_map(values) == {"b": (2, 2), "a": (1, 1), "c": (3, 3)}


def test_systems_of_equal_values_share_all_ranks():
    row = np.linspace(0, 1, 30)
    assert of_map({"a": row, "b": row, "c": row}) == dict.fromkeys("abc", (1, 3))


def test_two_that_cannot_be_told_apart_share_the_ranks_above_a_third():
    row = np.linspace(0.4, 1, 40)
    values = {
        "a": row,
        "b": row + np.resize([0.02, -0.02], 40),
        "c": row - np.resize([0.3, 0.31], 40),
    }
    assert of_map(values) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_too_few_queries_tell_nothing_apart():
    assert of_map({"a": [0.9, 0.91, 0.92], "b": [0.1, 0.11, 0.12]}) == {"a": (1, 2), "b": (1, 2)}
    assert of_map({"a": [1.0], "b": [0.0]}) == {"a": (1, 2), "b": (1, 2)}


def test_the_randomisation_test_ranks_too():
    noise = np.random.default_rng(2).normal(0, 0.01, (2, 30))
    ranks = of_map({"a": 0.5 + noise[0], "b": 0.4 + noise[1]}, test="fisher")
    assert ranks == {"a": (1, 1), "b": (2, 2)}


def test_a_measure_that_says_nothing_of_a_ranking_gives_no_rank():
    values = scores({"a": [0.1, 0.2], "b": [0.2, 0.3]})
    assert rank_intervals(values, ["map"], untested=["map"]) == {"a": {}, "b": {}}


def test_a_single_system_has_no_rank():
    assert rank_intervals(scores({"a": [0.1, 0.2]}), ["map"]) == {"a": {}}


def test_a_system_without_the_measure_is_not_ranked_by_it():
    values = scores({"a": np.linspace(0, 1, 20), "b": np.linspace(0, 1, 20)})
    ranks = rank_intervals({**values, "deep": {"mrr@10": {"q0": 1.0}}}, ["map"])
    assert ranks == {"a": {"map": (1, 2)}, "b": {"map": (1, 2)}, "deep": {}}


def test_systems_of_different_queries_are_refused():
    values = scores({"a": [0.1, 0.2]}) | scores({"b": [0.1, 0.2, 0.3]})
    with pytest.raises(DataError, match="different queries"):
        rank_intervals(values, ["map"])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_ranks_agree_with_scipys_tests_of_every_pair(seed, systems):
    rng = np.random.default_rng(seed)
    rows = rng.normal(rng.normal(0, 0.3, (systems, 1)), 0.5, (systems, 40))
    pairs = [(i, j) for i in range(systems) for j in range(i + 1, systems)]
    corrected = holm([float(ttest_rel(rows[i], rows[j]).pvalue) for i, j in pairs])
    apart = {pair for pair, p in zip(pairs, corrected, strict=True) if p <= 0.05}
    better = np.zeros((systems, systems), bool)
    for i, j in apart:
        up, down = (i, j) if rows[i].mean() > rows[j].mean() else (j, i)
        better[up, down] = True
    expected = {
        str(n): (1 + int(better[:, n].sum()), systems - int(better[n].sum()))
        for n in range(systems)
    }
    assert of_map({str(n): row for n, row in enumerate(rows)}) == expected
