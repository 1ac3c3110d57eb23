"""Running an engine: the job goes out, the reply comes back, and a failure is one line."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.engines import run
from benchmarks.engines.run import engine_available, run_engine
from benchmarks.engines.settings import EngineData, EngineSettings, engine_settings
from benchmarks.features import register
from colbench.config.folder import options
from colbench.errors import ColbenchError, ConfigError

register()

PYTHON = Path(sys.executable)
REAL_PYTHON = os.environ.get("COLBENCH_ENGINE_PYTHON")
LIMITS = {"threads": 1, "timeout_seconds": 120.0}

# Ranks by the cosine of mean vectors. Its settings make it fail, or return fewer documents.
FAKE = """
    import json, os, sys, time
    from pathlib import Path

    class Fake:
        package = "numpy"

        def load_package(self):
            print("a warning that is not the reason", file=sys.stderr)
            assert os.environ["OMP_NUM_THREADS"] == "1" and "PYTHONPATH" not in os.environ

        def build(self, documents, folder, *, seed, settings):
            if settings.get("fail"):
                raise RuntimeError("quantile() input tensor is too large\\nbacktrace follows")
            if settings.get("die"):
                os.kill(os.getpid(), settings["die"])
            assert {str(d.dtype) for d in documents} == {"torch.float16"}
            if settings.get("sleep"):
                (folder / "started").touch()
                time.sleep(settings["sleep"])
            means = [d.float().mean(0) for d in documents]
            means = [(mean / mean.norm()).tolist() for mean in means]
            (folder / "index.json").write_text(json.dumps(means))
            (folder / "left-over").write_text("not read by a search")

        def files_read(self, folder):
            return [folder / "index.json"]

        def open(self, folder, *, threads):
            self.means = json.loads((folder / "index.json").read_text())

        def search(self, query, k, settings):
            if settings.get("fail"):
                raise ValueError("no such setting")
            mean = query[0].mean(0).tolist()
            score = [sum(a * b for a, b in zip(mean, m)) for m in self.means]
            order = sorted(range(len(score)), key=lambda i: -score[i])
            return order[: settings.get("most", k)]

    if __name__ == "__main__":
        sys.path.insert(0, SCRIPTS)
        import harness
        harness.main(Fake())
"""


@pytest.fixture
def fake(tmp_path):
    scripts = str(Path(run.__file__).parent)
    script = tmp_path / "fake_engine.py"
    script.write_text(textwrap.dedent(FAKE).replace("SCRIPTS", repr(scripts)), encoding="utf-8")

    def settings(build=None, search=({"name": "all"},), requirement="numpy", script=script):
        return EngineSettings(
            name="fake",
            about="a fake",
            requirement=requirement,
            script=str(script),
            build=build or {},
            search=search,
        )

    return settings


def make_data(folder, documents=6, longest=4, dims=8):
    """Documents of random unit vectors; query i is made of the tokens of document i."""
    random = np.random.default_rng(0)
    lengths = random.integers(1, longest + 1, documents)
    vectors = random.standard_normal((lengths.sum(), dims)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = min(documents, 5)
    arrays = {
        "vectors": vectors.astype(np.float16),
        "lengths": lengths,
        "queries": vectors[: lengths[:queries].sum()],
        "query_lengths": lengths[:queries],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return EngineData(**{name: folder / f"{name}.npy" for name in arrays})


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path)


def test_a_built_index_is_searched_with_every_setting(fake, data, tmp_path):
    settings = fake(search=[{"name": "all"}, {"name": "two", "most": 2}, {"name": "x", "fail": 1}])
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    built = run_engine(PYTHON, settings, "build", data, **where)
    assert built.version == np.__version__
    assert built.seconds > 0 and built.peak_rss_bytes > 10_000_000
    assert built.index_bytes == (tmp_path / "index" / "index.json").stat().st_size

    data.vectors.unlink()  # a search has no need of them
    searched = run_engine(PYTHON, settings, "search", data, k=4, **where)
    everything, two, failed = searched.settings
    queries = len(np.load(data.query_lengths))
    assert [setting.name for setting in searched.settings] == ["all", "two", "x"]
    assert len(everything.ms) == len(everything.docs) == queries
    assert min(everything.ms) > 0 and everything.error is None
    for query, (documents, first_two) in enumerate(zip(everything.docs, two.docs, strict=True)):
        assert documents[0] == query
        assert len(set(documents)) == 4 and set(documents) <= set(range(6))
        assert first_two == [*documents[:2], -1, -1]
    assert failed.error == "ValueError: no such setting"
    assert failed.ms == [] and failed.docs == []


def test_a_failure_is_relayed_in_one_line_without_its_traceback(fake, data, tmp_path):
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    with pytest.raises(ColbenchError) as caught:
        run_engine(PYTHON, fake(build={"fail": True}), "build", data, **where)
    reason = "RuntimeError: quantile() input tensor is too large"
    assert str(caught.value) == f"fake: build failed: {reason}"


def test_a_kill_for_want_of_memory_is_named(fake, data, tmp_path):
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    with pytest.raises(ColbenchError, match=r"fake: build was killed, most likely .* memory"):
        run_engine(PYTHON, fake(build={"die": 9}), "build", data, **where)


def test_a_reply_of_an_earlier_run_is_not_taken_for_this_one(fake, data, tmp_path):
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    run_engine(PYTHON, fake(), "build", data, **where)
    with pytest.raises(ColbenchError, match="build failed"):
        run_engine(PYTHON, fake(build={"fail": True}), "build", data, **where)


def test_lengths_that_do_not_fit_the_vectors_are_refused(fake, data, tmp_path):
    np.save(data.lengths, np.array([1, 0]))
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    with pytest.raises(ColbenchError, match=r"lengths must .* at least one token"):
        run_engine(PYTHON, fake(), "build", data, **where)


def test_a_peer_that_takes_too_long_is_stopped(fake, data, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text("import time; time.sleep(60)", encoding="utf-8")
    limits = {**LIMITS, "timeout_seconds": 0.2, "folder": tmp_path, "work": tmp_path}
    with pytest.raises(ColbenchError, match=r"fake: build did not end within 0\.2 s"):
        run_engine(PYTHON, fake(script=script), "build", data, **limits)


def test_a_peer_does_not_outlive_the_process_that_waits_for_it(fake, data, tmp_path):
    folder = tmp_path / "index"
    job = {"action": "build", **data.model_dump(mode="json"), "folder": str(folder)}
    job |= {"threads": 1, "seed": 0, "build": {"sleep": 60}, "reply": str(tmp_path / "reply")}
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, fake().script, str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        while process.poll() is None and not (folder / "started").exists():
            time.sleep(0.01)
        process.stdin.close()
        assert process.wait(30) == 130
    assert not (tmp_path / "reply").exists()


def test_a_reply_that_is_no_reply_is_refused(fake, data, tmp_path):
    script = tmp_path / "wrong.py"
    script.write_text(
        "import json, sys, pathlib\n"
        "job = json.loads(pathlib.Path(sys.argv[1]).read_text())\n"
        "pathlib.Path(job['reply']).write_text('{\"version\": \"1\"}')\n",
        encoding="utf-8",
    )
    where = {"folder": tmp_path, "work": tmp_path, **LIMITS}
    with pytest.raises(ColbenchError, match="fake: build left a wrong reply: seconds"):
        run_engine(PYTHON, fake(script=script), "build", data, **where)


def test_a_usable_peer_is_available(fake):
    assert engine_available(PYTHON, fake(requirement=f"numpy=={np.__version__}")) is None
    assert engine_available(PYTHON, fake()) is None


def test_another_version_is_not_available(fake):
    said = engine_available(PYTHON, fake(requirement="numpy==0.1"))
    assert f"fake is version {np.__version__} and not 0.1" in said
    assert said.endswith("python3.11 -m venv engines && engines/bin/pip install numpy==0.1")


def test_a_missing_environment_says_how_to_make_it(tmp_path):
    said = engine_available(tmp_path / "bin" / "python", engine_settings("fast_plaid"))
    assert f"cannot start {tmp_path / 'bin' / 'python'}" in said
    assert "engines/bin/pip install fast-plaid==" in said
    assert "\n" not in said


def test_an_environment_without_the_package_says_how_to_make_it(tmp_path):
    # This environment has torch, and has none of the engines.
    said = engine_available(PYTHON, engine_settings("xtr_warp"))
    assert "ModuleNotFoundError: No module named 'xtr_warp'" in said
    assert "engines/bin/pip install xtr-warp-rs==" in said


@pytest.mark.parametrize("name", options("engine"))
def test_a_ready_peer_is_valid_named_after_its_file_and_has_its_script(name):
    settings = engine_settings(name)
    assert settings.name == name
    assert (Path(run.__file__).parent / settings.script).is_file()
    assert "==" in settings.requirement
    assert len(settings.search) >= 3


def test_both_peers_are_there():
    assert {"fast_plaid", "xtr_warp"} <= set(options("engine"))


def test_an_unknown_peer_is_named():
    with pytest.raises(ConfigError, match="did you mean 'xtr_warp'"):
        engine_settings("xtr_wrap")


def test_two_searches_of_one_name_are_refused(fake):
    with pytest.raises(ValidationError, match="'a' names more than one search"):
        fake(search=[{"name": "a"}, {"name": "a", "most": 1}])


@pytest.mark.nightly
@pytest.mark.skipif(
    REAL_PYTHON is None, reason="COLBENCH_ENGINE_PYTHON names no Python with engines"
)
@pytest.mark.parametrize("name", options("engine"))
def test_a_real_peer_finds_the_document_a_query_was_taken_from(name, tmp_path):
    settings = engine_settings(name)
    assert engine_available(Path(REAL_PYTHON), settings) is None
    data = make_data(tmp_path, documents=300, longest=30, dims=64)
    where = {"folder": tmp_path / "index", "work": tmp_path / "work", **LIMITS}
    built = run_engine(Path(REAL_PYTHON), settings, "build", data, **where)
    tokens = int(np.load(data.lengths).sum())
    assert built.index_bytes > tokens * 64 * 4 // 8  # 4 bits per dimension
    searched = run_engine(Path(REAL_PYTHON), settings, "search", data, k=20, **where)
    assert [s.name for s in searched.settings] == [s.name for s in settings.search]
    for setting in searched.settings:
        assert setting.error is None
        assert [documents[0] for documents in setting.docs] == list(range(5))
        assert all(len(documents) == 20 for documents in setting.docs)
