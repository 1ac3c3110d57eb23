"""Queries in groups, and every measure of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import ConfigError, DataError
from colbench.measures.bootstrap import mean_difference
from colbench.measures.significance import compare_to_reference, holm
from colbench.results.grouping import by_column, by_length, by_relevant, check_slices
from colbench.results.schema import QueryInfo
from colbench.results.sliced import sliced
from colbench.results.store import read_results, write_results


def asked(text="what is it", relevant=1, query="q", **metadata):
    return QueryInfo(id=query, text=text, relevant=relevant, metadata=metadata or None)


def labels(groups):
    return {group.label: len(group.places) for group in groups}


def of_column(*values):
    queries = [asked() if value is None else asked(x=value) for value in values]
    groups, notes = by_column(queries, "x")
    return labels(groups), notes


def test_lengths_are_cut_at_their_quartiles_and_equal_ones_stay_together():
    queries = [asked("w " * length) for length in (1, 2, 3, 4, 5, 6, 7, 20)]
    found = {"1–2 words": 2, "3–4 words": 2, "5–6 words": 2, "7–20 words": 2}
    assert labels(by_length(queries)) == found
    queries = [asked("w " * length) for length in (3, 3, 3, 3, 3, 3, 1, 9, 8, 7, 6)]
    assert labels(by_length(queries)) == {"1–3 words": 7, "6–7 words": 2, "8–9 words": 2}
    assert labels(by_length([asked("one"), asked("two")])) == {"1 word": 2}
    assert labels(by_length([asked("?!"), asked("two words")])) == {"0 words": 1, "2 words": 1}


def test_relevant_documents_have_fixed_bounds():
    groups = by_relevant([1, 0, 2, 4, 5, 9, 10, 1000])
    assert labels(groups) == {
        **{"none relevant": 1, "1 relevant": 1, "2–4 relevant": 2},
        **{"5–9 relevant": 2, "10 or more relevant": 2},
    }


def test_words_come_by_how_many_queries_have_them_and_missing_ones_last():
    found, notes = of_column("de", "en", "en", None, True)
    assert list(found.items()) == [("en", 2), ("de", 1), ("true", 1), ("(no value)", 1)]
    assert notes == ["1 of 5 queries have no value"]


def test_of_many_values_the_rest_is_one_group():
    found, notes = of_column(*["common"] * 3, *(f"v{n}" for n in range(1000)))
    assert len(found) == 13 and found["common"] == 3 and found["(989 other values)"] == 989
    assert notes == ["1,001 different values: the 12 commonest have a group each"]
    assert len(of_column(*map(str, "abcdefghijklm"))[0]) == 13


def test_few_numbers_have_a_group_each_in_their_order_and_many_are_cut():
    assert list(of_column(10, 2, 2.0, 1)[0].items()) == [("1", 1), ("2", 2), ("10", 1)]
    found, notes = of_column(*range(1990, 2010))
    assert list(found) == ["1990 to 1994", "1995 to 1999", "2000 to 2004", "2005 to 2009"]
    assert notes == []
    assert next(iter(of_column(*np.linspace(-1, 1, 12).tolist())[0])).startswith("-1 to -0.6")


def test_odd_values_are_told():
    found, notes = of_column(1, "one", '["a", "b"]', "[not json")
    assert found == {"1": 1, "one": 1, '["a", "b"]': 1, "[not json": 1}
    assert notes == [
        "1 of 4 values are numbers beside words",
        "1 of 4 values are lists or objects, told by their JSON",
    ]
    assert list(of_column("x" * 200, "y")[0]) == ["x" * 59 + "…", "y"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lenght", "did you mean 'length'?"),
        ("language", "did you mean 'metadata.language'?"),
        ("metadata.langauge", "did you mean 'metadata.language'?"),
        ("metadata", "did you mean 'metadata.a'?"),
        ("", "choose from: length, metadata.a, metadata.language, relevant"),
    ],
)
def test_what_queries_do_not_have_is_told_with_what_they_have(name, told):
    queries = [asked(), asked(language="de"), asked(a=1)]
    with pytest.raises(ConfigError) as caught:
        check_slices([name], queries)
    assert str(caught.value) == f"slices: queries here have no '{name}': {told}"


def test_a_slice_twice_and_metadata_that_nobody_has_are_refused():
    check_slices(["length", "relevant"], [asked()])
    with pytest.raises(ConfigError, match="slices: 'length' is there twice"):
        check_slices(["length", "length"], [asked()])
    with pytest.raises(ConfigError, match="they have no metadata; choose from: length, relevant"):
        check_slices(["metadata.x"], [asked()])
    many = [asked(**{f"c{n}": 1}) for n in range(5000)]
    with pytest.raises(ConfigError, match="and 4980 columns more") as caught:
        check_slices(["weather"], many)
    assert len(str(caught.value)) < 600


VALUE = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-9, 9) | st.text(max_size=3)


@given(st.lists(st.tuples(VALUE, st.text(max_size=9), st.integers(0, 12)), min_size=1, max_size=40))
def test_each_query_is_in_exactly_one_group(drawn):
    queries = [
        asked(text, relevant, **({} if value is None else {"x": value}))
        for value, text, relevant in drawn
    ]
    for groups in (
        by_length(queries),
        by_relevant([query.relevant for query in queries]),
        by_column(queries, "x")[0],
    ):
        assert all(group.places and group.label for group in groups)
        places = [place for group in groups for place in group.places]
        assert sorted(places) == list(range(len(queries)))


def measured(full_results, queries, rows, **update):
    """Results of `bm25` (the reference) and `colbert_exact` with these values by query."""
    systems = [
        system.model_copy(update={"per_query": rows.get(system.name)})
        for system in full_results.systems
    ]
    primary = {"primary": "ndcg@10", "reference": "bm25"}
    return full_results.model_copy(
        update={"queries": queries, "systems": systems, **primary, **update}
    )


def drawn(count, seed=0):
    rng = np.random.default_rng(seed)
    queries = [
        asked("w " * int(rng.integers(1, 12)), int(rng.integers(0, 8)), f"q{n}", kind="ab"[n % 2])
        for n in range(count)
    ]
    rows = {
        system: {m: rng.random(count).tolist() for m in ("ndcg@10", "mrr@10")}
        for system in ("bm25", "colbert_exact")
    }
    return queries, rows


WANTED = ["length", "relevant", "metadata.kind"]


@pytest.mark.parametrize(("seed", "count"), [(1, 1), (2, 2), (3, 7), (4, 30)])
def test_groups_weighted_by_their_queries_have_the_mean_of_all(full_results, seed, count):
    queries, rows = drawn(count, seed)
    results = sliced(measured(full_results, queries, rows), WANTED)
    assert [one.by for one in results.slices] == WANTED
    for one in results.slices:
        assert sum(group.queries for group in one.groups) == count
        for system, measures in rows.items():
            for measure, values in measures.items():
                parts = [g.systems[system][measure].mean * g.queries for g in one.groups]
                assert sum(parts) / count == pytest.approx(np.mean(values))


def test_intervals_and_tests_are_those_of_the_groups_queries(full_results, tmp_path):
    queries, rows = drawn(40)
    results = sliced(measured(full_results, queries, rows), ["metadata.kind", "relevant"])
    group = results.slices[0].groups[0]
    assert (group.label, group.queries) == ("a", 20)
    mine = {name: {m: v[::2] for m, v in of.items()} for name, of in rows.items()}
    found = group.systems["colbert_exact"]["ndcg@10"]
    expected = mean_difference(mine["colbert_exact"]["ndcg@10"], [0.0] * 20)
    assert (found.mean, found.low, found.high) == (expected.mean, expected.low, expected.high)
    assert group.systems["bm25"]["ndcg@10"].against is None
    by_query = {
        name: {m: {str(n): x for n, x in enumerate(v)} for m, v in of.items()}
        for name, of in mine.items()
    }
    alone = compare_to_reference("bm25", by_query, ["ndcg@10", "mrr@10"])["colbert_exact"]
    for measure in ("ndcg@10", "mrr@10"):
        test = group.systems["colbert_exact"][measure].against
        assert test.p_value == alone[measure].p_value
        assert (test.low, test.high) == (alone[measure].low, alone[measure].high)
        assert test.primary == (measure == "ndcg@10")
        tests = [
            g.systems["colbert_exact"][measure].against for s in results.slices for g in s.groups
        ]
        tests = [test for test in tests if test.p_value is not None]
        assert [t.p_holm for t in tests] == holm([t.p_value for t in tests])
    write_results(results, tmp_path)
    assert read_results(tmp_path) == results


def test_small_groups_say_that_they_are_small(full_results):
    queries = [asked(query=f"q{n}", kind="rare" if n < 3 else "usual") for n in range(30)]
    _, rows = drawn(30)
    results = sliced(measured(full_results, queries, rows), ["metadata.kind"])
    usual, rare = results.slices[0].groups
    assert usual.too_few is None
    assert rare.too_few == (
        "too few queries to tell: 3 cannot show any difference, 2 tests at level 0.05 need at "
        "least 7"
    )
    assert not rare.systems["colbert_exact"]["ndcg@10"].against.significant
    alone = sliced(
        measured(full_results, queries, {"bm25": rows["bm25"]}, reference=None), ["metadata.kind"]
    )
    assert alone.slices[0].groups[1].too_few.startswith("too few queries to tell: 3 cannot")


def test_queries_without_text_have_no_length_and_the_other_slices_stay(full_results):
    queries, rows = drawn(8)
    queries = [query.model_copy(update={"text": query.id}) for query in queries]
    length, relevant = sliced(measured(full_results, queries, rows), WANTED[:2]).slices
    assert (length.groups, length.notes) == ([], ["the queries have no text, and so no length"])
    assert relevant.groups


def test_results_without_values_by_query_have_no_slices(full_results):
    assert sliced(measured(full_results, drawn(4)[0], {}), WANTED).slices == []
    assert full_results.slices == []


def test_values_that_are_not_one_a_query_are_refused(full_results):
    queries, rows = drawn(4)
    with pytest.raises(DataError, match="'bm25' has 4 values of ndcg@10 for 3 queries"):
        sliced(measured(full_results, queries[:3], rows), ["length"])
