"""Engines of others: what a file declares, how a process is driven, and how it may misbehave."""

import os
import re
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_colbert_system import ENCODER, WordBench, bench, searched  # noqa: F401, a fixture

from colbench.config.compose import compose_run
from colbench.errors import ConfigError, PackagesUnavailable, ProgramError
from colbench.measures.load import answers_alone, measure_load
from colbench.retriever.chunks import Chunks
from colbench.retriever.engines.declaration import builtin_engines, engine_declaration
from colbench.retriever.engines.process import EngineError, EngineProcess, Limits
from colbench.retriever.registry import make_system, system_settings

UNRULY = Path(__file__).with_name("unruly_engine.py")
PYTHON = Path(sys.executable)


@pytest.fixture
def files(tmp_path):
    """Six documents of random unit vectors, and the first as a query."""
    random = np.random.default_rng(0)
    lengths = np.array([3, 1, 4, 2, 5, 2])
    vectors = random.standard_normal((lengths.sum(), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float16))
    np.save(tmp_path / "lengths.npy", lengths)
    return tmp_path / "vectors.npy", tmp_path / "lengths.npy", tmp_path / "index", vectors[:3]


@pytest.fixture
def started():
    """Start the unruly engine with limits; it is ended after the test."""
    running = []

    def start(**limits):
        process = EngineProcess(
            engine_declaration(str(UNRULY)), PYTHON, threads=1, limits=Limits(**limits)
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.close()


def test_what_is_built_is_searched(started, files):
    vectors, lengths, folder, query = files
    process = started()
    assert process.versions["numpy"] == np.__version__
    assert process.build(vectors, lengths, folder, {"print": '{"ns": 0}\n'}) > 0
    seconds, sizes = process.open(folder)
    assert seconds > 0 and list(sizes) == ["lengths.npy", "vectors.npy"]
    assert sizes["vectors.npy"] == (folder / "vectors.npy").stat().st_size
    answer = process.search(query, 4, {}, documents=6)
    assert len(answer.docs) == 4 and answer.docs[np.argmax(answer.scores)] == 0
    assert answer.scores.max() == pytest.approx(3.0, abs=1e-2)
    assert answer.nanoseconds > 0 and process.peak_bytes() > 10_000_000
    assert len(process.search(query, 4, {"most": 2}, documents=6).docs) == 2


def test_an_error_is_told_in_one_line_and_the_engine_goes_on(started, files):
    vectors, lengths, folder, query = files
    process = started()
    with pytest.raises(EngineError) as caught:
        process.build(vectors, lengths, folder, {"fail": "too large\nbacktrace follows"})
    assert str(caught.value) == "the engine unruly_engine: build: RuntimeError: too large"
    process.build(vectors, lengths, folder, {})
    process.open(folder)
    with pytest.raises(EngineError, match="search: RuntimeError: no"):
        process.search(query, 3, {"fail": "no"}, documents=6)
    assert len(process.search(query, 3, {}, documents=6).docs) == 3


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("[(6, 1.0)]", "found document 6 of 6, from 0 on"),
        ("[(-1, 1.0)]", "found document -1"),
        ("[(2, 1.0), (2, 0.5)]", "found document 2 more than once"),
        ("[(2, 1.0), (3, nan)]", "gave document 3 the score nan"),
        ("[(2, 1e300)]", "gave document 2 the score 1e"),
        ("[(2, 'high')]", "search: ValueError"),
        ("[2, 3]", "search: TypeError"),
        ("None", "search: TypeError"),
        ("[(10 ** 30, 1.0)]", "found document 1000000000"),
    ],
)
def test_an_answer_that_is_no_ranking_is_refused(started, files, answer, message):
    vectors, lengths, folder, query = files
    process = started()
    process.build(vectors, lengths, folder, {})
    process.open(folder)
    with pytest.raises(ProgramError, match=message):
        process.search(query, 3, {"answer": answer}, documents=6)


def test_a_crash_says_how_it_ended_and_what_it_said_last(started, files):
    with pytest.raises(ProgramError) as caught:
        started().build(*files[:3], {"die": 11})
    said = "the engine unruly_engine: it ended with SIGSEGV; its last words: 'the last words'"
    assert str(caught.value) == said
    assert "Fatal Python error" in caught.value.log and "in misbehave" in caught.value.log


def test_a_build_and_a_query_that_take_too_long_are_ended(started, files):
    process = started(build_seconds=0.3)
    with pytest.raises(ProgramError, match=r"no answer within 0\.3 s: raise build_timeout_sec"):
        process.build(*files[:3], {"sleep": 60})
    assert not psutil.pid_exists(process.pid)
    process = started(query_seconds=0.3)
    process.build(*files[:3], {})
    process.open(files[2])
    with pytest.raises(ProgramError, match=r"no answer within 0\.3 s: raise timeout_seconds"):
        process.search(files[3], 3, {"sleep": 60}, documents=6)
    assert not psutil.pid_exists(process.pid)


def test_an_engine_that_holds_too_much_memory_is_ended(started, files):
    process = started(memory_bytes=300_000_000)
    with pytest.raises(ProgramError, match=r"memory limit: it held more than 0\.3 GB: raise mem"):
        process.build(*files[:3], {"hold": 500})
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no JSON", "a line that is not JSON: 'no JSON'"),
        ("echo '[1]'", "start: an answer that is none"),
        ("""echo '{"versions": {"numpy": 3}}'""", r"an answer that is none: versions\.numpy"),
        ("""echo '{"versions": {}, "x": 1}'""", "an answer that is none: x"),
        ("echo oh no >&2; exit 3", "it ended with status 3; its last words: 'oh no'"),
        ("exit 0", "it ended with status 0"),
    ],
)
def test_a_program_that_is_no_engine_is_told_from_one(tmp_path, script, message):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nread _\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(ProgramError, match=message):
        EngineProcess(engine_declaration(str(UNRULY)), program, threads=1)


def test_an_engine_ends_with_the_process_that_drives_it(started, files):
    process = started()
    program = process._program
    program._process.stdin.close()
    assert program._ends_within(30)
    process.close()


def test_an_environment_without_the_engine_says_how_to_make_it():
    with pytest.raises(PackagesUnavailable) as caught:  # this environment has no engine
        EngineProcess(engine_declaration("fast_plaid"), PYTHON, threads=1)
    assert "ModuleNotFoundError: No module named 'fast_plaid'" in str(caught.value)
    assert "bin/pip install fast-plaid==" in str(caught.value) and "\n" not in str(caught.value)


# --- what a file declares ---


def test_the_engines_that_come_with_colbench_declare_what_their_systems_set():
    assert builtin_engines() == ["fast_plaid", "xtr_warp"]
    for name in builtin_engines():
        declared = engine_declaration(name)
        assert declared.requirement.startswith(f"{declared.package}==")
        settings = compose_run([f"systems=[{name}]"]).system[name]
        assert settings.engine == name and settings.build["nbits"] == declared.build["nbits"]


def declared(folder, text):
    file = folder / "mine.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return engine_declaration(str(file))


def test_a_file_is_read_and_not_run(tmp_path):
    found = declared(
        tmp_path,
        """
        import no_such_module
        BUILD: dict = {"nbits": 4, "fast": True, "rate": 0.5}
        raise SystemExit

        class Engine: ...
        """,
    )
    assert found.name == "mine" and found.build == {"nbits": 4, "fast": True, "rate": 0.5}
    assert found.settings("build", {"nbits": None, "rate": 1}) == {"fast": True, "rate": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no class 'Engine'"),
        ("class Engine: ...\nBUILD = dict(a=1)", "line 2: BUILD must be a literal"),
        ("class Engine: ...\nSEARCH = [1]", "line 2: SEARCH must be a dictionary of names"),
        ("class Engine: ...\nSEARCH = {1: 2}", "SEARCH must be a dictionary of names"),
        ("PACKAGE = 3\nclass Engine: ...", "line 1: PACKAGE must be a string"),
        ("class Engine", "line 1: expected ':'"),
        ("\0", "null bytes"),
    ],
)
def test_a_file_that_declares_no_engine_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        declared(tmp_path, text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["system.fast_plaid.engine=fast_plaits"], "unknown engine 'fast_plaits': did you mean 'f"),
        (["system.fast_plaid.engine=./none.py"], "there is no engine './none.py' in"),
        (["system.fast_plaid.search.n_ivf_prob=4"], "'n_ivf_prob': did you mean 'n_ivf_probe'"),
        (["system.fast_plaid.build.n_bits=4"], "build setting 'n_bits': did you mean 'nbits'"),
        (["system.fast_plaid.build.nbits=four"], "nbits is 'four', and its default 4"),
        (["system.fast_plaid.build.nbits=true"], "nbits is True, and its default 4"),
        (["system.fast_plaid.timeout_seconds=0"], "greater than 0"),
        (["system.fast_plaid.serch.x=1"], "did you mean 'system.fast_plaid.search'"),
    ],
)
def test_wrong_settings_are_told_before_any_work(words, message):
    with pytest.raises(ConfigError) as caught:
        compose_run(["systems=[fast_plaid]", *words])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_python_is_named_or_lies_where_it_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("COLBENCH_ENGINE_FAST_PLAID", raising=False)
    engine = engine_declaration("fast_plaid")
    assert engine.find_python() is None
    assert f"python3.11 -m venv {tmp_path}/colbench/engines/fast_plaid" in engine.advice()
    usual = tmp_path / "colbench" / "engines" / "fast_plaid" / "bin" / "python"
    usual.parent.mkdir(parents=True)
    usual.symlink_to(PYTHON)
    assert engine.find_python() == usual
    monkeypatch.setenv("COLBENCH_ENGINE_FAST_PLAID", sys.executable)
    assert engine.find_python() == PYTHON
    assert engine.find_python(tmp_path / "none") is None
    assert engine_declaration(str(UNRULY)).find_python() == PYTHON
    settings = system_settings(
        "x", {"kind": "engine", "engine": "xtr_warp", "python": "/none", "encoder": ENCODER}
    )
    with pytest.raises(PackagesUnavailable, match="no program /none; make its environment with"):
        settings.look_for_packages()


def test_what_a_result_depends_on_is_the_file_and_the_environment(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("Fast_Plaid-1.0.dist-info", "torch-2.11.0.dist-info", "other-1.dist-info"):
        (packages / name).mkdir(parents=True)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(PYTHON)
    values = {"kind": "engine", "engine": "fast_plaid", "encoder": ENCODER}
    settings = system_settings("x", {**values, "python": str(python)})
    assert settings.outside()["installed"] == ["Fast_Plaid-1.0.dist-info", "torch-2.11.0.dist-info"]
    assert settings.announcement() == f"the program {python} runs"
    assert system_settings("x", values).announcement() is None
    mine = tmp_path / "mine.py"
    mine.write_text("class Engine: ...", encoding="utf-8")
    own = system_settings("x", {**values, "engine": str(mine)})
    assert own.announcement() == f"the code of {mine} runs"
    before = own.outside()
    mine.write_text("class Engine: pass", encoding="utf-8")
    assert own.outside() != before


def test_another_version_than_the_one_that_was_tried_is_told():
    engine = engine_declaration("fast_plaid")
    assert engine.other_version("1.7.0.2110") is None
    assert engine.other_version("2.0") == "fast_plaid is version 2.0, and 1.7.0.2110 was tried"


# --- as a system ---


def engine_system(bench, **settings):  # noqa: F811
    values = {"kind": "engine", "engine": str(UNRULY), "encoder": ENCODER, **settings}
    bench.systems = {**bench.systems, "engine": system_settings("engine", values)}
    return make_system("engine", bench)


def test_exact_search_in_another_process_finds_what_exact_search_does(bench):  # noqa: F811
    texts = [query.text for query in bench.collection.queries]
    with closing(engine_system(bench)) as system:
        system.prepare()
        system.build()
        queries = system.encode(texts)
        found = system.search(queries, 20)
        for one, exact in zip(found, searched(bench, "exact"), strict=True):
            assert one.docs.tolist() == exact.docs.tolist()
            np.testing.assert_allclose(one.scores, exact.scores, rtol=1e-5)
        stages = system.stages(queries, 20)
        assert list(stages) == ["exact", "engine"]
        assert [hits.docs.tolist() for hits in stages["engine"]] == [
            hits.docs.tolist() for hits in stages["exact"]
        ]
        size = system.size()
        assert set(size.files) == {"vectors.npy", "lengths.npy"} and size.vectors > 79
        assert system.peak_memory() > 10_000_000 and system.counted_build_seconds > 0
        assert system.metadata()["versions"]["numpy"] == np.__version__
        assert system.metadata()["build"] == {"scale": 1.0}
        assert any("peak memory is that of the engine's process" in n for n in system.notes(texts))
        assert not (system.folder / "vectors.npy").exists()
        everything = system.search(queries, 500)[0]  # the last document has no token
        assert sorted(everything.docs.tolist()) == list(range(79))
        assert [len(hits) for hits in system.search(system.encode([""]), 5)] == [0]


def test_clients_share_an_engine_whose_process_answers_one_at_a_time(bench):  # noqa: F811
    texts = [query.text for query in bench.collection.queries]
    with closing(engine_system(bench)) as system:
        system.prepare()
        system.build()
        assert system.concurrent

        def answer(text):
            (hits,) = system.search(system.encode([text]), 10)
            return hits.docs.tobytes()

        alone = answers_alone(answer, texts, seconds=60)
        level = measure_load(answer, texts, clients=3, seconds=0.1, alone=alone)
    assert level.error is None and level.differing == 0
    assert level.checked == level.queries >= 3


def test_the_pipe_does_not_count_as_search(bench):  # noqa: F811
    with closing(engine_system(bench, search={"sleep": 0.05})) as system:
        system.prepare()
        system.build()
        queries = system.encode(["word1 word2"])
        started = time.perf_counter_ns()
        system.search(queries, 5)
        took = time.perf_counter_ns() - started
        assert 0 < system.uncounted_nanoseconds() < took - 50_000_000


def test_another_search_uses_the_same_index(bench):  # noqa: F811
    with closing(engine_system(bench)) as system:
        system.prepare()
        system.build()
        changed = system.settings.model_copy(update={"search": {"most": 3}})
        assert changed.build_key() == system.settings.build_key()
        other = system.settings.model_copy(update={"build": {"scale": 2.0}})
        assert other.build_key() != system.settings.build_key()
        system.use(changed)
        assert len(system.search(system.encode(["word1"]), 10)[0]) == 3


def test_chunks_are_searched_until_there_are_enough_documents(bench, monkeypatch):  # noqa: F811
    documents = len(bench.collection.documents)
    owners = np.sort(np.concatenate([np.arange(documents), np.full(40, 1), np.full(40, 2)]))
    texts = [bench.collection.texts[owner] for owner in owners]
    chunks = Chunks(texts, [f"c{number}" for number in range(len(texts))], owners)
    monkeypatch.setattr(WordBench, "chunks", lambda *_: chunks)
    with closing(engine_system(bench)) as system:
        system.prepare()
        system.build()
        query = bench.collection.texts[1]
        (found,) = system.search(system.encode([query]), 10)
        assert len(found) == 10 and found.docs[0] == 1
        assert len(set(found.docs.tolist())) == 10


def test_the_process_ends_with_the_system_and_also_where_it_failed(bench):  # noqa: F811
    system = engine_system(bench, build={"fail": "no"})
    system.prepare()
    with pytest.raises(EngineError):
        system.build()
    process = system._process.pid
    assert psutil.pid_exists(process)
    system.close()
    assert not psutil.pid_exists(process)


def test_the_example_of_the_documentation_is_exact_search(
    bench,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (values,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_engine.py").write_text(code, encoding="utf-8")
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "mine.yaml").write_text(values, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    mine = compose_run(["systems=[mine]"], [tmp_path]).system["mine"]
    assert mine.search == {"most": 100}
    words = ["systems=[mine]", "system.mine.kind=engine", "system.mine.engine=./my_engine.py"]
    assert compose_run([*words, "system.mine.encoder=minilm"]).system["mine"].search == {}
    with closing(engine_system(bench, engine="./my_engine.py")) as system:
        system.prepare()
        system.build()
        texts = [query.text for query in bench.collection.queries]
        found = system.search(system.encode(texts), 20)
        exact = searched(bench, "exact")
    assert [hits.docs.tolist() for hits in found] == [hits.docs.tolist() for hits in exact]


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["fast_plaid", "xtr_warp"])
def test_a_real_engine_finds_the_document_a_query_was_taken_from(name, tmp_path):
    engine = engine_declaration(name)
    python = engine.find_python()
    if python is None:
        pytest.skip(f"no Python with {name}: see docs/engines.md")
    random = np.random.default_rng(0)
    lengths = random.integers(1, 31, 300)
    vectors = random.standard_normal((lengths.sum(), 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float16))
    np.save(tmp_path / "lengths.npy", lengths)
    queries = np.split(vectors, np.cumsum(lengths)[:-1])[:5]
    with closing(EngineProcess(engine, python, threads=os.cpu_count() or 1)) as process:
        folder = tmp_path / "index"
        process.build(tmp_path / "vectors.npy", tmp_path / "lengths.npy", folder, {})
        _, sizes = process.open(folder)
        assert sum(sizes.values()) > len(vectors) * 64 * 4 // 8  # 4 bits a dimension
        for number, query in enumerate(queries):
            found = process.search(query, 20, {}, documents=300)
            assert len(found.docs) == 20 and found.docs[np.argmax(found.scores)] == number
