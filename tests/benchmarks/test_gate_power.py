"""`experiment=gate_power`: damage, trials, and the whole of it on a small folder."""

from __future__ import annotations

import json

import beir_folder
import numpy as np
import pytest
from forking import BENCHMARKS

from benchmarks.__main__ import main
from benchmarks.features import register
from benchmarks.gate_power.conductor import Conductor
from benchmarks.gate_power.record import GatePower
from benchmarks.gate_power.trials import (
    Difference,
    draw,
    draw_signs,
    equal_tolerance,
    judge_trials,
)
from benchmarks.gate_power.variants import lost_documents, shuffled_ids
from colbench.config.compose import compose_run
from colbench.errors import StorageError
from colbench.gate.rules import GateRules
from colbench.locks import only_run
from colbench.results.checksummed import read_checksummed
from colbench.run.model import Ranking, Run

register()

IDS = [f"d{n}" for n in range(100)]
RUN = Run("x", {"q": Ranking.sort(IDS, list(np.linspace(1, 0, 100)))})
RULES = GateRules(measures={"ndcg@10": 0.005}, lost_queries={"at_most": 0, "share": 0.0})
CELL = ("colbert", "ndcg@10")


def test_lost_documents_are_gone_and_all_others_keep_their_scores():
    found = lost_documents(RUN, IDS, 0.1, seed=0).rankings["q"]
    before = dict(RUN.rankings["q"])
    assert len(found) == 90 and all(before[doc] == score for doc, score in found)
    assert found == lost_documents(RUN, IDS, 0.1, seed=0).rankings["q"]
    assert found != lost_documents(RUN, IDS, 0.1, seed=1).rankings["q"]


def test_shuffled_ids_are_all_wrong_and_none_is_lost():
    found = shuffled_ids(RUN, IDS, 0.1, seed=0).rankings["q"]
    assert sorted(found.doc_ids) == sorted(IDS)
    moved = [a for a, b in zip(found.doc_ids, RUN.rankings["q"].doc_ids, strict=True) if a != b]
    assert len(moved) == 10
    assert found.scores.tolist() == RUN.rankings["q"].scores.tolist()


def difference(deltas, lost=None, differs=None):
    deltas = np.asarray(deltas, dtype=np.float64)
    gone, moved = (
        np.zeros(len(deltas), dtype=bool) if given is None else np.asarray(given)
        for given in (lost, differs)
    )
    return Difference({CELL: deltas}, {"colbert": gone}, {"bm25": moved})


def test_a_drop_of_every_query_is_always_seen_and_no_difference_never():
    drawn = draw(queries=200, size=50, trials=30, seed=0)
    assert drawn.shape == (30, 50) and drawn.max() < 200
    worse = judge_trials(difference(np.full(200, -0.1)), drawn, RULES, family=4)
    assert worse.tests.all() and worse.gate.all() and worse.drop == pytest.approx(0.1)
    same = judge_trials(difference(np.zeros(200)), drawn, RULES, family=4)
    assert not same.tests.any() and not same.gate.any() and (same.drop == 0).all()


def test_lost_queries_raise_an_alarm_of_the_gate_alone():
    drawn = draw(queries=200, size=50, trials=30, seed=0)
    lost = np.arange(200) == drawn[0, 0]
    found = judge_trials(difference(np.zeros(200), lost), drawn, RULES, family=4)
    assert not found.tests.any()
    assert found.gate.tolist() == [bool(lost[trial].any()) for trial in drawn]


def test_an_exact_path_that_is_not_identical_raises_an_alarm_of_the_gate_alone():
    drawn = draw(queries=200, size=50, trials=30, seed=0)
    differs = np.arange(200) == drawn[0, 0]
    found = judge_trials(difference(np.zeros(200), differs=differs), drawn, RULES, family=4)
    assert not found.tests.any()
    assert found.gate.tolist() == [bool(differs[trial].any()) for trial in drawn]


def test_exchanged_runs_raise_no_more_alarms_than_declared():
    random = np.random.default_rng(0)
    deltas = np.where(random.random(300) < 0.4, random.normal(-0.1, 0.3, 300), 0.0)
    drawn, signs = draw(300, 100, 300, seed=1), draw_signs(300, 100, seed=1)
    whole = judge_trials(difference(deltas), drawn, RULES, family=1)
    exchanged = judge_trials(difference(deltas), drawn, RULES, family=1, signs=signs)
    assert whole.tests.mean() > 0.3
    assert exchanged.tests.mean() <= 0.08
    assert (exchanged.drop > 0.005).mean() > 0.3  # what a fixed tolerance makes of it


def test_more_systems_in_a_gate_make_it_no_quicker_to_judge():
    random = np.random.default_rng(2)
    deltas = random.normal(-0.02, 0.1, 300)
    drawn = draw(300, 50, 200, seed=3)
    alone = judge_trials(difference(deltas), drawn, RULES, family=1).tests
    crowd = judge_trials(difference(deltas), drawn, RULES, family=20).tests
    assert crowd.sum() < alone.sum() and not (crowd & ~alone).any()


def test_the_equal_tolerance_detects_as_much():
    drops = [np.random.default_rng(n).random(500) for n in range(3)]
    found = equal_tolerance(drops, power=0.7)
    assert np.mean([(drop >= found).mean() for drop in drops]) == pytest.approx(0.7, abs=0.01)


EXPERIMENT = """\
# @package _global_
defaults:
  - override /dataset: beir_dir
task: gate_power
attribution: false
latency: {queries: 1, warmup: 1}
gate_power:
  datasets: [beir_dir]
  systems: [bm25, bi_encoder]
  sizes: [4, 8]
  trials: 20
  noise:
    query_order: {about: turned round, systems: [bm25, bi_encoder], reverse_queries: true}
    batch:
      about: small
      systems: [bi_encoder]
      overrides: [encoder.batch_tokens=16]
      fresh_vectors: true
  degradations:
    no_stemming: {about: unstemmed, systems: [bm25], overrides: [system.bm25.analyser.stemmer=null]}
    lost: {about: lost, systems: [bi_encoder], damage: lost_documents, share: 0.4}
"""


@pytest.fixture(scope="module")
def made(fork_server, tmp_path_factory):
    """The experiment's overrides, run once."""
    root = tmp_path_factory.mktemp("power")
    overrides = [
        "cats",
        "dogs",
        "birds",
        "fishes",
        "horses",
        "mice",
        "foxes",
        "wolves",
        "bears",
        "whales",
    ]
    documents = {f"d{n}": f"Many {word} sleep at night." for n, word in enumerate(overrides)}
    queries = {f"q{n}": f"does a {word[:-1]} sleep" for n, word in enumerate(overrides)}
    qrels = [(f"q{n}", f"d{n}", 1) for n in range(len(overrides))]
    folder = beir_folder.write_folder(root / "data", documents, queries, qrels)
    (root / "conf" / "experiment").mkdir(parents=True)
    (root / "conf" / "experiment" / "power.yaml").write_text(EXPERIMENT)
    rules = root / "rules.yaml"
    rules.write_text("measures: {ndcg@10: 0.005}\n")
    command = [
        *("run", "--quiet", "--config-dir", str(root / "conf"), "experiment=power"),
        *(f"dataset.path={folder}", f"output_dir={root / 'out'}", f"cache_dir={root / 'cache'}"),
        f"gate_power.rules={rules}",
    ]
    done = fork_server.run(*command, function=BENCHMARKS)
    assert done.returncode == 0, done.stderr
    return root / "out", command


@pytest.mark.nightly
def test_the_experiment_writes_results_a_report_and_a_picture(made):
    out, _ = made
    found = GatePower.model_validate(
        read_checksummed(out / "gate_power.json", what="", renew="")
    ).collections[0]
    assert found.collection.queries == 10
    by_kind = {(v.kind, v.variant): v for v in found.variants}
    assert list(by_kind) == [
        *(("noise", "query_order"), ("noise", "batch")),
        *(("degradation", "no_stemming"), ("degradation", "lost")),
        *(("exchanged", "no_stemming"), ("exchanged", "lost")),
    ]
    order = by_kind["noise", "query_order"]
    assert order.differences["bm25"]["ndcg@10"] == 0
    assert all(d.tests == d.gate == d.tolerance == 0 for d in order.detections)
    lost = by_kind["degradation", "lost"]
    assert lost.differences["bi_encoder"]["ndcg@10"] < -0.2 and lost.lost["bi_encoder"] == 4
    assert lost.detections[1].tolerance == 1
    assert [(row.queries, row.rule) for row in found.equal_power] == [
        (size, rule) for size in (4, 8) for rule in ("tests", "gate", "fixed")
    ]
    report = (out / "report.md").read_text()
    assert "unstemmed" in report and "![" in report
    assert (out / "power.svg").read_text().startswith("<svg")
    assert (out / "power.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.nightly
def test_runs_that_are_there_are_not_made_again_and_the_outcome_is_the_same(fork_server, made):
    out, command = made
    first = json.loads((out / "gate_power.json").read_text())
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob(".runs/*/*/results.json")}
    assert len(stamps) == 4
    assert fork_server.run(*command, function=BENCHMARKS).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    second = json.loads((out / "gate_power.json").read_text())
    assert second["collections"] == first["collections"]


def test_two_runs_on_one_folder_do_not_mix(tmp_path):
    overrides = ["experiment=gate_power", f"output_dir={tmp_path}"]
    conductor = Conductor(compose_run(overrides), ["colbench", "run", *overrides], overrides)
    with (
        only_run(tmp_path, tmp_path / ".runs"),
        pytest.raises(StorageError, match=f"another run is writing to {tmp_path}"),
    ):
        conductor.run()
    assert [path.name for path in tmp_path.rglob("*")] == [".runs", "lock"]


@pytest.mark.nightly
def test_a_variant_of_a_system_that_no_gate_looks_at_is_refused(made, capsys):
    _, command = made
    assert main([*command, "gate_power.systems=[bm25]"]) == 2
    assert "no gate looks at system 'bi_encoder'" in capsys.readouterr().err
