"""`experiment=encode_speed`: its parts, and the whole of it on a small folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import beir_folder
import busy_machine
import pytest

from benchmarks.encode_speed.conductor import Conductor
from benchmarks.encode_speed.effect import with_tests
from benchmarks.encode_speed.interleaving import Contender, time_interleaved
from benchmarks.encode_speed.measure import draw_documents, measure_speed
from benchmarks.encode_speed.record import Effect, EncodeSpeed
from benchmarks.encode_speed.settings import EncodeSpeedSettings
from benchmarks.encode_speed.task import EncodeSpeedTask
from benchmarks.features import register
from colbench.collection.model import Document
from colbench.config.compose import compose_run
from colbench.config.settings import SignificanceSettings
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import Form
from colbench.errors import ColbenchError, ConfigError
from colbench.results.checksummed import read_checksummed
from colbench.retriever.base import Workbench

register()

VARIANTS = "[{backend: torch, precision: fp32}, {backend: torch, precision: bf16}]"
WITH_FP16 = f"{VARIANTS[:-1]}, {{backend: torch, precision: fp16}}]"


def recorder(log, name):
    return Contender(
        lambda texts: log.append((name, len(texts))), lambda text: log.append((name, text))
    )


@pytest.mark.nightly
def test_a_race_lets_everyone_encode_everything_in_every_round_and_changes_who_begins():
    log = []
    contenders = {name: recorder(log, name) for name in ("a", "b", "c")}
    timings = time_interleaved(contenders, ["x", "y"], ["q1", "q2"], trials=3)
    assert all(
        len(timings[name].seconds) == len(timings[name].query_p50_ms) == 3 for name in contenders
    )
    batches = [name for name, what in log if what == 2]
    rounds = [batches[first : first + 3] for first in range(0, 9, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len({one[0] for one in rounds}) > 1
    assert [what for name, what in log if name == "b" and what != 2] == ["q1", "q2"] * 3


def test_documents_are_drawn_once_each_and_the_same_with_the_same_seed():
    texts = ["a", "b", "", "a", " ", "c", "d"]
    assert sorted(draw_documents(texts, 10, seed=0)) == ["a", "b", "c", "d"]
    assert len(draw_documents(texts, 2, seed=0)) == 2
    assert draw_documents(texts, 3, seed=5) == draw_documents(texts, 3, seed=5)


def test_variants_are_tested_against_the_first_and_not_without_it():
    effects = {"one": Effect(value=0.5), "two": Effect(value=0.4), "last": Effect(value=0.5)}
    values = {
        "one": {f"q{n}": 0.5 + 0.01 * n for n in range(20)},
        "two": {f"q{n}": 0.4 + 0.011 * n for n in range(20)},
        "last": {f"q{n}": 0.5 + 0.01 * n for n in range(20)},
    }
    found = with_tests("one", effects, values, "ndcg@10", SignificanceSettings())
    assert found["one"] == effects["one"] and found["last"].test.ties == 20
    assert found["two"].test.significant and found["two"].test.losses == 20
    assert with_tests("gone", effects, values, "ndcg@10", SignificanceSettings()) == effects


def run(fork_server, command):
    function = f"{busy_machine.__name__}:{busy_machine.keep_all.__name__}"
    return fork_server.run(*command, function=function, path=[Path(__file__).parent])


@pytest.fixture(scope="module")
def made(fork_server, tmp_path_factory):
    """The experiment's words, run once."""
    root = tmp_path_factory.mktemp("speed")
    words = ["cat", "dog", "bird", "fish", "horse", "mouse", "fox", "wolf", "bear", "whale"]
    documents = {f"d{n}": f"Many a {word} sleeps at night." for n, word in enumerate(words)}
    queries = {f"q{n}": f"does a {word} sleep" for n, word in enumerate(words)}
    qrels = [(f"q{n}", f"d{n}", 1) for n in range(len(words))]
    folder = beir_folder.write_folder(root / "data", documents, queries, qrels)
    command = [
        *("run", "--quiet", "experiment=encode_speed", "dataset=beir_dir"),
        *(f"dataset.path={folder}", f"output_dir={root / 'out'}", f"cache_dir={root / 'cache'}"),
        *(f"encode_speed.variants={WITH_FP16}", "encode_speed.forms=[dense]"),
        *("encode_speed.documents=6", "encode_speed.queries=2", "encode_speed.trials=2"),
    ]
    done = run(fork_server, command)
    assert done.returncode == 0, done.stderr
    return root / "out", command


def results_of(out):
    return EncodeSpeed.model_validate(
        read_checksummed(out / "encode_speed.json", what="", renew="")
    )


@pytest.mark.nightly
def test_the_experiment_times_and_judges_every_variant(made):
    out, _ = made
    results = results_of(out)
    assert EncodeSpeed.model_validate_json(results.model_dump_json()) == results
    (found,) = results.collections
    (form,) = found.forms
    assert (form.speed.form, form.system) == ("dense", "bi_encoder")
    check_speed(form.speed)
    fp16 = form.speed.variants[2]
    assert "GPU" in fp16.reason and fp16.speed is None
    assert form.effects["torch fp32"].value > 0.8 and form.effects["torch fp32"].test is None
    assert abs(form.effects["torch bf16"].test.difference) < 0.05
    assert "torch fp16" not in form.effects


def check_speed(speed):
    assert (speed.documents, speed.queries, speed.trials) == (6, 2, 2)
    assert 6 * 5 < speed.tokens < 6 * 20
    exact, half = speed.variants[:2]
    assert exact.to_first == 1.0 and exact.device == "cpu"
    for one in (exact, half):
        assert len(one.speed.rounds) == 2 and one.to_reference > 0 and one.gemm_gflops > 0
        assert min(one.speed.rounds) <= one.speed.docs_per_second <= max(one.speed.rounds)
        # All did the same work, so operations and documents are in one proportion.
        assert one.speed.gflops / one.speed.docs_per_second == pytest.approx(
            speed.reference.gflops / speed.reference.docs_per_second
        )


def task_of(words):
    settings = compose_run(["experiment=encode_speed", f"encode_speed.variants={words}"])
    return EncodeSpeedTask(
        encoder=settings.encoder,
        form=Form.TOKENS,
        variants=settings.feature(EncodeSpeedSettings).variants,
        **{"documents": 6, "queries": 2, "trials": 2, "batch_size": 32, "seed": 0},
    )


def bench_of(folder, collection):
    cache = EmbeddingCache(folder / "cache")
    return Workbench(collection, folder / "work", cache, {}, memory_bytes=1 << 30)


@pytest.mark.nightly
def test_token_vectors_are_timed_beside_a_multi_vector_encoder(tmp_path, tiny_collection):
    documents = [
        Document(str(n), "", f"{word} is a word of some length")
        for n, word in enumerate(["cat", "dog", "bird", "fish", "horse", "mouse", "fox"])
    ]
    collection = dataclasses.replace(tiny_collection, documents=documents)
    speed = measure_speed(task_of(VARIANTS), bench_of(tmp_path, collection))
    assert speed.form == "tokens" and len(speed.variants) == 2
    check_speed(speed)


def test_variants_of_which_none_can_run_say_why(tmp_path, tiny_collection):
    task = task_of("[{backend: torch, precision: fp16}]")
    with pytest.raises(ColbenchError, match=r"torch fp16: .*GPU"):
        measure_speed(task, bench_of(tmp_path, tiny_collection))


@pytest.mark.nightly
def test_report_and_picture_show_all_of_it(made):
    out, _ = made
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "| sentence-transformers, batches of 32 | fp32 |" in report
    assert report.count("| torch | bf16 |") == 1 and report.count("not measured") == 2
    assert "torch fp16 was not measured" in report and "GPU" in report
    assert (out / "speed.svg").read_text(encoding="utf-8").startswith("<svg")
    assert (out / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.nightly
def test_what_is_there_is_not_measured_again(fork_server, made):
    out, command = made
    first = results_of(out)
    kept = [*out.rglob(".parts/*.json"), *out.rglob(".runs/*/*/results.json")]
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    assert len(stamps) == 1 + 2
    assert run(fork_server, command).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == stamps
    assert results_of(out).collections == first.collections


@pytest.mark.nightly
def test_timings_that_were_changed_are_taken_again(fork_server, made):
    out, command = made
    file = next(out.rglob(".parts/*-dense.json"))
    content = json.loads(file.read_text(encoding="utf-8"))
    content["value"]["speed"]["reference"]["docs_per_second"] = 1e9
    file.write_text(json.dumps(content), encoding="utf-8")
    assert run(fork_server, command).returncode == 0
    assert results_of(out).collections[0].forms[0].speed.reference.docs_per_second < 1e9


def conductor(*words):
    words = ["experiment=encode_speed", *words]
    return Conductor(compose_run(words), ["colbench"], words)


def test_wrong_settings_are_refused_with_what_is_near():
    with pytest.raises(ConfigError, match=r"did you mean 'encode_speed\.documents'"):
        compose_run(["experiment=encode_speed", "encode_speed.document=5"])
    with pytest.raises(ConfigError, match="unknown dataset 'beir/scifac': did you mean"):
        conductor("encode_speed.datasets=[beir/scifac]")
    with pytest.raises(ConfigError, match="variants names torch fp32 more than once"):
        conductor(f"encode_speed.variants={VARIANTS.replace('bf16', 'fp32')}")
    with pytest.raises(ConfigError, match="ndcg"):
        conductor("encode_speed.measure=ndgc@10")
    with pytest.raises(ConfigError, match="backend"):
        conductor("encode_speed.variants=[{backend: tensorflow, precision: fp32}]")


def test_the_task_without_its_settings_is_refused():
    with pytest.raises(ConfigError, match="experiment=encode_speed"):
        Conductor(compose_run(["task=encode_speed"]), [], [])
