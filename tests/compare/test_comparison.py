"""What a comparison finds: pairs, tests, costs, changes, queries that moved; what it refuses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from comparable import QUERIES, VALUES, opened, results_of, write_as_before
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from colbench.compare.changes import changes
from colbench.compare.compute import compare
from colbench.compare.record import Comparison
from colbench.errors import ConfigError, DataError, StorageError
from colbench.measures.bootstrap import mean_difference
from colbench.measures.significance import holm

BETTER = {
    "bm25": {"ndcg@10": [0.2, 0.5, 0.6, 0.4], "mrr@10": [0.1, 0.25, 1.0, 0.5]},
    "colbert_exact": {"ndcg@10": [0.4, 0.5, 0.7, 0.3], "mrr@10": [0.25, 0.5, 0.5, 1.0]},
}


@pytest.fixture
def a(example_results):
    return results_of(example_results)


@pytest.fixture
def b(example_results):
    return results_of(example_results, BETTER)


def change_of(comparison, system, measure):
    (pair,) = [pair for pair in comparison.pairs if pair.a == system]
    (found,) = [change for change in pair.effectiveness if change.measure == measure]
    return found


def test_every_measure_has_means_a_test_and_an_interval(a, b):
    comparison = compare(opened(a), opened(b))
    p_values = []
    for system in VALUES:
        for measure in ("ndcg@10", "mrr@10"):
            first, second = VALUES[system][measure], BETTER[system][measure]
            found = change_of(comparison, system, measure)
            assert (found.a, found.b) == pytest.approx((np.mean(first), np.mean(second)))
            assert found.difference == pytest.approx(np.mean(second) - np.mean(first))
            interval = mean_difference(second, first)
            assert (found.low, found.high) == (interval.low, interval.high)
            wins = sum(y > x for x, y in zip(first, second, strict=True))
            losses = sum(y < x for x, y in zip(first, second, strict=True))
            assert (found.wins, found.ties, found.losses) == (wins, 4 - wins - losses, losses)
            p_values.append(found.p_value)
    assert p_values[0] == pytest.approx(
        ttest_rel(BETTER["bm25"]["ndcg@10"], [0.1, 0.5, 0.9, 0.0])[1]
    )


def test_the_primary_measure_is_corrected_by_itself_and_so_are_the_others(a, b):
    comparison = compare(opened(a), opened(b))
    assert comparison.primary == "ndcg@10"
    for measure in ("ndcg@10", "mrr@10"):
        changes = [change_of(comparison, system, measure) for system in VALUES]
        assert {change.primary for change in changes} == {measure == "ndcg@10"}
        counted = [change for change in changes if change.wins or change.losses]
        corrected = holm([change.p_value for change in counted])
        assert [change.p_holm for change in counted] == corrected
    # What differs on no query could never be shown, and is not counted.
    same = change_of(comparison, "colbert_exact", "ndcg@10")
    assert (same.wins, same.losses, same.p_holm) == (0, 0, 1.0)
    lone = change_of(comparison, "bm25", "ndcg@10")
    assert lone.p_holm == lone.p_value


def test_four_queries_are_too_few_to_tell(a, b):
    comparison = compare(opened(a), opened(b), alpha=0.9)
    assert change_of(comparison, "bm25", "ndcg@10").significant
    comparison = compare(opened(a), opened(b))
    (told,) = [note for note in comparison.notes if "too few" in note]
    assert told.startswith("too few queries to tell: 4 cannot show any difference, 2 tests")
    found = change_of(comparison, "bm25", "ndcg@10")
    assert (found.verdict, found.significant) == ("open", False) and found.more_queries > 0


def test_the_other_way_round_everything_is_mirrored(a, b):
    there, back = compare(opened(a), opened(b)), compare(opened(b), opened(a))
    for one, other in zip(there.pairs, back.pairs, strict=True):
        for x, y in zip(one.effectiveness, other.effectiveness, strict=True):
            assert (x.a, x.difference, x.wins) == pytest.approx((y.b, -y.difference, y.losses))
            assert (x.low, x.high) == pytest.approx((-y.high, -y.low), abs=1e-9)
            assert (x.p_value, x.p_holm) == pytest.approx((y.p_value, y.p_holm))
        assert [query.id for query in one.drops] == [query.id for query in other.rises]
        assert [query.id for query in one.rises] == [query.id for query in other.drops]


def test_equal_checksums_are_identical_runs(a, b):
    assert [pair.identical for pair in compare(opened(a), opened(a)).pairs] == [True, True]
    assert [pair.identical for pair in compare(opened(a), opened(b)).pairs] == [False, False]
    (pair,) = compare(opened(a), opened(b), ["bm25=colbert_exact"]).pairs
    assert pair.identical is None  # the name is part of the file


def test_values_in_files_of_their_own_count_as_those_in_the_results(a, b, tmp_path):
    before = write_as_before(a, tmp_path)
    old, new = compare(before, opened(b)), compare(opened(a), opened(b))
    for x, y in zip(old.pairs, new.pairs, strict=True):
        assert x.effectiveness == y.effectiveness
        assert [query.id for query in x.drops] == [query.id for query in y.drops]
        assert all(query.text == f"text of {query.id}" for query in x.drops)
        assert all(query.first_a is None and query.first_b for query in x.drops if query.id != "q3")
    assert any("A was written before" in note for note in old.notes)
    assert not any("was written before" in note for note in new.notes)


def test_without_values_of_queries_the_means_remain_and_the_rest_is_said_to_be_missing(
    a, b, tmp_path
):
    before = write_as_before(a, tmp_path)
    (tmp_path / "per_query" / "bm25.json").unlink()
    comparison = compare(before, opened(b))
    found = change_of(comparison, "bm25", "ndcg@10")
    assert found.difference == pytest.approx(0.05)
    assert found.low is found.p_value is found.p_holm is found.wins is found.significant is None
    untested, tested = comparison.pairs
    assert "A has no per-query values" in untested.notes[0]
    assert "per_query/bm25.json" in untested.notes[0]
    assert (untested.moved_by, untested.drops) == (None, [])
    assert tested.notes == [] and tested.effectiveness[0].p_value is not None


def test_damaged_values_are_refused_in_one_line(a, b, tmp_path):
    before = write_as_before(a, tmp_path)
    (tmp_path / "per_query" / "bm25.json").write_text('{"ndcg@10": [1]}', encoding="utf-8")
    with pytest.raises(StorageError, match=r"bm25\.json does not hold values of queries"):
        compare(before, opened(b))
    short = {"bm25": {"ndcg@10": [0.1]}}
    with pytest.raises(StorageError, match=r"1 values of ndcg@10 for 4 queries"):
        compare(opened(results_of(a, short)), opened(b))


def test_the_queries_that_moved_most_come_first_and_ties_not_at_all(a, b):
    (pair, _) = compare(opened(a), opened(b)).pairs
    assert pair.moved_by == "ndcg@10"
    assert [(q.id, round(q.difference, 6)) for q in pair.rises] == [("q4", 0.4), ("q1", 0.1)]
    assert [(q.id, round(q.difference, 6)) for q in pair.drops] == [("q3", -0.3)]
    first = pair.rises[0]
    assert (first.a, first.b, first.text) == (0.0, 0.4, "text of q4")
    assert (first.first_a.id, first.first_a.title, first.first_a.grade) == ("d0", "title 0", 2)
    assert pair.drops[0].first_a is None  # no documents are shown for q3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_queries_are_kept_than_asked_for(a, b, count):
    (pair, _) = compare(opened(a), opened(b), queries=count).pairs
    assert [query.id for query in pair.rises] == ["q4", "q1"][:count]
    assert [query.id for query in pair.drops] == ["q3"][:count]


def with_collection(results, **update):
    collection = results.collection.model_copy(update=update)
    return results.model_copy(update={"collection": collection})


def test_other_documents_or_judgments_are_refused(a, b):
    with pytest.raises(DataError, match="their documents or judgments differ") as error:
        compare(opened(a, "here"), opened(with_collection(b, fingerprint="0" * 64), "there"))
    assert "cannot compare here with there" in str(error.value)
    assert "\n" not in str(error.value)


def test_other_queries_are_refused_and_the_missing_ones_named(a, b):
    values = {"bm25": {"ndcg@10": [0.1, 0.2], "mrr@10": [0.1, 0.2]}}
    fewer = results_of(
        b, values, queries=[*b.queries[:1], b.queries[1].model_copy(update={"id": "x"})]
    )
    fewer = with_collection(fewer, fingerprint="0" * 64, name="other")
    with pytest.raises(DataError) as error:
        compare(opened(a), opened(fewer))
    assert "A searched made/up, B other" in str(error.value)
    assert "3 missing in B: q2, q3, q4" in str(error.value)
    assert "1 missing in A: x" in str(error.value)


def test_values_of_other_queries_are_refused_whatever_the_fingerprint_says(a, b, tmp_path):
    before = write_as_before(a, tmp_path)
    one = '{"ndcg@10": {"q1": 0.1}, "mrr@10": {"q1": 0.1}}'
    (tmp_path / "per_query" / "bm25.json").write_text(one, encoding="utf-8")
    with pytest.raises(DataError, match="3 missing in A: q2, q3, q4"):
        compare(before, opened(b))


def test_named_pairs_are_compared_and_no_others(a, b):
    comparison = compare(opened(a), opened(b), ["bm25=colbert_exact", "bm25"])
    assert [(pair.a, pair.b) for pair in comparison.pairs] == [
        ("bm25", "colbert_exact"),
        ("bm25", "bm25"),
    ]
    assert comparison.unpaired == []


def test_two_systems_of_one_run_are_compared(a):
    comparison = compare(opened(a), opened(a), ["bm25=colbert_exact"])
    found = change_of(comparison, "bm25", "mrr@10")
    assert (found.a, found.b) == pytest.approx((0.325, 0.55))
    assert comparison.environment == comparison.config == []


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("nbits=2=nbits=4, dims=96", ("nbits=2", "nbits=4, dims=96")),
        ("nbits=2", ("nbits=2", "nbits=2")),
        ("bm25=nbits=2", ("bm25", "nbits=2")),
        ("nbits=4, dims=96=bm25", ("nbits=4, dims=96", "bm25")),
    ],
)
def test_names_with_equals_signs_can_be_paired(example_results, pair, expected):
    one = VALUES["bm25"]
    results = results_of(example_results, {"bm25": one, "nbits=2": one, "nbits=4, dims=96": one})
    (found,) = compare(opened(results), opened(results), [pair]).pairs
    assert (found.a, found.b) == expected


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("bm52=bm25", "no system 'bm52' in A: did you mean 'bm25'"),
        ("bm25=colbrt_exact", "no system 'colbrt_exact' in B: did you mean 'colbert_exact'"),
        ("bm52", "no system 'bm52' in A"),
        ("bm25_cross_encoder", "'bm25_cross_encoder' was skipped in A: weights are not here"),
    ],
)
def test_a_pair_that_cannot_be_had_is_refused(a, example_results, pair, message):
    skipped = example_results.systems[2]
    results = a.model_copy(update={"systems": [*a.systems, skipped]})
    with pytest.raises(ConfigError, match=message):
        compare(opened(results), opened(results), [pair])


def test_systems_of_one_side_are_listed_with_the_reason(a, b, example_results):
    skipped = example_results.systems[2]
    other = results_of(b, {"bm25": BETTER["bm25"], "hybrid": BETTER["bm25"]})
    comparison = compare(
        opened(a.model_copy(update={"systems": [*a.systems, skipped]})),
        opened(other.model_copy(update={"systems": [*other.systems, skipped]})),
    )
    assert {found.system: found.reason for found in comparison.unpaired} == {
        "colbert_exact": "not in B",
        "hybrid": "not in A",
        "bm25_cross_encoder": "skipped in both: weights are not here",
    }


def test_results_without_a_common_system_are_refused_and_theirs_named(a, b):
    other = results_of(b, {"hybrid": BETTER["bm25"]})
    with pytest.raises(ConfigError, match=r"A has bm25, colbert_exact; B has hybrid"):
        compare(opened(a), opened(other))


def test_a_measure_of_one_side_is_left_out_and_named(a, b):
    comparison = compare(opened(a), opened(b.model_copy(update={"measures": ["ndcg@10", "map"]})))
    assert comparison.measures == ["ndcg@10"]
    assert "measures of A alone, not compared: mrr@10" in comparison.notes
    assert "measures of B alone, not compared: map" in comparison.notes


def costs_of(pair):
    return {change.cost: (change.a, change.b, change.ratio) for change in pair.costs}


def with_first(results, **update):
    first = results.systems[0].model_copy(update=update)
    return results.model_copy(update={"systems": [first, *results.systems[1:]]})


def test_costs_stand_beside_each_other_with_their_ratio(a, b):
    index = b.systems[0].index.model_copy(update={"bytes": 20})
    changed = with_first(b, index=index, build_seconds=None, throughput_qps=450.0)
    costs = costs_of(compare(opened(a), opened(changed)).pairs[0])
    assert costs["index_bytes"] == (80, 20, 0.25)
    assert costs["throughput_qps"] == (900, 450, 0.5)
    assert costs["build_seconds"] == (0.5, None, None)
    assert costs["search_p95_ms"] == (2, 2, 1)


def test_nothing_is_divided_by_zero(a, b):
    costs = costs_of(compare(opened(with_first(a, build_seconds=0.0)), opened(b)).pairs[0])
    assert costs["build_seconds"] == (0, 0.5, None)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("threads", 8, "threads 2 and 8"),
        ("cpu", "another", "cpu a processor and another"),
        ("accelerator", "a GPU", "accelerator none and a GPU"),
    ],
)
def test_times_of_unlike_machines_are_not_comparable(a, b, field, value, told):
    environment = b.environment.model_copy(update={field: value})
    comparison = compare(opened(a), opened(b.model_copy(update={"environment": environment})))
    assert not any(pair.times_comparable for pair in comparison.pairs)
    assert any("times are not comparable" in n and told in n for n in comparison.notes)
    assert [change.key for change in comparison.environment] == [field]


def test_times_beside_a_busy_process_are_not_comparable(a, b):
    first, second = compare(opened(a), opened(with_first(b, other_cpu_share=0.4))).pairs
    assert not first.times_comparable and second.times_comparable
    assert "in B other processes used 40% of the cores" in first.cost_notes[0]
    assert compare(opened(a), opened(with_first(b, other_cpu_share=0.05))).pairs[0].times_comparable


def test_unequal_depths_and_unequal_latency_samples_are_told(a, b):
    latency = b.systems[0].latency_ms.model_copy(update={"queries": 50})
    first, second = compare(opened(a), opened(with_first(b, depth=100, latency_ms=latency))).pairs
    assert first.notes[0].startswith("10 documents per query were retrieved in A, 100 in B")
    assert first.cost_notes == [
        "latencies are of 3 queries × 3 trials in A, 50 queries × 3 trials in B"
    ]
    assert second.notes == second.cost_notes == []


def test_changed_settings_are_told_by_their_path(a, b):
    one = {"system": {"colbert": {"index": {"nbits": 4, "dims": 96}}}, "k": None, "output_dir": "x"}
    two = {"system": {"colbert": {"index": {"nbits": 2, "dims": 96}}}, "seed": None}
    comparison = compare(
        opened(a.model_copy(update={"config": one})), opened(b.model_copy(update={"config": two}))
    )
    assert [(c.key, c.kind, c.a, c.b) for c in comparison.config] == [
        ("system.colbert.index.nbits", "changed", 4, 2),
        ("k", "removed", None, None),
        ("seed", "added", None, None),
    ]


def test_what_a_system_chose_itself_is_compared_too(a, b):
    comparison = compare(opened(with_first(a, metadata={"centroids": 64})), opened(b))
    assert [(c.key, c.kind) for c in comparison.pairs[0].settings] == [
        ("metadata.centroids", "removed")
    ]


def test_packages_and_commit_are_part_of_the_environment(a, b):
    update = {"packages": {"torch": "3.0"}, "git_commit": "abc"}
    environment = b.environment.model_copy(update=update)
    newer = {"environment": environment, "colbench_version": "9"}
    comparison = compare(opened(a), opened(b.model_copy(update=newer)))
    assert {change.key: (change.a, change.b) for change in comparison.environment} == {
        "colbench_version": ("0.1.0", "9"),
        "packages.torch": ("2.13.0", "3.0"),
        "git_commit": (None, "abc"),
    }


TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@given(TREES, TREES)
def test_the_changes_turn_one_configuration_into_the_other(one, two):
    made = copy.deepcopy(one)
    for change in changes(one, two):
        *path, last = change.key.split(".")
        node = made
        for key in path:
            node = node[key]
        assert node.get(last) == change.a
        if change.kind == "removed":
            del node[last]
        else:
            node[last] = change.b
    assert made == two


@given(TREES)
def test_equal_configurations_have_no_changes(tree):
    assert changes(tree, copy.deepcopy(tree)) == []


def test_a_comparison_survives_json(a, b):
    comparison = compare(opened(a), opened(b))
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison


def test_a_single_query_has_means_and_no_test(example_results):
    def single(value):
        values = {"bm25": {"ndcg@10": [value], "mrr@10": [value]}}
        results = results_of(example_results, values)
        return opened(results.model_copy(update={"queries": results.queries[:1]}))

    (change, _) = compare(single(0.25), single(0.75)).pairs[0].effectiveness
    assert (change.difference, change.wins) == (0.5, 1)
    assert (
        change.low is change.high is change.p_value is change.p_holm is change.significant is None
    )


def test_queries_are_paired_by_id_and_not_by_place(a, b):
    values = {
        name: {measure: found[::-1] for measure, found in measures.items()}
        for name, measures in BETTER.items()
    }
    reversed_b = results_of(b, values, queries=b.queries[::-1])
    expected = compare(opened(a), opened(b))
    found = compare(opened(a), opened(reversed_b))
    assert [q.id for q in reversed_b.queries] == QUERIES[::-1]
    for one, other in zip(found.pairs, expected.pairs, strict=True):
        assert [c.difference for c in one.effectiveness] == [
            c.difference for c in other.effectiveness
        ]
