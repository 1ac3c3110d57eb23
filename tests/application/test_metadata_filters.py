"""Filters: those documents of which a plain reading of the filter is true, and k of them."""

from __future__ import annotations

import datetime
import random

import numpy as np
import pytest
from collected import ROWS, TEXTS
from hypothesis import given
from hypothesis import strategies as st
from words import WordEncoder

from colbench.application import Colbert
from colbench.errors import ConfigError, DataError

UTC = datetime.UTC
TYPES = {"text": "string", "number": "number", "flag": "boolean", "day": "date", "tags": "strings"}
ORDER = ("$gt", "$gte", "$lt", "$lte")


# What a filter means, without an index.


def instant(value):
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def compared(value):
    return instant(value) if isinstance(value, datetime.date) else value


def true(filter, row):
    """Return whether a filter is true of a row."""
    return all(part(name, wanted, row) for name, wanted in filter.items())


def part(name, wanted, row):
    if name == "$and":
        return all(true(one, row) for one in wanted)
    if name == "$or":
        return any(true(one, row) for one in wanted)
    if name == "$not":
        return not true(wanted, row)
    operators = wanted if isinstance(wanted, dict) else {"$eq": wanted}
    return all(holds(row.get(name), op, value) for op, value in operators.items())


def holds(value, operator, wanted):
    if operator == "$ne":
        return not holds(value, "$eq", wanted)
    if operator == "$nin":
        return not holds(value, "$in", wanted)
    if operator == "$not_contains":
        return not holds(value, "$contains", wanted)
    if operator == "$exists":
        return (value is not None) == wanted
    if operator == "$in":
        return any(holds(value, "$eq", one) for one in wanted)
    if value is None or wanted is None:
        return operator == "$eq" and value is wanted
    if operator == "$contains":
        return wanted in value
    left, right = compared(value), compared(wanted)
    return {
        "$eq": left == right,
        "$gt": left > right,
        "$gte": left >= right,
        "$lt": left < right,
        "$lte": left <= right,
    }[operator]


# Values and filters at random: few different ones, so that they meet.

text = st.text("aB \0'\"%_ä🙂￿#$", max_size=3)
number = (
    st.integers(-3, 3)
    | st.sampled_from([0.5, -0.0, 2**53, 2**53 + 1, float(2**53), -(2**63), 2**63 - 1, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
)
zones = st.sampled_from([None, UTC, datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))])
day = st.dates(datetime.date(2025, 12, 31), datetime.date(2026, 1, 2)) | st.datetimes(
    datetime.datetime(2025, 12, 31), datetime.datetime(2026, 1, 2), timezones=zones
)
VALUES = {
    "text": text,
    "number": number,
    "flag": st.booleans(),
    "day": day,
    "tags": st.lists(text, max_size=3),
}
FIRST = {"text": "a", "number": 1, "flag": True, "day": datetime.date(2026, 1, 1), "tags": ["a"]}
"""A row that has every field, so that each has its type."""

rows = st.fixed_dictionaries({}, optional={k: st.none() | v for k, v in VALUES.items()})


@st.composite
def conditions(draw):
    field = draw(st.sampled_from(sorted(TYPES)))
    value = VALUES["text" if field == "tags" else field]
    choices = ["null", "exists", "contains" if field in ("text", "tags") else "among"]
    choices += ["plain", "order", "among"] if field != "tags" else []
    kind = draw(st.sampled_from(choices))
    if kind == "null":
        wanted = draw(st.sampled_from([None, {"$eq": None}, {"$ne": None}, {"$in": [None]}]))
    elif kind == "exists":
        wanted = {"$exists": draw(st.booleans())}
    elif kind == "contains":
        wanted = {draw(st.sampled_from(["$contains", "$not_contains"])): draw(value)}
    elif kind == "plain":
        one = draw(value)
        wanted = draw(st.sampled_from([one, {"$eq": one}, {"$ne": one}]))
    elif kind == "among" or field == "flag":
        operator = draw(st.sampled_from(["$in", "$nin"]))
        wanted = {operator: draw(st.lists(st.none() | value, max_size=3))}
    else:
        operators = draw(st.lists(st.sampled_from(ORDER), min_size=1, max_size=2, unique=True))
        wanted = {operator: draw(value) for operator in operators}
    return {field: wanted}


def joined(some):
    return (
        st.lists(some, min_size=1, max_size=3).map(lambda them: {"$and": them})
        | st.lists(some, min_size=1, max_size=3).map(lambda them: {"$or": them})
        | some.map(lambda one: {"$not": one})
        | st.tuples(some, some).map(lambda two: {**two[0], **two[1]})
    )


filters = st.just({}) | st.recursive(conditions(), joined, max_leaves=6)


def found_by(index, filter, **options):
    return [one.id for one in index.search("a", k=len(index), filter=filter, **options)]


@pytest.fixture(scope="module")
def small(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "small"
    texts, ids = list(TEXTS.values()), list(TEXTS)
    return model.index(texts, folder, ids=ids, metadata=ROWS, verbose=False)


@given(st.lists(rows, min_size=1, max_size=10), st.lists(filters, min_size=1, max_size=6))
def test_a_filter_finds_the_documents_that_it_is_true_of(tmp_path_factory, drawn, asked):
    folder = tmp_path_factory.mktemp("filtered") / "index"
    given_rows = [FIRST, *drawn]
    model = Colbert.from_pretrained(WordEncoder(dims=8))
    index = model.index(["a b"] * len(given_rows), folder, metadata=given_rows, verbose=False)
    assert index.fields == TYPES
    kept = [document.metadata for document in index.documents()]
    assert kept == given_rows
    for filter in asked:
        wanted = {str(n) for n, row in enumerate(given_rows) if true(filter, row)}
        assert set(found_by(index, filter)) == wanted, filter


MANY = 300


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An index of 300 documents of one or several passages, a sixtieth to all of which match."""
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(200)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(2, 20))) for _ in range(MANY)]
    metadata = [
        {"share": n % 60, "flag": n % 2 == 0, "half": None if n % 4 else "yes"} for n in range(MANY)
    ]
    folder = tmp_path_factory.mktemp("many") / "index"
    model = Colbert.from_pretrained(WordEncoder(dims=16))
    index = model.index(texts, folder, metadata=metadata, verbose=False)
    index.delete([str(n) for n in range(0, MANY, 7)])
    return index


SHARES = [
    {"share": 3},
    {"share": {"$lt": 6}},
    {"share": {"$gte": 30}, "flag": True},
    {"$or": [{"half": "yes"}, {"share": {"$in": [1, 2]}}]},
    {"half": None},
]


def brute_force(index, query, matching):
    """Return documents and scores by MaxSim with what is stored, best first."""
    (vectors,) = index.encode([query], queries=True)
    scores = {
        doc: max(
            float((vectors @ passage.T).max(axis=1).sum()) if len(passage) else -np.inf
            for passage in index.vectors(doc)
        )
        for doc in matching
    }
    return sorted(scores.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)


@pytest.mark.parametrize("filter", SHARES)
def test_an_exhaustive_filtered_search_is_brute_force_over_what_matches(many, filter):
    matching = [one.id for one in many.documents() if true(filter, one.metadata)]
    for query in ("w1 w2 w3", "w17 w50 w99 w120"):
        expected = brute_force(many, query, matching)
        found = many.search(query, k=10, filter=filter, exhaustive=True, arithmetic="fp32")
        assert len(found) == min(10, len(matching))
        scores = dict(expected)
        assert {one.id for one in found} <= set(matching)
        np.testing.assert_allclose(
            [one.score for one in found], [scores[one.id] for one in found], atol=2e-3
        )
        np.testing.assert_allclose(
            [one.score for one in found], [score for _, score in expected[:10]], atol=2e-3
        )


@pytest.mark.parametrize("filter", SHARES)
def test_a_filter_takes_from_an_exhaustive_ranking_and_changes_nothing_in_it(many, filter):
    everything = many.search("w5 w6 w7", k=MANY, exhaustive=True)
    rows = {one.id: one.metadata for one in many.documents()}
    wanted = [(one.id, one.score, one.passage) for one in everything if true(filter, rows[one.id])]
    found = many.search("w5 w6 w7", k=7, filter=filter, exhaustive=True)
    assert [(one.id, one.score, one.passage) for one in found] == wanted[:7]
    assert [one.rank for one in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("filter", SHARES)
@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("k", [1, 5, 50])
def test_k_documents_come_back_wherever_k_match(many, filter, k, hybrid):
    matching = {one.id for one in many.documents() if true(filter, one.metadata)}
    # The most careless search there is: one centroid a token, four documents kept.
    options = {} if hybrid else {"nprobe": 1, "ndocs": 4, "centroid_score_threshold": 0.9}
    found = many.search("w8 w9", k=k, filter=filter, hybrid=hybrid, **options)
    assert {one.id for one in found} <= matching
    assert len({one.id for one in found}) == len(found) == min(k, len(matching))


def test_a_filter_that_nothing_matches_finds_nothing(many):
    assert many.search("w1", filter={"share": -1}) == []
    assert many.search(["w1", "w2"], filter={"share": -1}, hybrid=True) == [[], []]


def test_an_answered_filter_is_answered_again_after_a_change(words):
    index = words(["a one", "a two"], ids=["1", "2"], metadata=[{"n": 1}, {"n": 2}])
    assert found_by(index, {"n": 1}) == ["1"]
    index.add("a three", ids="3", metadata={"n": 1})
    assert set(found_by(index, {"n": 1})) == {"1", "3"}
    index.update(ids="1", metadata={"n": 2})
    assert set(found_by(index, {"n": 1})) == {"3"}
    assert set(found_by(index, {"n": {"$ne": 1}})) == {"1", "2"}
    index.delete("3")
    assert found_by(index, {"n": 1}) == []


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"yaer": 1}, "unknown field 'yaer': did you mean 'year'"),
        ({"year": {"$gt_e": 1}}, r"unknown operator '\$gt_e' of 'year': did you mean '\$gte'"),
        ({"$ro": []}, r"unknown operator '\$ro': did you mean '\$or'"),
        ({"year": "2020"}, "'year' holds a number, and '2020' is a string"),
        ({"year": True}, "'year' holds a number, and True is a boolean"),
        ({"open": 1}, "'open' holds a boolean, and 1 is a number"),
        ({"day": "2026-13-01"}, "'day' holds a date, and '2026-13-01' is a string"),
        ({"kind": {"$gt": None}}, r"\$gt of 'kind' needs a value, not None"),
        ({"tags": ["all"]}, r"'tags' holds lists of strings: .*\$contains"),
        ({"year": {"$contains": 2}}, r"\$contains of 'year', which holds a number"),
        ({"open": {"$gt": False}}, "'open': booleans have no order"),
        ({"year": {"$in": 2020}}, r"\$in of 'year' needs a list, not 2020"),
        ({"year": {"$exists": 1}}, r"\$exists of 'year' is True or False"),
        ({"year": {}}, "field 'year' has no operator"),
        ({"year": float("nan")}, "not finite"),
        ({"$and": {"year": 1}}, r"\$and needs a list of filters"),
        ({"$or": []}, r"\$or needs a list of filters"),
        ({"$not": [{"year": 1}]}, "is no mapping"),
        (["year"], "is no mapping"),
        ({1: 2}, "unknown field 1"),
        ({"kind": "\ud800"}, "half a surrogate pair"),
    ],
)
def test_a_mistake_in_a_filter_is_one_line_that_names_it(small, filter, message):
    with pytest.raises(ConfigError, match=message) as told:
        small.search("x", filter=filter)
    line = str(told.value)
    assert line.startswith("filter") and "\n" not in line and len(line) < 300
    line.encode()  # whatever was given, the line can be printed


def test_a_filter_nested_without_end_is_refused(small):
    filter = {"year": 2001}
    for _ in range(5000):
        filter = {"$not": filter}
    with pytest.raises(ConfigError, match="inside each other"):
        small.search("x", filter=filter)
    filter = {"$not": {"$gt": 1}}
    for _ in range(5000):
        filter = {"$not": filter}
    with pytest.raises(ConfigError, match="inside each other"):
        small.search("x", filter={"year": filter})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": {"b": 1}}, "field 'a' is of type dict"),
        ({"a": [1]}, "field 'a' is a list of other things than strings"),
        ({"a": b"x"}, "field 'a' is of type bytes"),
        ({"a": float("inf")}, "field 'a' cannot be kept: it is not finite"),
        ({"a": 1 << 63}, "field 'a' cannot be kept: it has more than 64 bits"),
        ({"a": "\ud800"}, "field 'a' cannot be kept: it holds half a surrogate pair"),
        ({"\ud800": 1}, "half a surrogate pair"),
        ({"$a": 1}, "cannot name a field"),
        ({"": 1}, "cannot name a field"),
        ({1: 1}, "cannot name a field"),
        ([("a", 1)], "a mapping of field to value is needed"),
        ({"n": "one"}, "field 'n' holds a number, and 'one' is a string"),
        ({"n": True}, "field 'n' holds a number, and '?True'? is a boolean"),
    ],
)
def test_metadata_that_cannot_be_kept_is_refused_and_changes_nothing(words, metadata, message):
    index = words(["a"], ids=["x"], metadata=[{"n": 1}])
    with pytest.raises(DataError, match=message) as told:
        index.add(["b", "c"], ids=["y", "z"], metadata=[{"new": "field"}, metadata])
    line = str(told.value)
    line.encode()
    assert "'z'" in line and "\n" not in line
    assert index.ids == ["x"] and index.version == 1 and index.fields == {"n": "number"}
    index.add("b", ids="y", metadata={"new": 1})
    assert index.fields == {"n": "number", "new": "number"}


def test_a_filtered_search_of_several_queries_is_that_of_each(many):
    queries = ["w1 w2", "w3", "w4 w5 w6"]
    together = many.search(queries, k=5, filter={"share": {"$lt": 20}})
    assert together == [many.search(one, k=5, filter={"share": {"$lt": 20}}) for one in queries]
