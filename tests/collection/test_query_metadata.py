"""What a source says of a query besides its text: read with bounds, kept out of the fingerprint."""

from __future__ import annotations

import json
from dataclasses import replace

import beir_folder
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.load import load_collection
from colbench.collection.metadata import read_metadata
from colbench.collection.settings import BeirDirSettings, SampleSettings


def load(folder, lines, **settings):
    ids = [json.loads(line)["_id"] for line in lines]
    judged = [(query, "d1", 1) for query in ids]
    beir_folder.write_folder(folder, {"d1": "a b", "d2": "c"}, {"q": "x"}, judged)
    (folder / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_collection(BeirDirSettings(path=folder, **settings))


def line(query, **fields):
    return json.dumps({"_id": query, "text": "what is it", **fields})


def test_columns_are_those_of_metadata_and_other_keys_of_the_line(tmp_path):
    lines = [
        line("a", metadata={"language": "de", "year": 1999, "hard": True}, kind="why"),
        line("b", metadata={"language": " en "}, language="no: metadata comes first"),
        line("c", metadata={}),
        line("d"),
    ]
    queries = load(tmp_path / "m", lines).queries
    assert [query.metadata for query in queries] == [
        {"language": "de", "year": 1999, "hard": True, "kind": "why"},
        {"language": "en"},
        {},
        {},
    ]


def test_metadata_changes_no_fingerprint_and_no_equal_text(tmp_path):
    plain = load(tmp_path / "plain", [line("a"), line("b")])
    told = load(tmp_path / "told", [line("a", metadata={"x": 1}), line("b", y=[2])])
    assert plain.fingerprint == told.fingerprint
    assert replace(told, name=plain.name) != plain


def test_a_sample_keeps_metadata(tmp_path):
    lines = [line(f"q{n}", metadata={"n": n}) for n in range(9)]
    sample = load(tmp_path / "m", lines, sample=SampleSettings(queries=3))
    assert len(sample.queries) == 3
    assert all(query.metadata == {"n": int(query.id[1:])} for query in sample.queries)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ([], None),
        ({}, None),
        (0, 0),
        (False, False),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (10**20, "1" + "0" * 20),
        (["de", {"a": 1}], '["de", {"a": 1}]'),
        ("x" * 10_000, "x" * 200),
        ("a\x1b[31m\nb\ud800", "a\\x1b[31m\\nb\\ud800"),
        ([[[[[[1]]]]]], "[[[[[[1]]]]]]"),
    ],
)
def test_odd_values(value, kept):
    found = read_metadata({"metadata": {"x": value}})
    assert found == ({} if kept is None else {"x": kept})


def test_objects_become_columns_with_a_dot_as_far_as_anybody_would_look():
    nested = {"a": {"b": {"c": {"d": 1}}, "e": None}}
    assert read_metadata({"metadata": nested}) == {"a.b.c": '{"d": 1}'}


def test_metadata_that_is_no_object_is_a_column():
    assert read_metadata({"metadata": "german"}) == {"metadata": "german"}


def test_of_very_many_columns_the_first_are_kept():
    found = read_metadata({"metadata": {f"c{n}" * 100: n for n in range(100_000)}})
    assert len(found) == 50 and max(map(len, found)) == 200


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3) | st.just("metadata"), ANY, max_size=4))
def test_whatever_stands_there_can_be_written_and_read_back(record):
    found = dict(read_metadata(record))
    assert json.loads(json.dumps(found, allow_nan=False).encode("utf-8")) == found
