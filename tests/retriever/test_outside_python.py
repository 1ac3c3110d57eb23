"""Kind `python`: functions, objects and classes of somebody else's, and what they may return."""

import dataclasses
import sys

import numpy as np
import pytest
from outside_bench import bench_of, measured, run

from colbench.config.compose import compose_run
from colbench.errors import ConfigError, DataError
from colbench.retriever import registry
from colbench.retriever.outside import MOST_RESULTS, Answers, ranked
from colbench.retriever.registry import make_system, system_settings
from colbench.run.trec import read_trec

CODE = """
import itertools

import numpy as np

RANKED = [("d1", 1.0), ("d3", 2.0), ("d2", 2.0)]

def function(query, k):
    return RANKED

def weighted(query, k, weight=1.0):
    return [(doc, weight * score) for doc, score in RANKED]

async def coroutine(query, k):
    return RANKED

def one_argument(query):
    return RANKED

class Holder:
    def __init__(self, first="d1"):
        self.first, self.closed = first, False

    def index(self, collection, folder):
        (folder / "ids").write_text(" ".join(d.id for d in collection.documents))
        self.ids = (folder / "ids").read_text().split()

    def search(self, query, k):
        return [(self.first, 1.0), *((doc, 0.5) for doc in self.ids if doc != self.first)][:k]

    def search_many(self, queries, k):
        return (self.search(query, k) for query in queries)

class Short(Holder):
    def search_many(self, queries, k):
        return []

class Sorts:
    def index(self, collection):
        self.first = sorted(collection.documents)[-1].id

    def search(self, query, k):
        return [self.first]

holder = Sorts()
number = 3
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The working folder, with `theirs.py` in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    compose_run([])
    (tmp_path / "theirs.py").write_text(CODE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def bench(tiny_collection, tmp_path):
    return lambda **systems: bench_of(tiny_collection, tmp_path, **systems)


def python(target, **more):
    return {"kind": "python", "target": target, **more}


@pytest.mark.parametrize("target", ["./theirs.py:function", "theirs:function"])
def test_a_function_is_a_system_and_its_answers_are_sorted(place, bench, target):
    reply, rankings = measured(bench(mine=python(target)), "mine", place)
    assert rankings.keys() == {"q1", "q2", "q3"}
    assert all(list(r) == [("d3", 2.0), ("d2", 2.0), ("d1", 1.0)] for r in rankings.values())
    assert list(reply.metadata["module_sha256"]) == ["theirs.py"]
    assert reply.index is None and reply.latency_ms is not None and reply.peak_rss_bytes > 1e6


def test_a_class_indexes_searches_together_and_takes_arguments(place, bench):
    system = python("./theirs.py:Holder", arguments={"first": "d5"})
    reply, rankings = measured(bench(mine=system), "mine", place)
    assert all(r.doc_ids == ("d5", "d2", "d1") for r in rankings.values())
    assert reply.index.files == {"ids": len("d1 d2 d3 d4 d5 d6")}


@pytest.mark.parametrize("told", [True, False])
def test_an_object_may_say_that_several_threads_may_search(place, bench, told):
    (place / "theirs.py").write_text(f"{CODE}\nholder.concurrent = {told}\n", encoding="utf-8")
    system = make_system("mine", bench(mine=python("./theirs.py:holder")))
    system.prepare()
    assert system.concurrent is told


def test_an_object_is_used_as_it_is_and_cannot_change_the_collection(place, bench):
    reply, rankings = measured(bench(mine=python("theirs:holder")), "mine", place)
    assert all(list(r) == [("d6", 1.0)] for r in rankings.values())
    assert "mine: answers without scores; the score is 1/rank" in reply.notes


def test_arguments_of_a_function_go_to_each_call(place, bench):
    system = python("theirs:weighted", arguments={"weight": -1})
    _, rankings = measured(bench(mine=system), "mine", place)
    assert rankings["q1"].doc_ids == ("d1", "d3", "d2")


@pytest.mark.parametrize(
    ("target", "arguments", "told"),
    [
        ("theirs", {}, "is not MODULE:NAME or ./FILE.py:NAME"),
        ("no_such:f", {}, "there is no module or file 'no_such'"),
        ("theirs:functio", {}, "did you mean 'function'?"),
        ("theirs:number", {}, "is a int without search(query, k)"),
        ("theirs:one_argument", {}, "the function must take (query, k): too many positional"),
        ("theirs:Holder", {"frist": 1}, "the class must take the arguments ['frist']"),
        ("theirs:holder", {"first": 1}, "is an object that is there already"),
    ],
)
def test_a_target_that_cannot_be_used_is_told_before_any_work(place, target, arguments, told):
    words = ["systems=x", "system.x.kind=python", f"system.x.target={target}"]
    words += [f"system.x.arguments.{key}={value}" for key, value in arguments.items()]
    with pytest.raises(ConfigError) as error:
        compose_run(words)
    assert told in str(error.value)


def test_whose_code_runs_is_said_for_a_folder_of_others(place, capfd, monkeypatch):
    monkeypatch.setattr(registry, "_SAID", set())
    (place / "conf" / "system").mkdir(parents=True)
    (place / "conf" / "foreign.py").write_text(CODE, encoding="utf-8")
    (place / "conf" / "system" / "x.yaml").write_text(
        "kind: python\ntarget: ./foreign.py:function\n", encoding="utf-8"
    )
    compose_run(["systems=x"], [place / "conf"])
    assert f"system 'x': the code of {place / 'conf' / 'foreign.py'} runs" in capfd.readouterr().err


def test_what_is_measured_before_does_not_outlive_the_code(place):
    settings = system_settings("x", python("./theirs.py:function"))
    before = settings.outside()
    (place / "theirs.py").write_text(CODE + "\n# changed", encoding="utf-8")
    assert before != settings.outside()


def test_answers_to_several_queries_are_one_each(place, bench):
    with pytest.raises(DataError, match="returned 0 answers to 2 queries"):
        measured(bench(mine=python("theirs:Short")), "mine", place)
    with pytest.raises(DataError, match="is a coroutine"):
        measured(bench(mine=python("theirs:coroutine")), "mine", place)


ENDLESS = "more than 1,000,000 results"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([("a", 1), ["b", np.float32(2)]], (["a", "b"], [1, 2])),
        ({"a": 1.0}, (["a"], [1.0])),
        ((pair for pair in [("a", 1)]), (["a"], [1])),
        ([{"corpus_id": "a", "score": 1}], (["a"], [1])),
        ([{"docid": "a"}, 7], (["a", 7], None)),
        ([], ([], None)),
        (None, "NoneType is not a list of (id, score)"),
        ("ab", "'ab' is not a list"),
        ({"a", "b"}, "set is not a list"),
        ([("a", 1), "b"], "1 of 2 results have a score"),
        ([("a", 1, 2)], "the result tuple is neither an id nor a pair"),
        ([True], "is neither an id"),
        (iter(lambda: "a", None), ENDLESS),
    ],
)
def test_answers_are_taken_apart(answer, expected):
    if isinstance(expected, tuple):
        assert ranked(answer) == expected
        return
    with pytest.raises(ValueError) as error:
        ranked(answer)
    assert expected in str(error.value)
    assert MOST_RESULTS == 1_000_000


@pytest.mark.parametrize(
    ("ids", "scores", "told"),
    [
        (["d1"], [float("nan")], "a score is NaN"),
        (["d1"], ["1.0"], "the score '1.0' is no number"),
        (["d1"], [None], "the score NoneType is no number"),
        (["d1"], [10**400], "is no number"),
        (["d1"], [True], "is no number"),
        ([None], [1], "the id NoneType is no text"),
        ([1.5], [1], "the id '1.5' is no text"),
        (["d1", "d2"], [1], "2 ids and 1 scores do not go together"),
    ],
)
def test_a_wrong_answer_is_one_line(bench, ids, scores, told):
    with pytest.raises(DataError) as error:
        Answers("x", bench()).hits("why\n?", ids, scores, 10)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_what_is_left_out_is_told_and_counted_once(bench):
    answers = Answers("x", bench())
    for _ in range(3):
        hits = answers.hits("a", ["d1", "x\ud800", "d1", "d2"], [1, 9, 2, float("inf")], 10)
    assert hits.docs.tolist() == [1, 0] and hits.scores.tolist() == [float("inf"), 2]
    assert answers.hits("b", ["d3", "d4"], None, 1).docs.tolist() == [2]
    told = answers.notes()
    assert [line.rpartition(" ")[2] for line in told] == ["queries", "1", "1", "1/rank"]
    assert "left out of the answers: 1, in 1 of 2 queries" in told[0]


def test_an_answer_of_which_nothing_is_known_is_an_error_once_all_queries_were_asked(bench):
    answers = Answers("x", bench())
    for number in range(2):
        assert not len(answers.hits(str(number), ["no"], [1], 10))
    with pytest.raises(DataError, match="no result of 3 is a document of the collection"):
        answers.hits("2", ["no"], [1], 10)


def test_numbers_are_ids_by_their_digits(bench, tiny_collection):
    (first, *rest) = tiny_collection.documents
    numbered = dataclasses.replace(tiny_collection, documents=[first._replace(id="7"), *rest])
    given = dataclasses.replace(bench(), collection=numbered)
    assert Answers("x", given).hits("q", [np.int64(7)], [1], 10).docs.tolist() == [0]


def test_it_runs_from_the_command_line_and_is_part_of_others(place, fork_server, tiny_collection):
    done, rows = run(
        *(fork_server, tiny_collection, place, "systems=[bm25,mine,both]"),
        *("system.mine.kind=python", f"system.mine.target={place / 'theirs.py'}:function"),
        *("system.both.kind=rrf", "system.both.systems=[bm25,mine]"),
    )
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in rows.values()} == {"ok"} and len(rows) == 3
    assert read_trec(place / "out" / "runs" / "mine.trec").rankings["q2"].doc_ids[0] == "d3"
