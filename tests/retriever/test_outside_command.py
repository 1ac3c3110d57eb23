"""Kind `command`: a program asked over its standard input, and all that it may do instead."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from outside_bench import bench_of, measured, run

from colbench.config.compose import compose_run
from colbench.errors import ConfigError, DataError, ProgramError
from colbench.retriever import program, registry
from colbench.retriever.registry import make_system, system_settings

HEAD = """
import json, os, subprocess, sys, time

TWO = '{"id": 1, "results": []}\\n' * 2

def answer(line, **more):
    asked = json.loads(line)
    print(json.dumps({"id": asked["id"], "results": [["d1", 1], ["d3", 2.5]], **more}), flush=True)

"""
GOOD = HEAD + "for line in sys.stdin:\n    answer(line)\n"
INDEXED = """
import json, pathlib, sys

place = pathlib.Path(sys.argv[1])
if sys.argv[2:]:
    block = bytearray(120_000_000)
    block[::4096] = b"x" * len(block[::4096])
    lines = open(sys.argv[2], encoding="utf-8").read().splitlines()
    (place / "ids").write_text("\\n".join(json.loads(line)["id"] for line in lines))
    print("made")
else:
    ids = (place / "ids").read_text().split()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        found = [{"id": doc, "score": -n} for n, doc in enumerate(ids)][: asked["k"]]
        print(json.dumps({"id": str(asked["id"]), "results": found}), flush=True)
"""


@pytest.fixture
def bench(tiny_collection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compose_run([])
    return lambda **systems: bench_of(tiny_collection, tmp_path, **systems)


def command(code="", file="search.py", **more):
    if code:
        Path(file).write_text(code, encoding="utf-8")
    words = ["{python}", f"./{file}"]
    return {"kind": "command", "command": words, "startup_seconds": 20, **more}


def ask(given, times=1):
    system = make_system("x", given)
    system.prepare()
    try:
        system.build()
        for _ in range(times):
            hits = system.search(system.encode(["why?"]), 10)
    finally:
        system.close()
    return hits


@pytest.fixture(autouse=True)
def nothing_goes_on():
    """No test may leave a program behind; others of this process may have children of their own."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_program_is_a_system_and_ends_with_it(bench, tmp_path):
    given = bench(x=command(GOOD))
    reply, rankings = measured(given, "x", tmp_path)
    assert all(list(r) == [("d3", 2.5), ("d1", 1.0)] for r in rankings.values())
    assert 1e6 < reply.peak_rss_bytes < psutil.Process().memory_info().rss
    assert reply.index is None and "search.py" in reply.metadata["file_sha256"]


def test_an_index_is_built_first_and_weighed(bench, tmp_path):
    words = ["{python}", "./index.py", "{folder}"]
    settings = command(INDEXED, file="index.py", command=words, ready="ready")
    settings["build"] = [*words, "{documents}"]
    reply, rankings = measured(bench(x=settings), "x", tmp_path)
    assert all(r.doc_ids == ("d1", "d2", "d3") for r in rankings.values())
    assert reply.index.files == {"ids": len("d1 d2 d3 d4 d5 d6")}
    assert reply.peak_rss_bytes > 120_000_000  # of the build; a search needs a tenth of it


AFTER = "for line in sys.stdin:\n    "


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "sys.stderr.write('no index\\n'); sys.exit(3)",
            "ended with status 3; its last words: 'no",
        ),
        ("os.kill(os.getpid(), 11)", "ended with SIGSEGV"),
        (AFTER + "print('hello', flush=True)", "a line that is not JSON: 'hello'"),
        (AFTER + "print('[' * 9999, flush=True)", "a line that is not JSON: '[[["),
        (AFTER + "print('[]', flush=True)", "an answer without results"),
        (AFTER + 'print(\'{"error": "bad\\\\nday"}\', flush=True)', "without results: bad"),
        (AFTER + "answer(line, id=99)", "an answer to the query 99, not 1"),
        (AFTER + "answer(line, results='d1')", "'d1' is not a list of (id, score)"),
        (AFTER + "answer(line, results=[['d1', 'x']])", "the score 'x' is no number"),
        (AFTER + "sys.stdout.write(TWO); sys.stdout.flush()", 'a line too many: \'{"id": 1'),
        (AFTER + "sys.stdout.write('x' * (3 << 20))", "a line of more than 2 MiB"),
        (AFTER + "pass", "gives no answer within 0.5"),
        ("time.sleep(60)", "gives no answer within 0.5"),
        (AFTER + "subprocess.Popen(['sleep', '60']); os._exit(1)", "it ended with status 1"),
        ("os.close(1); time.sleep(60)", "it closed its output and goes on"),
    ],
)
def test_what_a_program_does_wrong_is_one_line_and_ends_it(bench, monkeypatch, code, told):
    monkeypatch.setattr(program, "LONGEST_LINE", 2 << 20)
    monkeypatch.setattr(program, "_PATIENCE", 0.3)
    late = "within" in told
    more = {"timeout_seconds": 0.5 if late else 20, "startup_seconds": 0.001 if late else 20}
    with pytest.raises((ProgramError, DataError)) as error:
        ask(bench(x=command(HEAD + code, **more)), times=2)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_large_question_and_much_talk_block_nothing(bench):
    talks = "for line in sys.stdin:\n    sys.stderr.write('x' * 300_000)\n    answer(line)\n"
    given = bench(x=command(HEAD + talks))
    system = make_system("x", given)
    system.prepare()
    system.build()
    (hits,) = system.search(["long " * 100_000], 1)
    assert hits.docs.tolist() == [2]
    system.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"command": "no_such_program_here -x"}, "cannot start 'no_such_program_here': No such"),
        ({"command": ["{python}", "-c", "print('hm')"], "ready": "ready"}, "'hm' in place of"),
        ({"command": ["{python}", "-c", "pass"], "ready": "ready"}, "it ended with status 0"),
        (
            {"command": ["{python}"], "build": ["{python}", "-c", "raise ValueError('no')"]},
            "it ended with status 1; its last words: 'ValueError: no'",
        ),
        (
            {"command": "true", "build": "sleep 60", "build_timeout_seconds": 0.1},
            "did not end within 0.1 s",
        ),
        ({"command": ["true"], "cwd": "nowhere"}, "cannot start 'true': No such file"),
    ],
)
def test_a_program_that_does_not_start_is_told(bench, settings, told):
    with pytest.raises(ProgramError) as error:
        ask(bench(x={"kind": "command", **settings}))
    assert told in str(error.value)


def test_a_command_is_split_without_a_shell(bench, tmp_path):
    settings = system_settings("x", {"kind": "command", "command": "a 'b c' $HOME; *"})
    assert settings.command == ["a", "b c", "$HOME;", "*"]
    with pytest.raises(ConfigError, match="cannot be split: No closing quotation"):
        system_settings("x", {"kind": "command", "command": "a 'b"})
    Path("env.py").write_text(HEAD + AFTER + "answer(line, results=[os.environ['DOC']])")
    words = ["systems=x", "system.x.kind=command", "system.x.env.DOC=d4"]
    for text in (f"{sys.executable} ./env.py", "{python} ./env.py", f"[{sys.executable},./env.py]"):
        composed = compose_run([*words, f"system.x.command={text}"])
        given = bench(x=composed.system["x"].model_dump())
        assert [hits.docs.tolist() for hits in ask(given)] == [[3]]


def test_which_program_of_a_folder_of_others_runs_is_said(bench, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(registry, "_SAID", set())
    folder = tmp_path / "conf" / "system"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("kind: command\ncommand: '{python} ./theirs.py --x'\n")
    (folder / "theirs.py").write_text(GOOD)
    settings = compose_run(["systems=x"], [tmp_path / "conf"]).system["x"]
    assert "system 'x': the program '{python}' ./theirs.py --x runs" in capfd.readouterr().err
    before = settings.outside()
    (folder / "theirs.py").write_text(GOOD + "#")
    assert before != settings.outside()


def test_a_failed_program_is_a_row_with_a_log(fork_server, tiny_collection, tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(HEAD + "print('oh', file=sys.stderr); sys.exit(4)")
    words = []
    for name in ("good", "bad"):
        words += [f"system.{name}.kind=command"]
        words += [f"system.{name}.command=[{sys.executable},{tmp_path / name}.py]"]
    done, rows = run(fork_server, tiny_collection, tmp_path, *words, "systems=[bm25,good,bad]")
    assert done.returncode == 1, done.stderr
    assert [row["status"] for row in rows.values()] == ["ok", "ok", "failed"]
    assert "ended with status 4; its last words: 'oh'" in rows["bad"]["reason"]
    assert any("oh" in file.read_text() for file in (tmp_path / "out").rglob("*.log"))
    assert rows["good"]["peak_rss_bytes"] < rows["bm25"]["peak_rss_bytes"]


def test_a_program_does_not_outlive_a_run_that_is_killed(tiny_collection, tmp_path):
    from outside_bench import write_collection

    write_collection(tiny_collection, tmp_path / "data")
    (tmp_path / "slow.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(tmp_path / 'pid')!r}).write_text("
        "str(os.getpid()))\ntime.sleep(600)\n"
    )
    words = ["run", "dataset=beir_dir", f"dataset.path={tmp_path / 'data'}", "systems=x"]
    words += [f"output_dir={tmp_path / 'out'}", f"cache_dir={tmp_path / 'c'}"]
    words += ["system.x.kind=command", f"system.x.command=[{sys.executable},{tmp_path}/slow.py]"]
    words += ["system.x.timeout_seconds=500"]
    started = subprocess.Popen(
        [sys.executable, "-m", "colbench.cli.main", *words], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(1200):
            if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
                break
            time.sleep(0.1)
        process = int((tmp_path / "pid").read_text())
        assert psutil.pid_exists(process)
        os.kill(started.pid, signal.SIGKILL)
        for _ in range(600):
            if not psutil.pid_exists(process):
                return
            time.sleep(0.1)
        raise AssertionError("it goes on")
    finally:
        started.kill()
        started.wait()


def test_json_is_what_is_sent(bench, tmp_path):
    code = f"line = sys.stdin.readline()\nopen({str(tmp_path / 'seen')!r}, 'w').write(line)\n"
    ask(bench(x=command(HEAD + code + "answer(line)\nsys.stdin.read()")))
    assert json.loads((tmp_path / "seen").read_text()) == {"id": 1, "query": "why?", "k": 10}
