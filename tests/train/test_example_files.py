"""Files of training examples: what they give, and what is said of those that cannot be used."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import DataError
from colbench.train.files import existing_file, read_examples


@pytest.fixture
def write(tmp_path):
    def make(content, name="pairs.jsonl"):
        path = tmp_path / name
        data = content.encode("utf-8") if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return make


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


PLAIN = {"query": "q", "positive": "p"}


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
def test_json_lines_give_examples_in_their_order(write, name):
    scored = {"query": "r", "positive": "s", "negatives": ["t", "u"], "scores": [2, 1.5, -1]}
    nothing = {**PLAIN, "query": "v", "negatives": None, "scores": None}
    found = read_examples(write(lines(PLAIN, scored) + "\n" + lines(nothing), name), "mine")
    assert [example.query for example in found] == ["q", "r", "v"]
    assert {example.source for example in found} == {"mine"}
    assert (found[0].negatives, found[0].scores) == ((), None)
    assert (found[1].negatives, found[1].scores) == (("t", "u"), (2.0, 1.5, -1.0))
    assert (found[2].negatives, found[2].scores) == ((), None)


@pytest.mark.parametrize("name", ["triples.tsv", "triples.tsv.gz", "triples"])
def test_other_files_are_columns(write, name):
    found = read_examples(write("q\tp\r\nr\ts\tt\tu\n", name), "mine")
    assert [(e.query, e.positive, e.negatives) for e in found] == [
        ("q", "p", ()),
        ("r", "s", ("t", "u")),
    ]


def pair(query, document, score):
    return {"query": query, "document": document, "score": score}


def test_scored_pairs_of_a_query_are_put_together_wherever_they_stand(write):
    content = lines(
        pair("q", "low", -3), pair("alone", "x", 9), pair("q", "best", 2), pair("q", "mid", 1)
    )
    first, alone = read_examples(write(content), "mine")
    assert (first.query, first.positive) == ("q", "best")
    assert dict(zip(first.negatives, first.scores[1:], strict=True)) == {"low": -3, "mid": 1}
    assert first.scores[0] == 2
    assert (alone.positive, alone.negatives, alone.scores) == ("x", (), None)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz")),
        st.floats(allow_nan=False, allow_infinity=False, width=32),
        min_size=1,
    )
)
def test_no_scored_pair_is_lost_and_none_beats_its_positive(tmp_path_factory, scores):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text(lines(*(pair(*key, score) for key, score in scores.items())), "utf-8")
    found = {}
    for example in read_examples(path, "mine"):
        values = example.scores or (scores[example.query, example.positive],)
        assert values[0] == max(values)
        for document, value in zip(example.documents, values, strict=True):
            found[example.query, document] = value
    assert found == scores


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "pairs.jsonl is empty"),
        ("\n \n", "pairs.jsonl is empty"),
        ("{", r"pairs.jsonl:1: not valid JSON"),
        ("[" * 100_000, r"pairs.jsonl:1: not valid JSON"),
        (lines(PLAIN) + "[1]\n", r"pairs.jsonl:2: a list, not an object"),
        (lines({**PLAIN, "negative": ["n"]}), "unknown key 'negative': did you mean 'negatives'"),
        (lines({"query": "q", "passage": "p"}), "unknown key 'passage': choose from"),
        (lines({"query": "q"}), "the key 'positive' is missing"),
        (lines({"query": "q", "document": "d"}), "the key 'score' is missing"),
        (lines({**PLAIN, "query": 7}), "'query' must be text, not int"),
        (lines({**PLAIN, "query": None}), "'query' must be text, not null"),
        (lines({**PLAIN, "positive": "  "}), "'positive' is empty"),
        (lines({**PLAIN, "negatives": "n"}), "'negatives' must be a list, not str"),
        (lines({**PLAIN, "negatives": 0}), "'negatives' must be a list, not int"),
        (lines({**PLAIN, "negatives": [""]}), "'negatives' is empty"),
        (lines({**PLAIN, "negatives": ["n"], "scores": [1]}), "1 scores, expected 2"),
        (lines({**PLAIN, "negatives": ["n"], "scores": [1, None]}), "must be a number, not null"),
        (lines({**PLAIN, "scores": [True]}), "'scores' must be a number, not bool"),
        ('{"query": "q", "positive": "p", "scores": [NaN]}', "is nan, which is no finite number"),
        ('{"query": "q", "positive": "p", "scores": [1e999]}', "is inf, which is no finite"),
        (lines({**PLAIN, "scores": [10**400]}), "is inf, which is no finite number"),
        (lines(pair("q", "d", "1")), "'score' must be a number, not str"),
        (lines(pair("q", "d", 1), pair("q", "d", 2)), r":2: the pair scores 2 here and 1 before"),
        (lines(PLAIN, pair("q", "d", 1)), r":2: unknown key 'document'"),
        (lines({**PLAIN, "query": "\ud800"}), "'query' contains half a surrogate pair"),
        (b'{"query": "\xff"}', r"pairs.jsonl:1: byte .* is not UTF-8"),
    ],
)
def test_json_that_cannot_be_used_is_refused_with_its_place(write, content, told):
    with pytest.raises(DataError, match=told):
        read_examples(write(content), "mine")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "pairs.tsv is empty"),
        ("q\tp\nalone\n", r"pairs.tsv:2: 1 column, expected query, positive"),
        (lines(PLAIN), "JSON lines need a name that ends in .jsonl"),
        ("q\tp\n\tp\n", r"pairs.tsv:2: 'query' is empty"),
        ("q\tp\t\n", r"pairs.tsv:1: 'negative' is empty"),
        ("1\t7\t12\n", r"pairs.tsv:1: the columns hold ids"),
    ],
)
def test_columns_that_cannot_be_used_are_refused_with_their_place(write, content, told):
    with pytest.raises(DataError, match=told):
        read_examples(write(content, "pairs.tsv"), "mine")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*absent\.tsv"):
        existing_file(tmp_path / "absent.tsv")


def test_a_damaged_archive_is_named(write):
    whole = gzip.compress(lines(PLAIN).encode() * 1000)
    path = write("", "pairs.jsonl.gz")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"pairs\.jsonl\.gz: damaged after line"):
        read_examples(path, "mine")
