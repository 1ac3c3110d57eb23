"""`experiment=index_speed`: its parts on small vectors, and the whole with a fake engine."""

import json
import sys
import textwrap

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.features import register
from benchmarks.index_speed.conductor import Conductor
from benchmarks.index_speed.engine_settings import EngineSettings, engine_settings
from benchmarks.index_speed.evaluator import Evaluator
from benchmarks.index_speed.floors import IndexShape, stage_costs
from benchmarks.index_speed.growth import exponent, mix
from benchmarks.index_speed.record import GrowthPoint, IndexSpeed, Machine
from benchmarks.index_speed.report import index_speed_document
from benchmarks.index_speed.settings import IndexSpeedSettings
from benchmarks.index_speed.vectors import VectorFiles
from colbench.collection.model import Collection, Document, Query
from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.errors import ConfigError
from colbench.report.markdown import render_markdown
from colbench.results.checksummed import read_checksummed

register()

DIMS = 16
MACHINE = Machine(
    fp32_gigaops=100.0,
    int8_gigaops=400.0,
    gigabytes_per_second=10.0,
    product_fp32_ms=1.0,
    product_bf16_ms=1.0,
)


def unit(rng, rows):
    vectors = rng.standard_normal((rows, DIMS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def files(folder, lengths, seed=0, queries=3):
    rng = np.random.default_rng(seed)
    made = VectorFiles(folder)
    lengths = np.array(lengths)
    made.write(
        iter([unit(rng, int(lengths.sum()))]), lengths, [unit(rng, 4) for _ in range(queries)]
    )
    return made


def test_vectors_come_back_document_by_document(tmp_path):
    made = files(tmp_path, [3, 1, 0, 5])
    stored = np.load(made.vectors)
    assert stored.dtype == np.float16 and stored.shape == (9, DIMS)
    documents = made.documents()
    assert documents.lengths.tolist() == [3, 1, 0, 5]
    np.testing.assert_array_equal(np.concatenate([v for _, _, v in documents.read(4)]), stored)
    assert len(made.documents(first=2).ids) == 2
    assert [len(query) for query in made.read_queries()] == [4, 4, 4]


def test_a_mixture_holds_whole_documents_of_all_parts_and_its_prefix_is_a_smaller_one(tmp_path):
    parts = [files(tmp_path / "a", [2] * 20, 1), files(tmp_path / "b", [3] * 20, 2)]
    small, large = VectorFiles(tmp_path / "s"), VectorFiles(tmp_path / "l")
    mix(parts, small, 40, seed=0)
    mix(parts, large, 100, seed=0)
    lengths = np.load(large.lengths)
    assert lengths.sum() == 100 and sorted(lengths.tolist()) == [2] * 20 + [3] * 20
    prefix = np.load(small.lengths)
    assert 37 < prefix.sum() <= 40
    assert lengths[: len(prefix)].tolist() == prefix.tolist()
    whole = np.load(large.vectors)
    np.testing.assert_array_equal(np.load(small.vectors), whole[: prefix.sum()])
    rows = {row.tobytes() for part in parts for row in np.load(part.vectors)}
    assert {row.tobytes() for row in whole} == rows


def test_the_exponent_of_a_power_law_is_found():
    points = [
        GrowthPoint(tokens=t, documents=1, centroids=1, build_seconds=t**1.5, p50_ms=3.0)
        for t in (10, 100, 1000)
    ]
    assert exponent(points, "build_seconds") == pytest.approx(1.5)
    assert exponent(points, "p50_ms") == pytest.approx(0.0, abs=1e-9)
    assert exponent(points[:1], "p50_ms") is None


def test_the_floor_of_a_stage_is_the_larger_of_bytes_and_operations():
    shape = IndexShape(centroids=1000, dims=100, tokens=10_000, documents=100, code_bytes=50)
    stages = {
        "centroid scores": {"ms": 1.0, "items": 1000},
        "probe": {"ms": 1.0, "items": 10},
        "candidates": {"ms": 1.0, "items": 60},
        "interact": {"ms": 1.0, "items": 20},
        "score": {"ms": 1.0, "items": 20},
        "rank": {"ms": 1.0, "items": None},
    }
    costs = {cost.stage: cost for cost in stage_costs(stages, shape, 15.0, MACHINE)}
    # 2 x 1000 x 100 x 16 lanes operations at 100e9 a second; 200 kB + 64 kB at 10e9.
    assert costs["centroid scores"].floor_ms == pytest.approx(3.2e6 / 100e9 * 1e3)
    assert costs["centroid scores"].megabytes == pytest.approx(0.264)
    assert costs["probe"].floor_ms == pytest.approx(64e3 / 10e9 * 1e3)
    # 60 documents of 100 tokens enter, 2 bytes of id each, and the table of scores once.
    assert costs["interact"].megabytes == pytest.approx((64e3 + 60 * 100 * 2) / 1e6)
    # 20 documents x 100 tokens x 100 dims x 16 lanes x 2, in bytes at 400e9.
    assert costs["score"].floor_ms == pytest.approx(6.4e6 / 400e9 * 1e3)
    assert costs["rank"].floor_ms == 0


def test_the_judge_sees_what_is_missing(tmp_path):
    made = files(tmp_path, [4] * 30, queries=2)
    documents = [Document(f"d{n}", "", "x") for n in range(30)]
    queries = [Query("q1", "x"), Query("q2", "y")]
    probe = Evaluator(
        Collection("c", documents, queries, {"q1": {"d0": 1}, "q2": {"d1": 1}}), made, 10, 1, 1.0
    )
    best = [hits.docs[:10].tolist() for hits in probe.exact_hits]
    qrels = {"q1": {f"d{best[0][0]}": 1}, "q2": {f"d{best[1][1]}": 1}}
    evaluator = Evaluator(Collection("c", documents, queries, qrels), made, 10, 1, 1.0)
    assert evaluator.exact_ndcg(timed=True) == pytest.approx(1.0)
    assert evaluator.exact_ndcg(timed=False) == pytest.approx((1 + 1 / np.log2(3)) / 2)
    found = evaluator.result("x", {"a": 1}, [5.0], [best[0][:5] + [-1] * 5, best[1]])
    assert found.overlap == 0.5 and found.overlap_all == 0.75
    assert found.p50_ms == 5.0 and found.ndcg == pytest.approx(1.0)
    nothing = evaluator.result("x", {}, [5.0], [[-1] * 10, [-1] * 10])
    assert nothing.overlap == 0 and nothing.ndcg_all == 0


FAKE = textwrap.dedent(
    """
    import numpy as np

    PACKAGE = "numpy"
    SEARCH = {"fail": False}


    class Engine:
        def build(self, documents, folder, *, settings, seed, threads):
            (folder / "index").write_bytes(bytes(1000))

        def open(self, folder, *, threads):
            pass

        def search(self, query, k, settings):
            if settings["fail"]:
                raise OSError("no")
            return [(0, 1.0)]
    """
)


@pytest.mark.nightly
def test_the_whole_runs_resumes_and_reports(tmp_path, monkeypatch):

    from benchmarks.index_speed import conductor, engines

    script = tmp_path / "fake_engine.py"
    script.write_text(FAKE, encoding="utf-8")
    fake = EngineSettings.model_validate(
        {
            "engine": str(script),
            "about": "a fake",
            "search": [{"name": "one"}, {"name": "two", "fail": True}],
        }
    )
    for module in (engines, conductor):
        monkeypatch.setattr(module, "engine_settings", lambda name: fake)
    words = [
        "experiment=index_speed",
        "dataset=pydocs",
        "dataset.sample.docs=60",
        "dataset.sample.queries=5",
        "encoder.document_length=32",
        "index_speed.engines=[fake]",
        f"index_speed.engine_python={sys.executable}",
        "index_speed.timed=3",
        "index_speed.trials=1",
        "index_speed.k=10",
        "index_speed.growth.tokens=[500,1000,900000000]",
        "index_speed.growth.datasets=[pydocs]",
        f"output_dir={tmp_path / 'out'}",
        f"cache_dir={tmp_path / 'cache'}",
        "encoder.precision=fp32",
    ]
    # The growth's collection is composed by name: make that one small as well.

    small = compose_run(words).dataset
    monkeypatch.setattr(
        conductor, "compose_run", lambda _: type("Composed", (), {"dataset": small})()
    )
    results, folder = Conductor(compose_run(words), ["colbench", "run"]).run()
    file = folder / "index_speed.json"
    assert IndexSpeed.model_validate(read_checksummed(file, what="", renew="")) == results
    ours, engine = results.engines
    assert ours.engine == "colbench" and len(ours.searches) == len(
        compose_run(words).feature(IndexSpeedSettings).searches
    )
    whole = next(search for search in ours.searches if search.name == "exhaustive")
    assert whole.overlap > 0.9 and whole.p50_ms > 0
    assert {"centroid scores", "score", "rank"} == {stage.stage for stage in whole.stages}
    assert engine.version == np.__version__ and engine.searches[0].p50_ms > 0
    assert engine.index_bytes == 1000 and engine.search_peak_bytes > 0
    assert engine.searches[1].error == "OSError: no"
    assert [point.tokens >= size for point, size in zip(results.growth, (500, 1000), strict=True)]
    assert str(tmp_path) not in json.dumps(results.config)
    for name in ("report.md", "tradeoff.svg", "tradeoff.png"):
        assert (folder / name).stat().st_size > 0
    report = render_markdown(index_speed_document(results))
    assert "OSError: no" in report and "bare product" in report and "tokens^" in report
    times = {path.name: path.stat().st_mtime_ns for path in (folder / ".parts").glob("*.json")}
    again, _ = Conductor(compose_run(words), ["colbench", "run"]).run()
    assert again.engines == results.engines and again.growth == results.growth
    kept = ("ours.json", "machine.json", "growth.json", "engine_fake.json")
    after = {path.name: path.stat().st_mtime_ns for path in (folder / ".parts").glob("*.json")}
    assert {name: times[name] for name in kept} == {name: after[name] for name in kept}


def test_the_task_without_its_settings_is_refused():
    settings = compose_run(["task=index_speed"])
    with pytest.raises(ConfigError, match="experiment=index_speed"):
        Conductor(settings, [])


def test_without_an_engines_python_its_row_says_how_to_have_it(tmp_path):
    from benchmarks.index_speed.engines import engine_result

    speed = compose_run(
        ["experiment=index_speed", f"index_speed.engine_python={tmp_path / 'none'}"]
    ).feature(IndexSpeedSettings)
    row = engine_result("fast_plaid", speed, None, folder=tmp_path / "i", threads=1, seed=0)
    assert row.error and "index_speed.engine_python" in row.error and not row.searches
    assert "bin/pip install fast-plaid==" in row.error


@pytest.mark.parametrize("name", options("engine"))
def test_a_ready_engine_is_valid_and_named_after_its_file(name):
    settings = engine_settings(name)
    assert settings.engine == name and len(settings.search) >= 3


def test_both_engines_are_there_and_an_unknown_one_is_named():
    assert {"fast_plaid", "xtr_warp"} <= set(options("engine"))
    with pytest.raises(ConfigError, match="did you mean 'xtr_warp'"):
        engine_settings("xtr_wrap")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"search": [{"name": "a"}, {"name": "a"}]}, "'a' names more than one search"),
        ({"search": [{"name": "a", "nprobes": 1}]}, "did you mean 'nprobe'"),
        ({"build": {"bits": 1}, "search": [{"name": "a"}]}, "no build setting 'bits'"),
        ({"engine": "warp", "search": [{"name": "a"}]}, "unknown engine 'warp'"),
    ],
)
def test_wrong_settings_of_an_engine_are_refused(values, message):
    with pytest.raises((ValidationError, ConfigError), match=message):
        EngineSettings.model_validate({"engine": "xtr_warp", "about": "x", **values})
