"""Sweeps and multiruns as a user starts them, on a small folder, with the embedded model."""

import shutil
import signal

import pytest
from beir_folder import write_folder
from forking import wait_for

from colbench.cli.main import main
from colbench.measures.latency import BUSY
from colbench.results.store import read_results

WORDS = [
    *("moon", "sea", "tide", "bread", "flour", "water", "cat", "dog", "house", "night"),
    *("Paris", "France", "capital", "Berlin"),
]
DOCUMENTS = {
    f"d{n:02d}": " ".join(WORDS[(n * k) % len(WORDS)] for k in range(1, 9)) for n in range(40)
}
QUERIES = {"q1": "the capital of France", "q2": "what moves the sea", "q3": "a dog at night"}
QRELS = [("q1", "d10", 1), ("q2", "d01", 2), ("q2", "d03", 1), ("q3", "d07", 1), ("q3", "d06", 0)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "mine", DOCUMENTS, QUERIES, QRELS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def words(folder, output, cache, *overrides):
    return [
        *("run", "--quiet", "dataset=beir_dir", f"dataset.path={folder}"),
        *(f"output_dir={output}", f"cache_dir={cache}", "encoder.precision=fp32"),
        *("latency.queries=2", *overrides),
    ]


@pytest.fixture(scope="module")
def colbench(fork_server):
    return lambda *arguments: fork_server.run(*words(*arguments))


REFERENCE = ["task=sweep", "systems=[colbert_exact]"]
GRID = [
    *REFERENCE,
    "sweep.axes={index: {nbits: [1, 4]}, search: {nprobe: [1, 4]}, k: [5, 20]}",
    "measures=[ndcg@5,recall@10]",
    "k=40",
    "latency.clients=[2]",
]


@pytest.fixture(scope="module")
def swept(colbench, folder, cache, tmp_path_factory):
    output = tmp_path_factory.mktemp("sweep")
    done = colbench(folder, output, cache, *GRID)
    assert done.returncode == 0, done.stderr
    return done, output


def test_every_point_is_a_row_beside_the_reference(swept):
    done, output = swept
    results = read_results(output)
    assert results.systems[0].name == "colbert_exact" == results.reference
    assert len(results.sweep.variants) == 8
    assert [s.name for s in results.systems[1:]] == list(results.sweep.variants)
    for system in results.systems[1:]:
        assert system.latency_ms.search.p50 > 0 and system.latency_ms.trials == 3
        assert system.index.bytes > 0 and system.build_seconds > 0
        values = system.per_query["ndcg@5"]
        assert system.effectiveness["ndcg@5"] == pytest.approx(sum(values) / len(values))
        assert system.latency_ms.total.p50 > system.latency_ms.search.p50
        assert system.significance["ndcg@5"].primary and set(system.intervals) == {"ndcg@5"}
        assert system.significance["ndcg@5"].difference == pytest.approx(
            system.effectiveness["ndcg@5"] - results.systems[0].effectiveness["ndcg@5"]
        )
    assert any(line in done.stdout for line in results.sweep.advice)
    assert results.primary == "ndcg@5"
    assert results.sweep.advice[0].startswith("cannot be told with 3 queries")


def test_a_sweep_says_that_it_measures_no_load(swept):
    results = read_results(swept[1])
    told = "latency.clients is left out: a sweep measures single queries alone"
    assert told in results.notes
    assert all(system.load is None for system in results.systems)


def test_a_measure_deeper_than_a_points_k_is_left_out_there_and_only_there(swept):
    results = read_results(swept[1])
    depths = {s.name: ("recall@10" in s.effectiveness) for s in results.systems[1:]}
    assert all(kept == name.endswith("k=20") for name, kept in depths.items())


def test_an_index_is_built_once_for_all_its_searches(swept):
    results = read_results(swept[1])
    seconds = {}
    for system in results.systems[1:]:
        seconds.setdefault(system.config["index"]["nbits"], set()).add(system.build_seconds)
    assert {nbits: len(times) for nbits, times in seconds.items()} == {1: 1, 4: 1}


def test_fronts_hold_what_nothing_beats(swept):
    results = read_results(swept[1])
    front = {s.name: s for s in results.systems if s.name in results.sweep.front_bytes}
    undisturbed = [s for s in results.systems if (s.other_cpu_share or 0) <= BUSY]
    assert front and bool(results.sweep.front_latency) == bool(undisturbed)
    for system in results.systems:
        for mine in front.values():
            better = system.effectiveness["ndcg@5"] > mine.effectiveness["ndcg@5"]
            assert not (better and system.index.bytes <= mine.index.bytes)


def test_a_point_equals_the_system_run_on_its_own(colbench, swept, folder, cache, tmp_path):
    overrides = ["systems=[colbert]", "index=residual_4bit", "search.nprobe=4", "k=20"]
    alone = ["search.centroid_score_threshold=0.4", "search.ndocs=null", "search.name=k1000"]
    done = colbench(folder, tmp_path, cache, *overrides, *alone, "measures=[ndcg@5,recall@10]")
    assert done.returncode == 0, done.stderr
    (system,) = read_results(tmp_path).systems
    points = {s.name: s for s in read_results(swept[1]).systems}
    point = points["nbits=4, nprobe=4, k=20"]
    assert point.config["search"] == system.config["search"]
    assert point.per_query["ndcg@5"] == system.per_query["ndcg@5"]
    assert point.effectiveness == system.effectiveness
    assert point.index == system.index


def test_an_exhaustive_uncompressed_index_finds_what_exact_search_finds(
    colbench, folder, cache, tmp_path
):
    axes = "sweep.axes={index: [fp16], search: [exhaustive]}"
    done = colbench(folder, tmp_path, cache, *REFERENCE, axes, "k=40")
    assert done.returncode == 0, done.stderr
    fidelity = read_results(tmp_path).systems[1].fidelity
    assert fidelity.reference == "colbert_exact"
    assert fidelity.rbo > 0.99 and fidelity.intersection["10"] == 1.0


def test_finished_points_are_not_measured_again_and_new_ones_are(colbench, swept, folder, cache):
    _, output = swept
    before = read_results(output)
    stamps = {p: p.stat().st_mtime_ns for p in (output / ".variants").glob("*.json")}
    assert len(stamps) == 8
    more = [word.replace("nprobe: [1, 4]", "nprobe: [1, 2, 4]") for word in GRID]
    done = colbench(folder, output, cache, *more)
    assert done.returncode == 0, done.stderr
    after = read_results(output)
    assert len(after.sweep.variants) == 12
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    held = {s.name: s for s in after.systems}
    for system in before.systems:
        assert held[system.name].latency_ms == system.latency_ms


def test_what_is_damaged_of_a_sweep_is_measured_again(colbench, swept, folder, cache, tmp_path):
    _, output = swept
    again = tmp_path / "again"
    shutil.copytree(output, again)
    before = {system.name: system for system in read_results(again).systems}
    # The oldest is of this grid; other tests have added variants of others.
    points = sorted((again / ".variants").glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    (run,) = (again / ".variants").glob("reference-*/run.trec")
    for file in (points[0], run):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    stamps = {p: p.stat().st_mtime_ns for p in points}
    done = colbench(folder, again, cache, *GRID)
    assert done.returncode == 0, done.stderr
    changed = [p for p in points if p.stat().st_mtime_ns != stamps[p]]
    assert changed == [points[0]]
    after = read_results(again).systems
    assert len(after) == 9
    for system in after:
        assert system.per_query == before[system.name].per_query
        assert system.run_sha256 == before[system.name].run_sha256


def test_a_killed_sweep_goes_on_where_it_stopped(colbench, fork_server, folder, cache, tmp_path):
    process = fork_server.start(*words(folder, tmp_path, cache, *GRID))
    finished = wait_for(lambda: list((tmp_path / ".variants").glob("*.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert finished and not (tmp_path / "results.json").exists()
    stamps = {p: p.stat().st_mtime_ns for p in finished}
    done = colbench(folder, tmp_path, cache, *GRID)
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert len(read_results(tmp_path).sweep.variants) == 8
    assert not list((tmp_path / ".variants").glob("indexes/*"))


@pytest.mark.nightly
def test_a_point_that_begins_a_deeper_one_equals_that_measured_alone(
    colbench, folder, cache, tmp_path
):
    axes = "sweep.axes={search: {ndocs: [16]}, k: %s}"
    for name, ks in (("together", "[5, 20]"), ("alone", "[5]")):
        overrides = [*REFERENCE, axes % ks, "measures=[ndcg@5]", "k=40", "latency.queries=1"]
        done = colbench(folder, tmp_path / name, cache, *overrides)
        assert done.returncode == 0, done.stderr
    alone = read_results(tmp_path / "alone").systems[1]
    together = read_results(tmp_path / "together").systems[1]
    assert together.per_query == alone.per_query
    assert together.fidelity == alone.fidelity
    assert together.depth == alone.depth == 5


@pytest.mark.nightly
def test_a_system_made_of_others_is_swept_with_its_parts(colbench, folder, cache, tmp_path):
    grid = "sweep={system: bm25_colbert, axes: {depth: [2, 10]}}"
    overrides = ["task=sweep", "systems=[colbert_exact]", "measures=[ndcg@5]", "k=10"]
    done = colbench(folder, tmp_path, cache, grid, *overrides)
    assert done.returncode == 0, done.stderr
    values = [s.effectiveness["ndcg@5"] for s in read_results(tmp_path).systems[1:]]
    done = colbench(folder, tmp_path, cache, grid, *overrides, "system.bm25.b=0.0")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / ".variants").glob("*.json"))) == 4, values


def test_any_system_can_be_swept(colbench, folder, cache, tmp_path):
    grid = "sweep={system: bm25, axes: {k1: [0.9, 1.2], b: [0.4]}}"
    overrides = ["task=sweep", "systems=[bm25]", "measures=[ndcg@5]", "k=10"]
    done = colbench(folder, tmp_path, cache, grid, *overrides)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path)
    assert results.sweep.references == ["bm25"]
    same, _ = results.systems[1:]
    assert same.effectiveness == results.systems[0].effectiveness
    assert same.fidelity is None


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["task=sweep"], "needs sweep"),
        (["experiment=sweep_search", "sweep.measure=ndcg@7"], "sweep.measure"),
        (["experiment=sweep_search", "sweep.axes.k=[41]"], "larger than the collection"),
        (["experiment=sweep_search", "sweep.axes.k=[5]", "k=40"], "deeper than k=5"),
        (["experiment=sweep_search", "sweep.axes.index.nbits=[5]"], "nbits"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line(overrides, told, folder, cache, tmp_path, capsys):
    assert main(words(folder, tmp_path, cache, *overrides)) == 2
    errors = capsys.readouterr().err
    assert told in errors and "Traceback" not in errors
    assert not (tmp_path / "results.json").exists()


@pytest.mark.nightly
def test_a_multirun_makes_one_table_and_resumes(colbench, folder, cache, tmp_path):
    tmp_path = tmp_path / "my, results"
    output = f"'{tmp_path}'"
    jobs = ["-m", "systems=[bm25]", "system.bm25.k1=0.9,1.2", "measures=[ndcg@5]", "k=10"]
    done = colbench(folder, output, cache, *jobs)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path)
    assert list(results.sweep.variants) == ["bm25, k1=0.9", "bm25, k1=1.2"]
    assert results.sweep.axes["system.bm25.k1"] == ["0.9", "1.2"]
    alone = read_results(sorted((tmp_path / "jobs").iterdir())[1]).systems[0]
    assert results.systems[1].effectiveness == alone.effectiveness
    assert alone.config["k1"] == 1.2
    folders = sorted((tmp_path / "jobs").iterdir())
    assert len(folders) == 2
    stamps = [(p / "results.json").stat().st_mtime_ns for p in folders]
    done = colbench(folder, output, cache, *jobs, "hydra/launcher=joblib")
    assert done.returncode == 0, done.stderr
    assert [(p / "results.json").stat().st_mtime_ns for p in folders] == stamps


def test_a_multirun_whose_job_fails_says_so(colbench, folder, cache, tmp_path):
    done = colbench(folder, tmp_path, cache, "-m", "systems=[bm25]", "k=10,100000")
    assert done.returncode == 1
    assert "larger than the collection" in done.stderr and "k=100000" in done.stderr
    assert "Traceback" not in done.stderr
    results = read_results(tmp_path)
    assert [row.name for row in results.systems] == ["bm25, k=10"]
    assert any("k-100000" in note for note in results.notes)
    none = colbench(folder, tmp_path / "none", cache, "-m", "systems=[bm25]", "k=90000,100000")
    assert none.returncode == 2 and "every job failed" in none.stderr
    assert not (tmp_path / "none" / "results.json").exists()


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["-m", "k=10"], "several values"),
        (["-m", "k=5,10", "--show-config"], "without -m"),
        (["-m", "kk=5,10"], "unknown key 'kk'"),
        (["-m", "k=5,10", "system.bm25.kk=1"], "k1"),
        (["k=5,10"], "with -m"),
    ],
)
def test_a_wrong_multirun_is_refused_in_one_line(overrides, told, folder, cache, tmp_path, capsys):
    assert main(words(folder, tmp_path, cache, "systems=[bm25]", *overrides)) == 2
    errors = capsys.readouterr().err
    assert told in errors and "Traceback" not in errors
