"""`colbench.run`: systems of the configuration, functions and objects in one comparison."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import colbench
from colbench.collection.load import load_collection as load_from
from colbench.config.compose import compose_run
from colbench.experiment.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"latency": {"queries": 1, "trials": 3, "warmup": 1}}


def mine(query: str, k: int) -> list[tuple[str, float]]:
    """Answer in no order, with a tie: the larger id is to come first."""
    return [("berlin", 1.0), ("paris", 2.0), ("tides", 1.0)]


class Own:
    """Search by the words that a document shares with the query."""

    closed = False

    def index(self, collection):
        self.words = {d.id: set(d.text.lower().split()) for d in collection.documents}

    def search(self, query, k):
        return {doc: len(words & set(query.lower().split())) for doc, words in self.words.items()}

    def close(self):
        self.closed = True


def breaks(query, k):
    raise ValueError("made for this test")


@pytest.fixture(scope="module")
def own():
    return Own()


@pytest.fixture(scope="module")
def results(examples, tmp_path_factory, own):
    output = tmp_path_factory.mktemp("api") / "out"
    cache = tmp_path_factory.mktemp("cache")
    systems = ["bm25", mine, own, breaks, "colbert_exact"]
    folder = examples / "my_folder"
    given = {"encoder": "custom", "encoder.model": "nobody/nothing", "cache_dir": cache}
    return colbench.run(dataset=folder, systems=systems, output_dir=output, **given, **QUICK)


def test_each_system_is_a_row_whatever_becomes_of_it(results):
    assert [(system.name, system.status) for system in results.systems] == [
        *(("bm25", "ok"), ("mine", "ok"), ("Own", "ok"), ("breaks", "failed")),
        ("colbert_exact", "skipped"),
    ]
    assert len(results) == 5 and results["mine"].name == "mine"
    reason = results["breaks"].reason
    assert reason.startswith("ValueError: made for this test (test_api_run.py, line ")
    assert (results.folder / results["breaks"].log).is_file()
    with pytest.raises(colbench.ConfigError, match="did you mean 'bm25'"):
        _ = results["bm52"]


def test_what_is_called_here_is_sorted_timed_and_told(results, own):
    lines = (results.folder / results["mine"].run_file).read_text().splitlines()
    assert [line.split()[2] for line in lines[:3]] == ["paris", "tides", "berlin"]
    row = results["mine"]
    assert row.latency_ms is not None and row.throughput_qps and row.build_seconds is not None
    assert row.peak_rss_bytes is None and row.index is None
    assert row.config["kind"] == "live" and "function mine of test_api_run" in row.config["target"]
    assert any("mine: measured in the process" in note for note in results.notes)
    assert results["Own"].effectiveness["mrr@10"] == 1.0
    assert not own.closed, "it stays its owner's"


def test_results_are_those_of_the_command_line(results, examples, tmp_path):
    """A collection that is in memory, too, has the same rows."""
    words = ["dataset=beir_dir", f"dataset.path={examples / 'my_folder'}", "systems=[bm25]"]
    settings = compose_run([*words, f"output_dir={tmp_path / 'cli'}", "latency.queries=1"])
    known, _ = Runner(settings).run()
    held = colbench.run(
        dataset=load_from(settings.dataset),
        systems="bm25",
        output_dir=tmp_path / "held",
        **QUICK,
    )
    for found in (results.record, held.record):
        assert found.collection == known.collection
        assert found.systems[0].run_sha256 == known.systems[0].run_sha256
        assert found.systems[0].per_query == known.systems[0].per_query
        assert found.systems[0].index.files == known.systems[0].index.files
        assert found.systems[0].config == known.systems[0].config
    assert held.record.config["dataset"]["kind"] == "memory"
    assert held.record.command.startswith("colbench.run(dataset=<my_folder/test>, systems='bm25'")
    assert held.record.systems[0].run_sha256 == results["bm25"].run_sha256


def test_results_show_themselves(results):
    text = repr(results)
    assert "bm25" in text and "ndcg@10" in text and "breaks failed: ValueError" in text
    page = results._repr_html_()
    assert "<table" in page and "<svg" in page and "<script" not in page
    assert page is results._repr_html_()
    frame = results.to_frame()
    assert list(frame.index) == [system.name for system in results.systems]
    assert frame.loc["bm25", "ndcg@10"] == results["bm25"].effectiveness["ndcg@10"]
    assert frame.loc["breaks", "status"] == "failed" and "peak_rss_bytes" in frame.columns
    by_query = results.to_frame(per_query=True)
    assert by_query.loc[("mine", "q1"), "mrr@10"] == results.per_query("mine")["mrr@10"]["q1"]
    assert len(by_query) == 3 * 2


def test_results_are_saved_and_loaded(results, tmp_path):
    assert colbench.load_results(results.folder).record == results.record
    target = results.save(tmp_path / "copy")
    again = colbench.load_results(target)
    assert again.record == results.record
    assert (target / "report.html").is_file() and (target / "runs" / "bm25.trec").is_file()
    assert colbench.evaluate(target / "runs" / "bm25.trec", results_dataset(results)).measures
    with pytest.raises(colbench.StorageError, match="is not empty"):
        results.save(target)


def results_dataset(results):
    return results.record.config["dataset"]["path"]


def another(query, k):
    return ["paris"]


another.__name__ = "bm25"

WRONG = {
    "'bm25' is the name of a system of the configuration": [another],
    "two are called 'mine'": [mine, mine],
    "3 is no system": [3],
    "'first' is to be 'bm25', which has a name": {"first": "bm25"},
    "has a dot in it": {"a.b": mine},
    "the name of a system is empty": {" ": mine},
    "must take \\(query, k\\)": {"short": lambda query: []},
    "unknown system 'bm52': did you mean 'bm25'": ["bm52", mine],
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_system_is_told_before_any_work(message, examples, tmp_path):
    with pytest.raises(colbench.ConfigError, match=message):
        colbench.run(
            dataset=examples / "my_folder", systems=WRONG[message], output_dir=tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_what_a_run_in_python_does_not_do_is_told(tiny_collection):
    with pytest.raises(colbench.ConfigError, match=r"colbench\.gate\(results"):
        colbench.run(dataset=tiny_collection, systems=[mine], gate={"baseline": "b.json"})
    with pytest.raises(colbench.ConfigError, match="unknown task 'train'"):
        colbench.run(dataset=tiny_collection, systems="bm25", task="train")
    with pytest.raises(colbench.ConfigError, match="give it where that is loaded"):
        colbench.run(dataset=tiny_collection, **{"dataset.split": "test"})


def test_a_mapping_gives_names_and_a_class_is_made_for_the_run(examples, tmp_path):
    made = []

    class Made(Own):
        def __init__(self):
            made.append(self)

    results = colbench.run(
        dataset=examples / "my_folder",
        systems={"first one": Made, "fused": "fused"},
        system={"fused": {"kind": "rrf", "systems": ["first one", "bm25"]}},
        output_dir=tmp_path / "out",
        measures="mrr@3",
        k=3,
        **QUICK,
    )
    assert [(s.name, s.status, s.reason) for s in results.systems] == [
        *(("first one", "ok", None), ("fused", "ok", None)),
    ]
    assert all(one.closed for one in made) and results.measures == ["mrr@3"]
    assert results["fused"].peak_rss_bytes is None


SCRIPT = """
import asyncio, json, logging, os, random, signal, sys, threading, warnings
import numpy as np
import colbench
from hydra.core.global_hydra import GlobalHydra

collection = colbench.Collection(
    "made", [colbench.Document("a", "", "a cat"), colbench.Document("b", "", "a dog")],
    [colbench.Query("q", "cat")], {"q": {"a": 1}},
)

def state():
    return [
        dict(os.environ), os.getcwd(), GlobalHydra.instance().hydra,
        [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)], list(sys.path),
        logging.root.level, list(logging.root.handlers), id(sys.stdout), id(sys.stderr),
        random.getstate(), np.random.get_state()[1].tolist(), sys.excepthook,
    ]

def measure(name):
    results = colbench.run(
        dataset=collection, systems=["bm25", lambda query, k: ["a"]], output_dir=name,
        latency={"queries": 1}, measures=["map"],
    )
    found[name] = [(s.name, s.status, s.reason) for s in results.systems]

async def notebook():  # where an event loop runs
    measure("loop")

found = {}
colbench.load_collection(collection)
colbench.run  # what importing it sets is not what a run leaves
before, filters = state(), list(warnings.filters)
threads = [threading.Thread(target=measure, args=(name,)) for name in ("one", "two")]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
asyncio.run(notebook())
after = state()
assert [i for i, (a, b) in enumerate(zip(before, after)) if a != b] == []
assert set(filters) <= set(warnings.filters)  # libraries add some when they are imported
with open("found.json", "w") as stream:
    json.dump(found, stream)
"""


@pytest.mark.nightly
def test_a_run_from_anywhere_prints_nothing_and_leaves_nothing_behind(tmp_path):
    """From `python -c` without a guard, in threads at once, and where an event loop runs."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        **{"capture_output": True, "text": True, "check": False, "cwd": tmp_path},
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    expected = [["bm25", "ok", None], ["lambda", "ok", None]]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == dict.fromkeys(("one", "two", "loop"), expected)
