"""`colbench run` as a user starts it, on a small folder, with the real embedded model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import beir_folder
import psutil
import pytest
from filelock import FileLock
from forking import wait_for
from lucene import missing

from colbench.cli.main import main
from colbench.config.folder import options
from colbench.experiment import worker
from colbench.results.store import read_results
from colbench.run.trec import read_trec

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {
    "paris/1": "Paris is the capital of France.",
    "berlin": "Berlin is the capital of Germany.",
    "cheese": "Cheese is made from milk all over France.",
    "long": "A very long text. " * 60_000,  # over 1 MB
    "empty": "",
    "tides": "The moon pulls the sea and makes the tides.",
}
QUERIES = {"q1": "What is the capital of France?", "q2": "why does the sea rise and fall"}
QRELS = [("q1", "paris/1", 1), ("q1", "berlin", 0), ("q2", "tides", 2)]


def write_folder(folder, documents=DOCUMENTS, queries=QUERIES, qrels=QRELS):
    return beir_folder.write_folder(folder, documents, queries, qrels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "mine")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def command(folder, output, cache, *overrides):
    return [
        *("run", "--quiet", "dataset=beir_dir", f"dataset.path={folder}"),
        *(f"output_dir={output}", f"cache_dir={cache}", "encoder.precision=fp32"),
        *overrides,
    ]


@pytest.fixture(scope="module")
def colbench(fork_server):
    return lambda *arguments: fork_server.run(*command(*arguments))


def interpreter(*arguments):
    """The words that start the command as a user does."""
    return [sys.executable, "-P", "-m", "colbench.cli.main", *arguments]


SYSTEMS = "systems=[bm25,colbert_exact,bm25_colbert,bm25_cross_encoder]"


@pytest.fixture(scope="module")
def first_run(colbench, folder, cache, tmp_path_factory):
    output = tmp_path_factory.mktemp("first")
    return colbench(folder, output, cache, SYSTEMS), output


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_system_runs_in_interpreters_of_its_own_from_any_folder(
    colbench, folder, cache, tmp_path, monkeypatch
):
    """As a user starts it; the same from forks of one process, which most tests here are."""
    (tmp_path / "random.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    systems = list(options("system"))
    words = [f"systems=[{','.join(systems)}]", "cross_encoder=minilm_demo", "latency.queries=1"]
    words += ["threads=1"]  # as many as a fork has: the last bits of a product depend on them
    words += ["index.centroids=8", f"cache_dir={tmp_path / 'cache'}"]
    done = subprocess.run(
        interpreter(*command(folder, tmp_path / "own", cache, *words)),
        **{"capture_output": True, "text": True, "check": False, "cwd": tmp_path},
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    forked = colbench(folder, tmp_path / "forked", cache, *words)
    assert forked.returncode == 0, forked.stderr
    own, others = read_results(tmp_path / "own"), read_results(tmp_path / "forked")
    assert [system.name for system in own.systems] == systems
    for one, other in zip(own.systems, others.systems, strict=True):
        if one.name.startswith("bm25_lucene") and missing() is not None:
            assert (one.status, one.reason) == ("skipped", missing())
            continue
        if one.config["kind"] == "engine" and one.status == "skipped":  # not installed here
            assert "pip install" in one.reason
            continue
        assert one.status == "ok"
        assert one.run_sha256 == other.run_sha256
        assert one.index.files == other.index.files
        assert one.peak_rss_bytes > 10_000_000


def test_a_run_leaves_valid_results_reports_and_runs(first_run):
    done, output = first_run
    assert done.returncode == 0, done.stderr
    results = read_results(output)
    assert [s.name for s in results.systems] == [
        *("bm25", "colbert_exact", "bm25_colbert", "bm25_cross_encoder"),
    ]
    assert results.collection.docs == 6 and results.collection.queries == 2
    assert sorted(p.name for p in output.iterdir()) == [
        *("config.json", "per_query", "pictures", "report.html", "report.md"),
        *("results.json", "runs"),
    ]
    for system in results.systems[:3]:
        run = read_trec(output / system.run_file)
        assert set(run.query_ids) == set(QUERIES)
        per_query = json.loads((output / system.per_query_file).read_text(encoding="utf-8"))
        mean = sum(per_query["ndcg@10"].values()) / 2
        assert system.effectiveness["ndcg@10"] == pytest.approx(mean)
    assert "colbert_exact" in done.stdout and str(output / "report.html") in done.stdout


def test_the_first_measure_is_the_primary_one_and_has_intervals(first_run):
    results = read_results(first_run[1])
    assert results.primary == results.measures[0] == "ndcg@10"
    assert any(note.startswith("too few queries to tell: 2 cannot") for note in results.notes)
    bm25, exact, *_ = results.systems
    low, high = bm25.intervals["ndcg@10"]
    assert set(bm25.intervals) == {"ndcg@10"} and low <= bm25.effectiveness["ndcg@10"] <= high
    tests = exact.significance
    assert [name for name, test in tests.items() if test.primary] == ["ndcg@10"]
    # Of six documents, a hundred say nothing of a ranking.
    whole = "recall@100, recall@1000: of all 6 documents at once"
    assert any(note.startswith(whole) for note in results.notes)
    assert tests["recall@100"].p_value is None and tests["ndcg@10"].p_value is not None
    assert tests["ndcg@10"].verdict == "open"
    # Two queries tell no two systems apart, so that all share all ranks.
    ran = [system for system in results.systems if system.status == "ok"]
    assert {system.ranks["ndcg@10"] for system in ran} == {(1, len(ran))}
    assert not any("recall@100" in system.ranks for system in ran)


@pytest.mark.nightly
def test_results_say_how_documents_were_encoded(colbench, first_run, folder, tmp_path):
    _, output = first_run
    (exact,) = read_results(output).systems[1].encodings
    assert exact.gemm_gflops > 0  # this run encoded
    told = (exact.form, exact.backend, exact.precision, exact.truncated_docs, exact.cosine)
    assert told == ("tokens", "torch", "fp32", 1, None)
    done = colbench(
        *(folder, tmp_path / "out", tmp_path / "cache", "systems=[colbert_exact]"),
        "encoder.precision=int8",
    )
    assert done.returncode == 0, done.stderr
    (int8,) = read_results(tmp_path / "out").systems[0].encodings
    assert (int8.backend, int8.precision, int8.tokens) == ("openvino", "int8", exact.tokens)
    assert 0.99 < int8.cosine < 1
    assert int8.gflops > 0 and (int8.gemm_gflops is None or int8.gemm_gflops > 0)
    entry = next((tmp_path / "cache").glob("*/space.json"))
    assert json.loads(entry.read_text(encoding="utf-8"))["precision"] == "int8"


def test_the_worked_example_ranks_paris_over_berlin(first_run):
    _, output = first_run
    ranking = [doc for doc, _ in read_trec(output / "runs/colbert_exact.trec").rankings["q1"]]
    assert ranking.index("paris/1") == 0
    assert ranking.index("berlin") < ranking.index("tides")


def test_a_system_without_weights_is_skipped_with_the_way_to_get_them(first_run):
    _, output = first_run
    system = read_results(output).systems[3]
    assert system.status == "skipped"
    assert "cross-encoder/ms-marco-MiniLM-L6-v2" in system.reason
    assert system.effectiveness is None and system.run_file is None


def test_every_cost_is_measured(first_run):
    _, output = first_run
    bm25, exact, rerank, _ = read_results(output).systems
    for system in (bm25, exact, rerank):
        assert system.latency_ms.search.p50 > 0
        assert system.latency_ms.trials >= 3
        assert system.latency_ms.total.p50 >= system.latency_ms.search.p50
        assert system.throughput_qps > 0 and system.build_seconds > 0
        assert sum(system.index.files.values()) == system.index.bytes > 0
        assert system.peak_rss_bytes > 10_000_000
    assert bm25.model_bytes == 0
    # Embeddings, six layers and the pooler of all-MiniLM-L6-v2, four bytes a number.
    assert exact.model_bytes == rerank.model_bytes == pytest.approx(4 * 22_713_216, rel=1e-3)
    assert exact.index.dims == 384
    assert exact.index.files["vectors.f16"] == exact.index.vectors * 384 * 2
    assert exact.encode_docs_per_second > 0 and exact.docs_encoded == 6
    assert bm25.encode_docs_per_second is None


def test_the_rank_of_each_relevant_document_is_kept(first_run):
    _, output = first_run
    results = read_results(output)
    for system in results.systems[:3]:
        rankings = read_trec(output / system.run_file).rankings
        for query, ranks in zip(results.queries, system.relevant_ranks, strict=True):
            found = rankings[query.id].doc_ids if query.id in rankings else []
            assert len(ranks) == len(query.relevant_docs) == query.relevant
            for doc, rank in zip(query.relevant_docs, ranks, strict=True):
                assert rank == (list(found).index(doc) + 1 if doc in found else 0)
    assert any(rank for system in results.systems[:3] for r in system.relevant_ranks for rank in r)


def test_the_second_run_encodes_nothing_and_repeats_every_byte(
    colbench, first_run, folder, cache, tmp_path
):
    _, first = first_run
    done = colbench(folder, tmp_path, cache, SYSTEMS)
    assert done.returncode == 0, done.stderr
    again, before = read_results(tmp_path), read_results(first)
    for one, other in zip(before.systems[:3], again.systems[:3], strict=True):
        assert (first / one.run_file).read_bytes() == (tmp_path / other.run_file).read_bytes()
        assert one.effectiveness == other.effectiveness
        assert other.docs_encoded in (0, None)


def test_strict_turns_a_skipped_system_into_an_error(colbench, folder, cache, tmp_path):
    done = colbench(folder, tmp_path, cache, "systems=[bm25_cross_encoder]", "strict=true")
    assert done.returncode == 2
    assert "strict=true" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_failing_run_leaves_the_results_of_an_earlier_one_alone(
    colbench, first_run, folder, cache
):
    _, output = first_run
    before = {p: p.read_bytes() for p in output.rglob("*") if p.is_file()}
    done = colbench(folder, output, cache, "systems=[bm25_cross_encoder]", "strict=true")
    assert done.returncode == 2
    assert {p: p.read_bytes() for p in output.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["k=7"], "k=7 is larger than the collection (6 documents)"),
        (["k=2", "measures=[ndcg@5]"], "every measure looks deeper than k=2"),
        (["dataset.split=tset"], "did you mean 'test'"),
        (["dataset.path=nowhere"], "nowhere"),
        (["output_dir={file}"], "cannot write"),
        (["encoder=custom", "encoder.model=nowhere/at/all", "encoder.name=x"], "nowhere/at/all"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    colbench, folder, cache, tmp_path, overrides, message
):
    file = tmp_path / "file"
    file.touch()
    output = tmp_path / "output"
    overrides = [text.format(file=file) for text in overrides]
    done = colbench(folder, output, cache, "systems=[colbert_exact]", *overrides)
    assert done.returncode == 2
    assert done.stderr.startswith("colbench: ") and done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr
    assert not output.exists() or list(output.iterdir()) == []


def test_measures_deeper_than_k_are_left_out_and_named(colbench, folder, cache, tmp_path):
    done = colbench(folder, tmp_path, cache, "systems=[bm25]", "k=3", "measures=[ndcg@3,ndcg@5]")
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path)
    assert results.measures == ["ndcg@3"]
    assert "ndcg@5" in results.notes[0] and "ndcg@5" in done.stdout


def test_queries_that_find_nothing_are_noted_in_every_report(colbench, cache, tmp_path):
    documents = {"hill": "नदी के पास एक पहाड़ी", "lake": "नाव झील पर चलती है"}
    queries = {"q1": "नाव", "q2": "the of", "q3": "बादल"}
    judged = [("q1", "lake", 1), ("q2", "hill", 1), ("q3", "hill", 1)]
    folder = write_folder(tmp_path / "judged", documents, queries, judged)
    done = colbench(folder, tmp_path / "out", cache, "systems=[bm25,bm25_okapi]")
    results = read_results(tmp_path / "out")
    noted = [
        "2 of 3 queries found nothing",
        "1 of 3 queries have no terms left after analysis (stop words)",
        "choose analyser.stemmer=hindi or nepali",
    ]
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    for system in ("bm25", "bm25_okapi"):
        own = [note for note in results.notes if note.startswith(f"{system}: ")]
        for text in noted:
            assert sum(text in note for note in own) == 1
            assert text in report
            assert text in done.stdout
    assert [row.effectiveness["mrr@10"] for row in results.systems] == [1 / 3, 1 / 3]


def test_a_subset_is_named_as_one(colbench, folder, cache, tmp_path):
    overrides = ["dataset.sample.docs=4", "dataset.sample.queries=1"]
    done = colbench(folder, tmp_path, cache, "systems=[bm25]", *overrides)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path)
    assert results.collection.sampled and results.collection.docs == 4
    assert "not comparable with published numbers" in done.stdout


def committed(file):
    """Whether a file is of a shard that is in the cache, and not of one that is being written."""
    return not file.parent.name.startswith(".")


@pytest.mark.nightly
def test_a_killed_run_resumes_and_gives_the_same_bytes(colbench, tmp_path):
    words = ["sea", "moon", "tide", "bread", "flour", "water", "cat", "dog", "city", "river"]
    documents = {
        f"d{i}": f"{i} " + " ".join(words[(i * 7 + j * j) % 10] for j in range(20 + i % 60))
        for i in range(1500)
    }
    folder = write_folder(tmp_path / "data", documents, {"q1": "moon tide"}, [("q1", "d1", 1)])
    systems = "systems=[colbert_exact]"
    whole = colbench(folder, tmp_path / "whole", tmp_path / "cache-a", systems)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        interpreter(*command(folder, tmp_path / "killed", tmp_path / "cache-b", systems)),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: [p for p in (tmp_path / "cache-b").glob("*/*/keys.npy") if committed(p)])
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = colbench(folder, tmp_path / "killed", tmp_path / "cache-b", systems)
    assert resumed.returncode == 0, resumed.stderr
    row = read_results(tmp_path / "killed").systems[0]
    assert 0 < row.docs_encoded < 1500
    for name in ("runs/colbert_exact.trec", "per_query/colbert_exact.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_ctrl_c_ends_with_status_130_and_one_line(fork_server, folder, cache, tmp_path):
    process = fork_server.start(*command(folder, tmp_path, cache, "systems=[bm25,bi_encoder]"))
    wait_for(lambda: list(tmp_path.glob(".colbench/*/replies")))
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.stderr == "colbench: interrupted; the same command resumes\n"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_whose_conductor_has_gone_ends_without_a_word(fork_server, tmp_path):
    function = f"{worker.__name__}:{worker.main.__name__}"
    ended = fork_server.run(tmp_path / "removed.json", function=function)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def workers_of(pid):
    """A run also starts processes that end at once, such as git's; a worker has its own session."""
    children = psutil.Process(pid).children()
    return [child for child in children if os.getsid(child.pid) == child.pid]


def test_a_worker_does_not_outlive_a_killed_run(fork_server, folder, cache, tmp_path):
    process = fork_server.start(*command(folder, tmp_path, cache, "systems=[bi_encoder]"))
    (worker,) = wait_for(lambda: workers_of(process.pid))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 20)


def test_a_folder_with_somebody_elses_files_is_left_alone(folder, cache, tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "precious").write_text("mine", encoding="utf-8")
    assert main(command(folder, tmp_path, cache, "systems=[bm25]")) == 2
    assert "holds runs but no results of this colbench" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*")] == ["runs", "precious"]


def test_two_runs_on_one_folder_do_not_mix(folder, cache, tmp_path, capsys):
    (tmp_path / ".colbench").mkdir()
    with FileLock(tmp_path / ".colbench" / "lock"):
        assert main(command(folder, tmp_path, cache, "systems=[bm25]")) == 2
    told = capsys.readouterr().err
    assert "another run (" in told and "is writing to" in told


def test_a_full_disk_is_one_line_and_leaves_earlier_results(fork_server, first_run, folder, cache):
    """RLIMIT_FSIZE stands in for a full disk: the write fails in the middle of a file."""
    _, output = first_run
    before = {p: p.read_bytes() for p in output.rglob("*") if p.is_file()}
    words = command(folder, output, cache, "systems=[bm25]")
    done = fork_server.run(*words, largest=200_000)
    assert done.returncode == 2
    assert done.stderr.startswith("colbench: cannot write") and done.stderr.count("\n") == 1
    assert {p: p.read_bytes() for p in output.rglob("*") if p.is_file()} == before


def test_a_trained_model_says_on_what_and_is_kept_in_the_runs_own_cache(
    fork_server, folder, tmp_path
):
    mine, default = tmp_path / "mine", tmp_path / "default"
    words = command(
        *(folder, tmp_path / "out", mine, "cross_encoder=minilm_demo"),
        "systems=[bm25_cross_encoder,bm25_cross_encoder_mean]",
    )
    done = fork_server.run(*words, env={"COLBENCH_CACHE": str(default)})
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "out")
    assert [system.status for system in results.systems] == ["ok", "ok"]
    assert sum(note.startswith("minilm_demo was trained on") for note in results.notes) == 1
    assert list((mine / "models").glob("minilm_demo-*")) and not default.exists()


def test_an_existing_baseline_that_is_skipped_is_said(colbench, folder, cache, tmp_path):
    systems = "systems=[bm25,bm25_cross_encoder]"
    done = colbench(folder, tmp_path, cache, systems, "reference=bm25_cross_encoder")
    assert done.returncode == 0, done.stderr
    notes = read_results(tmp_path).notes
    assert "no significance tests: the reference bm25_cross_encoder was skipped" in notes


@pytest.fixture(scope="module")
def accepted(first_run, tmp_path_factory):
    """A reference of the first run."""
    from colbench.gate.baseline import accept, write_baseline

    file = tmp_path_factory.mktemp("reference") / "baseline.json"
    write_baseline(accept(read_results(first_run[1])), file)
    return file


def test_a_run_is_gated_in_one_step_and_passes_against_itself(
    colbench, folder, cache, accepted, tmp_path
):
    rules = tmp_path / "conf" / "gate"
    rules.mkdir(parents=True)
    # Two queries are too few for any test, so that every path has to be identical.
    exact = "exact: [bm25, colbert_exact, rerank_maxsim]"
    (rules / "small.yaml").write_text(f"measures: {{ndcg@10: 0.005}}\n{exact}\n")
    gated = ["--config-dir", str(tmp_path / "conf"), "gate=small", f"gate.baseline={accepted}"]
    costs = "gate.costs={peak_rss_bytes: null, latency_p50: null, latency_p95: null}"
    same = colbench(folder, tmp_path / "same", cache, SYSTEMS, *gated, costs)
    assert same.returncode == 0, same.stderr
    report = json.loads((tmp_path / "same" / "gate.json").read_text(encoding="utf-8"))
    assert report["status"] == "pass"
    assert {v["judged_by"] for v in report["verdicts"] if v["system"] == "bm25"} == {"identity"}
    assert "Pass" in same.stdout and (tmp_path / "same" / "gate.md").is_file()
    fewer = colbench(folder, tmp_path / "fewer", cache, "systems=[bm25]", *gated, costs)
    assert fewer.returncode == 2 and "colbert_exact" in fewer.stdout
    again = colbench(folder, tmp_path / "same", cache, "systems=[bm25]")
    assert again.returncode == 0 and not (tmp_path / "same" / "gate.json").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [("gate.baseline=nowhere.json", "nowhere.json"), ("gate=default", "gate.baseline")],
)
def test_a_gate_without_its_baseline_stops_before_any_work(
    folder, cache, tmp_path, capsys, words, named
):
    assert main(command(folder, tmp_path / "out", cache, words)) == 2
    errors = capsys.readouterr().err
    assert named in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()
