"""`colbench.evaluate`: every form of a run gives the same values, and wrong ids are told."""

import gzip

import pytest

import colbench
from colbench.run.model import Ranking, Run
from colbench.run.trec import write_trec

MEASURES = ["ndcg@10", "mrr@10", "recall@100"]
RUN = {"q1": {"d2": 3.0, "d1": 2.0}, "q2": {"d5": 1.0, "d3": 1.0}}
"""d5 and d3 tie: the larger id comes first."""

FORMS = {
    "mapping": RUN,
    "pairs": {query: list(found.items()) for query, found in RUN.items()},
    "ids": {"q1": ["d2", "d1"], "q2": ["d5", "d3"]},
    "tuples": [(q, d, s) for q, found in RUN.items() for d, s in reversed(found.items())],
    "generator": ((q, d, s) for q, found in RUN.items() for d, s in found.items()),
}


@pytest.fixture
def known(tiny_collection):
    return colbench.evaluate(RUN, tiny_collection, MEASURES)


def test_values_are_those_of_the_definition(known):
    assert known.measures["mrr@10"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert known.per_query["mrr@10"] == {"q1": 0.5, "q2": 1.0, "q3": 0.0}
    assert known.per_query["recall@100"] == {"q1": 1.0, "q2": 1.0, "q3": 0.0}
    (note,) = known.notes
    assert note == "1 of 3 queries are not in the run and count 0, for example 'q3'"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_run_gives_the_same(form, known, tiny_collection):
    found = colbench.evaluate(FORMS[form], dataset=tiny_collection, measures=MEASURES)
    assert found.per_query == known.per_query and found.notes == known.notes


def test_a_file_gives_the_same(known, tiny_collection, tmp_path):
    rankings = {q: Ranking.sort(list(f), list(f.values())) for q, f in RUN.items()}
    write_trec(Run("mine", rankings), tmp_path / "mine.trec")
    with gzip.open(tmp_path / "mine.trec.gz", "wb") as stream:
        stream.write((tmp_path / "mine.trec").read_bytes())
    for path in (tmp_path / "mine.trec", str(tmp_path / "mine.trec.gz")):
        found = colbench.evaluate(path, tiny_collection, MEASURES)
        assert found.per_query == known.per_query and found.name == "mine"
    with pytest.raises(colbench.StorageError, match="nowhere"):
        colbench.evaluate("nowhere.trec", tiny_collection)


def test_what_the_collection_lacks_is_left_out_and_told(tiny_collection, known):
    run = {"q1": {"x": 9.0, **RUN["q1"]}, "q2": RUN["q2"], "other": {"d1": 1.0}}
    found = colbench.evaluate(run, tiny_collection, MEASURES)
    assert found.per_query == known.per_query
    assert any("1 result left out" in note and "'x'" in note for note in found.notes)
    assert any("1 query of the run without judgments" in note for note in found.notes)


WRONG = {
    "none of the 1 query of the run is in tiny": {"Q1": ["d1"]},
    "none of the documents of the run is in tiny": {"q1": ["D1"]},
    "the score 'high' is no number": {"q1": {"d1": "high"}},
    "the score nan is no number": {"q1": {"d1": float("nan")}},
    "is listed twice for query 'q1'": {"q1": [("d1", 1.0), ("d1", 2.0)]},
    "the query id 1.5 is of type float": {1.5: ["d1"]},
    "write \\(query id, document id, score\\)": [("q1", "d1")],
    "a run of type int": 3,
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_run_is_told_in_one_line(message, tiny_collection):
    with pytest.raises(colbench.DataError, match=message):
        colbench.evaluate(WRONG[message], tiny_collection)


def test_an_unknown_measure_is_told_with_what_is_near(tiny_collection):
    with pytest.raises(colbench.ConfigError, match="did you mean 'ndcg@10'"):
        colbench.evaluate(RUN, tiny_collection, ["ndgc@10"])
    one = colbench.evaluate(RUN, tiny_collection, "map")
    assert list(one.measures) == ["map"]


def test_scores_show_themselves(known):
    assert "ndcg@10" in repr(known) and "3 queries" in repr(known)
    assert "<script" not in known._repr_html_() and "recall@100" in known._repr_html_()
    frame = known.to_frame()
    assert frame.loc["q1", "mrr@10"] == 0.5 and list(frame.columns) == MEASURES
