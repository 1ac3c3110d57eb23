"""Paired tests: textbook values, Holm's properties, degenerate cases."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import ConfigError, DataError
from colbench.measures.bootstrap import mean_difference
from colbench.measures.significance import compare_to_reference, holm, least_queries

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


def three_systems(queries=30):
    random = np.random.default_rng(1)

    def system(shift):
        values = random.random(queries) + shift
        return scores(values) | {"mrr@10": scores(random.random(queries) + shift)["map"]}

    return {name: system(shift) for name, shift in [("a", 0.0), ("b", 0.2), ("c", 0.3)]}


def test_the_primary_measure_is_corrected_over_the_systems_and_the_others_among_themselves():
    per_query = three_systems()
    for values in per_query.values():
        values["recall@5"] = {query: value / 2 for query, value in values["mrr@10"].items()}
    results = compare_to_reference("b", per_query, ["map", "mrr@10", "recall@5"])
    assert list(results) == ["a", "c"]
    assert [list(row) for row in results.values()] == [["map", "mrr@10", "recall@5"]] * 2
    cells = [(name, cell) for row in results.values() for name, cell in row.items()]
    for primary in (True, False):
        family = [cell for name, cell in cells if (name == "map") == primary]
        assert {cell.primary for cell in family} == {primary}
        assert [cell.p_holm for cell in family] == holm([cell.p_value for cell in family])
        smallest = min(family, key=lambda cell: cell.p_value)
        assert smallest.p_holm == pytest.approx(min(len(family) * smallest.p_value, 1))


def test_another_measure_than_the_first_can_be_the_primary_one():
    results = compare_to_reference("b", three_systems(), ["map", "mrr@10"], primary="mrr@10")
    assert {name: cell.primary for name, cell in results["a"].items()} == {
        "map": False,
        "mrr@10": True,
    }


def test_further_measures_change_nothing_about_the_primary_one():
    """Nine wins and one loss stay significant however many measures stand beside them."""
    base = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.1, 0.2, 0.3, 0.4]
    gains = [0.3, 0.2, 0.1, 0.15, 0.1, 0.2, 0.05, 0.12, -0.1, 0.1]
    new = [value + gain for value, gain in zip(base, gains, strict=True)]
    per_query = {"base": scores(base), "new": scores(new)}
    alone = compare_to_reference("base", per_query, ["map"])["new"]["map"]
    names = [f"recall@{k}" for k in range(1, 30)]
    for values in per_query.values():
        values |= {name: dict.fromkeys(values["map"], 1.0) for name in names}
    beside = compare_to_reference("base", per_query, ["map", *names])["new"]
    assert beside["map"] == alone
    assert alone.significant and (alone.wins, alone.losses, alone.verdict) == (9, 1, "better")


def test_what_differs_on_no_query_is_not_counted():
    per_query = three_systems()
    alone = compare_to_reference("b", per_query, ["map", "mrr@10"])
    for values in per_query.values():
        values["recall@1000"] = dict.fromkeys(values["map"], 1.0)
    beside = compare_to_reference("b", per_query, ["map", "mrr@10", "recall@1000"])
    for system in ("a", "c"):
        assert beside[system]["mrr@10"] == alone[system]["mrr@10"]
        same = beside[system]["recall@1000"]
        assert (same.p_value, same.p_holm, same.significant) == (1.0, 1.0, False)
        assert (same.low, same.high, same.verdict) == (0.0, 0.0, "alike")


def test_a_measure_that_says_nothing_of_a_ranking_is_compared_and_not_tested():
    per_query = three_systems()
    alone = compare_to_reference("b", per_query, ["map"])
    found = compare_to_reference("b", per_query, ["map", "mrr@10"], untested=["mrr@10"])
    for system in ("a", "c"):
        bare = found[system]["mrr@10"]
        assert (bare.p_value, bare.p_holm, bare.significant, bare.verdict) == (*[None] * 2, 0, None)
        assert bare.difference and bare.low < bare.difference < bare.high
        assert found[system]["map"] == alone[system]["map"]


def test_alpha_decides_what_is_significant():
    base = [0.0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4]
    better = [0.2, 0.25, 0.3, 0.6, 0.2, 0.1, 0.5, 0.5]
    p = against(base, better).p_value
    assert against(base, better, alpha=p).significant
    assert not against(base, better, alpha=math.nextafter(p, 0)).significant


@pytest.mark.parametrize(("queries", "significant"), [(3, False), (5, False), (6, True)])
def test_queries_that_random_signs_explain_show_nothing(queries, significant):
    """Equal differences have p = 0 in a t test, of three queries as of three hundred."""
    result = against([0.1] * queries, [0.6] * queries)
    assert result.p_value < 1e-6
    assert result.significant is significant
    assert result.verdict == ("better" if significant else "open")


def test_the_interval_is_that_of_a_comparison():
    random = np.random.default_rng(2)
    base, new = random.random(40), random.random(40)
    found, interval = against(base, new), mean_difference(new, base)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_difference_is_none_only_where_the_interval_says_so():
    random = np.random.default_rng(3)
    base = random.random(400)
    noise = random.normal(0, 1, 400)
    noise -= noise.mean()
    assert against(base, base + 0.001 * noise).verdict == "alike"
    wide = against(base, base + 0.3 * noise)
    assert (wide.verdict, wide.more_queries) == ("open", None)  # no difference to be shown
    leaning = against(base, base + 0.3 * noise + 0.01)
    assert leaning.verdict == "open" and leaning.more_queries > 400
    # So many more queries of the same kind show it, and half as many do not.
    for share, told in ((1.15, "better"), (0.5, "open")):
        times = int(share * (1 + leaning.more_queries / 400))
        more = np.tile(0.3 * noise + 0.01, times)
        assert against(np.zeros(len(more)), more).verdict == told
    assert against(base, base + 0.3 * noise, margin=0.1).verdict == "alike"


@pytest.mark.parametrize("test", ["student", "fisher"])
def test_fewer_queries_than_the_least_are_never_significant(test):
    random = np.random.default_rng(0)
    for queries in range(2, 12):
        base = random.random(queries)
        new = base + 0.5 + 0.01 * random.random(queries)
        shown = against(base, new, test=test).significant
        assert shown == (queries >= least_queries(1, 0.05))


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
