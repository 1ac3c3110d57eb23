"""`colbench serve` as a process: starting, listening, ending."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

import colbench
from colbench import Colbert
from colbench.cli.main import main

_COMMAND = "import sys; from colbench.cli.main import main; sys.exit(main())"
TOKEN = "a-token-of-enough-letters"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("serve") / "facts"
    model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
    model.index(["Paris is the capital of France.", "Cats purr."], place, verbose=False)
    return place


def test_it_serves_from_start_to_a_signal(folder):
    started = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        line = started.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line + started.stderr.read()
        with urllib.request.urlopen(f"{address[0]}/search?q=cat&k=1", timeout=60) as answer:
            assert json.load(answer)["results"][0]["text"] == "Cats purr."
        started.send_signal(signal.SIGTERM)
        out, err = started.communicate(timeout=60)
        assert started.returncode == 0 and "ended" in out and err == ""
    finally:
        started.kill()
        started.wait()


def test_a_system_of_kind_http_measures_it(folder, tmp_path):
    from threading import Thread

    import uvicorn

    from colbench.serve.app import Limits, make_app

    server = uvicorn.Server(
        uvicorn.Config(make_app(Colbert.open(folder), Limits()), port=0, log_level="error")
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            results = colbench.run(
                dataset=_collection(tmp_path),
                systems=["service"],
                system={
                    "service": {
                        "kind": "http",
                        "url": f"http://127.0.0.1:{listener.getsockname()[1]}/search",
                        "body": {"query": "{query}", "k": "{k}"},
                        "ids": "results[].id",
                        "scores": "results[].score",
                    }
                },
                measures=["mrr@10"],
                output_dir=tmp_path / "out",
            )
        finally:
            server.should_exit = True
            thread.join()
    assert results.to_frame()["mrr@10"].tolist() == [1.0]


def _collection(place):
    folder = place / "collection"
    (folder / "qrels").mkdir(parents=True)
    texts = {"0": "Paris is the capital of France.", "1": "Cats purr."}
    for name, lines in (("corpus", texts), ("queries", {"q": "capital", "r": "cat"})):
        rows = [json.dumps({"_id": key, "text": text}) for key, text in lines.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq\t0\t1\nr\t1\t1\n", encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (["--host", "0.0.0.0"], {}, "set COLBENCH_TOKEN or --token-file"),
        (["--host", "0.0.0.0"], {"COLBENCH_TOKEN": "short"}, "16 printable"),
        (["--token-file", "/nonexistent/token"], {}, "cannot read"),
        (["--host", "no.such.host.invalid"], {"COLBENCH_TOKEN": TOKEN}, "--host"),
        (["--index-version", "7"], {}, "no version 7"),
    ],
    ids=["no-token", "short-token", "no-file", "no-host", "no-version"],
)
def test_what_cannot_be_served_is_told_in_one_line(
    folder, monkeypatch, capsys, words, environment, told
):
    monkeypatch.delenv("COLBENCH_TOKEN", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", str(folder), "--port", "0", *words]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_a_port_that_is_taken_and_a_folder_without_an_index_are_told(folder, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert main(["serve", str(folder), "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "none")]) == 2
    assert "is not there" in capsys.readouterr().err


def test_missing_packages_are_named_with_the_extra(folder, monkeypatch, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "uvicorn" else find(name, *a)
    )
    assert main(["serve", str(folder)]) == 2
    assert "uvicorn: pip install 'colbench[serve]'" in capsys.readouterr().err
