"""A TREC run is read as trec_eval reads it, or refused with its line."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import strategies as st
from mangling import ANY_TEXT, TOKENS, either, raw
from trying import READ, answer, check_line, fuzz, numbered_line

from colbench.errors import ColbenchError, DataError
from colbench.run.model import Ranking, Run
from colbench.run.trec import read_trec, run_digest, write_trec

LOADER = "TREC run"
IDS = st.text(
    st.characters(codec="utf-8", exclude_characters=" \t\n\r\v\f"), min_size=1, max_size=8
) | st.sampled_from(["q1", "a\x1cb", "a\x85b", "a\u2028b", "\ufeffa", "a\0b", "é", "x" * 3000])
SCORES = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1e-45, 3.4e38])
RANKINGS = st.dictionaries(IDS, SCORES, max_size=6).map(
    lambda scores: Ranking.sort(list(scores), list(scores.values()))
)
RUNS = st.builds(Run, name=ANY_TEXT, rankings=st.dictionaries(IDS, RANKINGS, max_size=4))

PLAIN = st.sampled_from(["q1", "q2", "d1", "d2", "0", "1", "2", "0.5", "1e-7", "-3.25", "Q0"])
COLUMNS = st.one_of(
    PLAIN.map(str.encode), PLAIN.map(str.encode), IDS.map(str.encode), st.sampled_from(TOKENS)
)
GAPS = st.sampled_from([b" ", b" ", b"\t", b"  ", b"\x0b", b"\xa0", b"\x1c", "\u3000".encode()])
LINES = st.lists(st.tuples(COLUMNS, GAPS), min_size=5, max_size=7).map(
    lambda parts: b"".join(part for pair in parts for part in pair)
)


@st.composite
def valid_files(draw):
    """A file as other programs write them: any order of lines, any digits."""
    number = st.floats(-1e6, 1e6).map(repr) | st.integers(-9, 9).map(str)
    rows = draw(st.lists(st.tuples(PLAIN, PLAIN, number), max_size=8, unique_by=lambda r: r[:2]))
    return "".join(f"{query} Q0 {doc} 1 {score} tag\n" for query, doc, score in rows).encode()


FILES = st.lists(LINES, max_size=4).map(b"\n".join)


def atof(text):
    """Read a number as trec_eval does, which hands it on as float32."""
    libc = ctypes.CDLL(None)
    libc.atof.restype = ctypes.c_double
    with np.errstate(over="ignore"):
        return np.float64(libc.atof(text)).astype(np.float32)


def check_run(run, content, folder):
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    rows = [line.split() for line in lines if line.split()]
    expected = {(row[0].decode(), row[2].decode()): atof(row[4]) for row in rows}
    found = {
        (query, doc): np.float32(score)
        for query, ranking in run.rankings.items()
        for doc, score in ranking
    }
    assert len(expected) == len(rows)
    assert found == expected
    for ranking in run.rankings.values():
        pairs = [(score, doc) for doc, score in ranking]
        assert pairs == sorted(pairs, reverse=True)
    write_trec(run, folder / "again.trec")
    again = read_trec(folder / "again.trec")
    assert again.rankings == run.rankings
    assert run_digest(again) == run_digest(run)


@fuzz(LOADER, content=either(raw(valid_files()), either(raw(FILES), FILES)))
def test_a_file_is_read_as_trec_eval_reads_it_or_refused_with_its_line(tmp_path, content):
    path = tmp_path / "a.trec"
    path.write_bytes(content)
    try:
        run = read_trec(path)
    except ColbenchError as error:
        check_line(str(error), path)
        line = numbered_line(str(error), path)
        assert line is not None and 1 <= line <= content.count(b"\n") + 1, str(error)
        return
    READ[LOADER] += 1
    check_run(run, content, tmp_path)


@fuzz(LOADER, run=RUNS)
def test_a_run_is_written_so_that_it_is_read_again_or_not_at_all(tmp_path, run):
    path = tmp_path / "b.trec"
    path.unlink(missing_ok=True)
    if answer(LOADER, lambda: write_trec(run, path) or True, path) is None:
        assert not path.exists()
        return
    kept = {query: ranking for query, ranking in run.rankings.items() if len(ranking)}
    assert read_trec(path).rankings == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q Q0 d 1 ١ tag\n".encode(), "score '١' is not a number"),
        ("q Q0 d 1 1\xa0 tag\n".encode(), "is not a number"),
        (b"q Q0 a 1 1 t\n\xef\xbb\xbfq Q0 b 1 1 t\n", "2: .* begins with a byte order mark"),
        (b"q Q0 a\x1cb 1 1 t\nq Q0 a\x1cb 1 1 t\n", r"document 'a\\x1cb' is listed twice"),
    ],
)
def test_what_fuzzing_found_in_files(tmp_path, content, message):
    path = tmp_path / "run.trec"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_trec(path)
    check_line(str(caught.value), path)


@pytest.mark.parametrize(
    ("query", "doc", "message"),
    [
        ("\ufeffq", "d", "begins with a byte order mark"),
        ("q", "\ud800", "half a surrogate pair"),
    ],
)
def test_what_fuzzing_found_in_runs(tmp_path, query, doc, message):
    run = Run("s", {query: Ranking.sort([doc], [1.0])})
    with pytest.raises(DataError, match=message):
        write_trec(run, tmp_path / "run.trec")


def test_a_name_with_half_a_surrogate_pair_is_still_written(tmp_path):
    write_trec(Run("a\ud800", {"q": Ranking.sort(["d"], [1.0])}), tmp_path / "run.trec")
    assert read_trec(tmp_path / "run.trec").name == "a?"


def test_a_long_score_is_refused_at_once(tmp_path):
    path = tmp_path / "run.trec"
    path.write_bytes(b"q Q0 d 1 " + b"1" * 300_000 + b"x tag\n")
    with pytest.raises(DataError, match="is not a number"):
        read_trec(path)
