"""TREC run files: what is written is what trec_eval and colbench read back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from colbench.errors import DataError, StorageError
from colbench.run.model import Ranking, Run
from colbench.run.trec import read_trec, write_trec

# Any character but the separators, and surrogates, which are no UTF-8.
IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\v\f\0"),
    min_size=1,
    max_size=4,
)
# Few distinct values make ties; the rest covers every finite float32 and its neighbours.
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.1, 0.1 + 1e-9, 16777216.0, 1e-45]),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
RANKINGS = st.dictionaries(IDS, SCORES, max_size=8).map(
    lambda scores: Ranking.sort(list(scores), list(scores.values()))
)
# The first query id of a file may not begin with what a reader takes for the file's own mark.
QUERY_IDS = IDS.filter(lambda value: not value.startswith("\ufeff"))
RUNS = st.builds(Run, name=IDS, rankings=st.dictionaries(QUERY_IDS, RANKINGS, max_size=4))


def written(run: Run) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec"
        write_trec(run, path)
        return path.read_bytes()


def read(content: bytes) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec"
        path.write_bytes(content)
        return read_trec(path)


@given(RUNS)
def test_a_run_survives_the_file_except_for_queries_without_results(run):
    again = read(written(run))
    kept = {query_id: ranking for query_id, ranking in run.rankings.items() if len(ranking)}
    assert again.rankings == kept
    assert list(again.rankings) == list(kept)
    if kept and run.name.split() == [run.name]:
        assert again.name == run.name


@given(RUNS)
def test_the_same_run_gives_the_same_bytes(run):
    content = written(run)
    assert written(run) == content
    assert written(Run(run.name, read(content).rankings)) == content


@given(st.permutations(range(6)), st.integers(1, 9))
def test_the_order_comes_from_the_scores_whatever_the_lines_and_ranks_say(order, rank):
    scores = [3, 2, 2, 2, 1, 1]
    lines = [f"q Q0 d{number} {rank} {scores[number]} tag" for number in order]
    ranking = read("\n".join(lines).encode()).rankings["q"]
    assert ranking.doc_ids == ("d0", "d3", "d2", "d1", "d5", "d4")


@given(st.dictionaries(IDS, SCORES, min_size=1, max_size=8))
def test_the_order_is_the_one_trec_eval_sees(scores):
    ranking = Ranking.sort(list(scores), list(scores.values()))
    columns = [line.split() for line in written(Run("s", {"q": ranking})).splitlines()]
    seen = {line[2].decode(): float(line[4]) for line in reversed(columns)}
    # One query a document, which alone is relevant: its reciprocal rank tells its place.
    queries = {str(place): doc_id for place, doc_id in enumerate(ranking.doc_ids, start=1)}
    evaluator = pytrec_eval.RelevanceEvaluator(
        {place: {doc_id: 1} for place, doc_id in queries.items()}, {"recip_rank"}
    )
    places = evaluator.evaluate(dict.fromkeys(queries, seen))
    assert {place: round(1 / row["recip_rank"]) for place, row in places.items()} == {
        place: int(place) for place in queries
    }
    assert [int(line[3]) for line in columns] == list(range(1, len(scores) + 1))


def test_a_file_looks_as_trec_eval_wants_it(tmp_path):
    path = tmp_path / "runs" / "bm25.trec"
    write_trec(Run("bm 25", {"q1": Ranking.sort(["a", "b"], [0.1, 2])}), path)
    assert path.read_text() == "q1 Q0 b 1 2.0 bm_25\nq1 Q0 a 2 0.1 bm_25\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["bm25.trec"]


def test_the_fewest_digits_that_name_the_float32_are_printed():
    scores = np.array([1 / 3, 1e-7], dtype=np.float32)
    content = written(Run("s", {"q": Ranking(("a", "b"), scores)})).decode()
    assert [line.split()[4] for line in content.splitlines()] == ["0.33333334", "1e-07"]


@pytest.mark.parametrize(
    ("second_line", "message"),
    [
        (b"q1 Q0 d2 2 0.5", "expected the 6 columns 'qid Q0 docid rank score tag', found 5"),
        (b"q1 Q0 d2 2 0.5 my tag", "expected the 6 columns .* found 7"),
        (b"q1 Q0 d2 2 high tag", "score 'high' is not a number"),
        (b"q1 Q0 d2 2 nan tag", "score 'nan' is not a number"),
        (b"q1 Q0 d2 2 1_0 tag", "score '1_0' is not a number"),
        (b"q1 Q0 d1 2 0.5 tag", "document 'd1' is listed twice for query 'q1'"),
        (b"q1 Q0 d\xff 2 0.5 tag", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named_in_one_line(tmp_path, second_line, message):
    path = tmp_path / "bad.trec"
    path.write_bytes(b"q1 Q0 d1 1 1.0 tag\n" + second_line + b"\n")
    with pytest.raises(DataError, match=rf"bad\.trec:2: {message}") as caught:
        read_trec(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported_with_its_path(tmp_path):
    with pytest.raises(StorageError, match=r"none\.trec: No such file"):
        read_trec(tmp_path / "none.trec")


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_change_nothing():
    run = read(b"\xef\xbb\xbfq1 Q0 d1 1 1.0 tag\r\n\r\n")
    assert run == Run("tag", {"q1": Ranking.sort(["d1"], [1.0])})


def test_an_empty_file_is_a_run_without_results_named_after_the_file():
    assert read(b"") == Run("run", {})


@pytest.mark.parametrize(("query_id", "doc_id"), [("q 1", "d"), ("q", "d\t1"), ("q", "")])
def test_an_id_the_format_cannot_carry_is_refused_and_nothing_is_left(tmp_path, query_id, doc_id):
    path = tmp_path / "run.trec"
    with pytest.raises(DataError, match="white space"):
        write_trec(Run("s", {query_id: Ranking.sort([doc_id], [1.0])}), path)
    assert list(tmp_path.iterdir()) == []


def test_comments_are_no_results_and_ids_may_begin_as_they_do(tmp_path):
    path = tmp_path / "run.trec"
    run = Run("s", {"#q": Ranking.sort(["a", "#b"], [2.0, 1.0]), "q": Ranking.sort(["a"], [1.0])})
    write_trec(run, path)
    lines = path.read_text().splitlines()
    comments = ["# made by hand", "#", "#one two three four five six", "# q Q0 a 1 2.0 s"]
    path.write_text("\n".join([*comments[:2], *lines, *comments[2:]]))
    assert read_trec(path) == run
