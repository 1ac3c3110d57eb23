"""Paired tests: textbook values, Holm's properties, degenerate cases."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import ConfigError, DataError
from colbench.measures.significance import compare_to_reference, holm

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def scores(values) -> dict[str, dict[str, float]]:
    return {"map": {f"q{number}": value for number, value in enumerate(values)}}


def against(reference, system, **options):
    results = compare_to_reference(
        "base", {"base": scores(reference), "new": scores(system)}, ["map"], **options
    )
    return results["new"]["map"]


def test_holm_gives_the_values_of_r_p_adjust():
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    # Holm's own kind of example, unsorted and with a cap at 1.
    assert holm([0.9, 0.001, 0.6]) == pytest.approx([1.0, 0.003, 1.0])
    assert holm([]) == []


@given(P_VALUES)
def test_holm_never_lowers_a_p_value_nor_leaves_the_unit_interval(p_values):
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert raw <= adjusted <= 1


@given(P_VALUES)
def test_holm_keeps_the_order_of_the_p_values(p_values):
    pairs = sorted(zip(p_values, holm(p_values), strict=True))
    adjusted = [value for _, value in pairs]
    assert adjusted == sorted(adjusted)


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.1]))
def test_holm_rejects_what_its_step_down_procedure_rejects(p_values, alpha):
    rejected = 0
    for place, p in enumerate(sorted(p_values)):
        if (len(p_values) - place) * p > alpha:
            break
        rejected += 1
    assert sum(value <= alpha for value in holm(p_values)) == rejected


def test_students_sleep_data_gives_the_textbook_p_value():
    # Student (1908), R's `sleep`: paired t = -4.0621, df = 9, p = 0.002833.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    result = against(first, second)
    assert result.difference == pytest.approx(1.58)
    assert result.p_value == pytest.approx(0.002833, abs=5e-7)
    assert result.p_holm == result.p_value
    assert result.significant
    assert (result.wins, result.ties, result.losses) == (9, 1, 0)


@given(st.lists(st.sampled_from([0.0, 0.5, -0.5, 0.25]), min_size=2, max_size=8))
def test_the_randomisation_test_counts_all_sign_patterns_of_few_queries(differences):
    observed = abs(sum(differences))
    patterns = list(product([1, -1], repeat=len(differences)))
    extreme = sum(
        abs(sum(s * d for s, d in zip(pattern, differences, strict=True))) >= observed
        for pattern in patterns
    )
    result = against([0.0] * len(differences), differences, test="fisher")
    assert result.p_value == pytest.approx(extreme / len(patterns))


def test_the_randomisation_test_repeats_itself_and_is_never_zero():
    random = np.random.default_rng(0)
    base = random.random(60)
    close = against(base, base + random.normal(0.02, 0.1, 60), test="fisher")
    random = np.random.default_rng(0)
    base = random.random(60)
    assert against(base, base + random.normal(0.02, 0.1, 60), test="fisher") == close
    assert 0 < against(base, base + 1 + random.random(60), test="fisher").p_value <= 1e-3


@pytest.mark.parametrize("test", ["student", "fisher"])
def test_identical_systems_have_p_1(test):
    result = against([0.1, 0.2, 0.3], [0.1, 0.2, 0.3 + 1e-12], test=test)
    assert (result.p_value, result.p_holm, result.significant) == (1.0, 1.0, False)
    assert (result.wins, result.ties, result.losses) == (0, 3, 0)


@pytest.mark.parametrize("test", ["student", "fisher"])
def test_a_single_query_cannot_be_tested(test):
    result = against([0.0], [1.0], test=test)
    assert (result.p_value, result.p_holm, result.significant) == (None, None, False)
    assert (result.difference, result.wins) == (1.0, 1)


@pytest.mark.parametrize("test", ["student", "fisher"])
@given(
    rows=st.lists(st.tuples(*[st.sampled_from([0.0, 0.1, 0.5, 1.0])] * 2), min_size=2, max_size=9)
)
def test_p_values_are_probabilities_and_counts_add_up(test, rows):
    base, system = zip(*rows, strict=True)
    result = against(base, system, test=test)
    reverse = against(system, base, test=test)
    assert 0 <= result.p_value <= result.p_holm <= 1
    assert result.p_value == pytest.approx(reverse.p_value)
    assert result.difference == pytest.approx(-reverse.difference)
    assert (result.wins, result.losses) == (reverse.losses, reverse.wins)
    assert result.wins + result.ties + result.losses == len(rows)


def test_the_correction_counts_every_system_and_measure():
    random = np.random.default_rng(1)

    def system(shift):
        values = random.random(30) + shift
        return scores(values) | {"mrr@10": scores(random.random(30) + shift)["map"]}

    per_query = {name: system(shift) for name, shift in [("a", 0.0), ("b", 0.2), ("c", 0.3)]}
    results = compare_to_reference("b", per_query, ["map", "mrr@10"])
    assert list(results) == ["a", "c"]
    assert [list(row) for row in results.values()] == [["map", "mrr@10"]] * 2
    cells = [cell for row in results.values() for cell in row.values()]
    assert [cell.p_holm for cell in cells] == holm([cell.p_value for cell in cells])
    smallest = min(cells, key=lambda cell: cell.p_value)
    assert smallest.p_holm == pytest.approx(4 * smallest.p_value)


def test_alpha_decides_what_is_significant():
    base, better = [0.0, 0.1, 0.2, 0.3], [0.2, 0.25, 0.3, 0.6]
    p = against(base, better).p_value
    assert against(base, better, alpha=p).significant
    assert not against(base, better, alpha=math.nextafter(p, 0)).significant


def test_queries_are_paired_by_id_and_not_by_position():
    per_query = {
        "base": {"map": {"q1": 0.0, "q2": 1.0}},
        "new": {"map": {"q2": 1.0, "q1": 0.0}},
    }
    assert compare_to_reference("base", per_query, ["map"])["new"]["map"].ties == 2


def test_systems_evaluated_on_different_queries_are_refused():
    per_query = {"base": {"map": {"q1": 0.0}}, "new": {"map": {"q2": 0.0}}}
    with pytest.raises(DataError, match="cannot compare 'new' with 'base' on 'map'"):
        compare_to_reference("base", per_query, ["map"])


def test_an_unknown_baseline_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match="unknown reference 'bm52': did you mean 'bm25'"):
        compare_to_reference("bm52", {"bm25": scores([0.1])}, ["map"])
