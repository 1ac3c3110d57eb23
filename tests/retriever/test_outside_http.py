"""Kind `http`: how a server is asked, and a server that is busy, broken, endless or not there."""

import gzip
import json
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from http_server import GOOD
from outside_bench import bench_of, measured, run
from test_systems import ENCODER, WordBench

from colbench.errors import ConfigError, DataError
from colbench.measures.load import measure_load
from colbench.retriever import http_client
from colbench.retriever.registry import make_system, system_settings
from colbench.retriever.systems.http import HttpSystem

SECRET = "Bearer s3cr3t-value"


@pytest.fixture
def bench(tiny_collection, tmp_path):
    return lambda **systems: bench_of(tiny_collection, tmp_path, **systems)


def http(server, **more):
    return {
        **{"kind": "http", "url": f"{server.url}/search", "backoff_seconds": 0.001},
        **{"body": {"q": "{query}", "size": "{k}"}, "ids": "hits[]._id", "scores": "hits[]._score"},
        **more,
    }


def ask(given, query="a query", k=10):
    system = make_system("x", given)
    system.prepare()
    try:
        (hits,) = system.search(system.encode([query]), k)
    finally:
        system.close()
    return [given.collection.doc_ids[doc] for doc in hits.docs], hits.scores.tolist(), system


def test_a_server_is_a_system(server, bench, tmp_path):
    reply, rankings = measured(bench(x=http(server)), "x", tmp_path)
    assert all(list(r) == [("d3", 2.5), ("d1", 1.0)] for r in rankings.values())
    assert reply.latency_ms and reply.index is None and reply.peak_rss_bytes is None
    path, headers, body = server.requests[-1]
    assert path == "/search" and headers["Content-Type"] == "application/json"
    assert json.loads(body)["size"] == 3 and json.loads(body)["q"] in {
        query.text for query in bench().collection.queries
    }


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ({"q": "{query}", "n": ["{k}", "top {k}"]}, {"q": 'a "b"\n{x}', "n": [7, "top 7"]}),
        ('{"q": "{query}", "n": {k}, "rest": {}}', {"q": 'a "b"\n{x}', "n": 7, "rest": {}}),
    ],
)
def test_braces_that_are_no_placeholder_stay(server, bench, template, sent):
    ask(bench(x=http(server, body=template)), 'a "b"\n{x}', 7)
    assert json.loads(server.requests[-1][2]) == sent


def test_an_address_and_a_form_are_url_encoded(server, bench):
    text = "a&k=9#{k} é/?"
    ask(bench(x=http(server, url=server.url + "/s?q={query}&k={k}", body=None)), text, 7)
    path, _, body = server.requests[-1]
    assert parse_qs(urlsplit(path).query) == {"q": [text], "k": ["7"]} and body == ""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    ask(bench(x=http(server, body="q={query}&k={k}", headers=form)), text, 7)
    assert parse_qs(server.requests[-1][2]) == {"q": [text], "k": ["7"]}
    ask(bench(x=http(server, body="{query}", headers={"Content-Type": "text/plain"})), text)
    assert server.requests[-1][2] == text


def test_vectors_are_put_in_each_form(server, tiny_collection, tmp_path):
    body = {"v": "{vector}", "m": "{vectors}", "n": "{vectors_by_number}"}
    given = bench_of(tiny_collection, tmp_path, x=http(server, body=body, encoder=ENCODER))
    own = {name: getattr(given, name) for name in ("collection", "folder", "cache", "systems")}
    ask(WordBench(**own, memory_bytes=1), "two words")
    sent = json.loads(server.requests[-1][2])
    assert len(sent["v"]) == 24 and len(sent["m"]) == 3 and sent["m"][2] == sent["n"]["2"]


@pytest.mark.parametrize(
    ("more", "answer", "docs"),
    [
        ({"scores": None}, GOOD, ["d1", "d3"]),
        ({"higher_is_better": False}, GOOD, ["d1", "d3"]),
        ({"id_pattern": r"id:\w+::(.*)"}, {"hits": [{"_id": "id:x::d2", "_score": 1}]}, ["d2"]),
        ({"ids_are": "positions"}, {"hits": [{"_id": 4, "_score": 1}]}, ["d5"]),
        ({}, {"hits": []}, []),
        ({"ids": "(hits || `[]`)[]._id", "scores": None}, {}, []),
    ],
)
def test_answers_are_read_as_the_settings_say(server, bench, more, answer, docs):
    server.answers = [answer]
    assert ask(bench(x=http(server, **more)))[0] == docs


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_and_that_is_told(server, bench, status):
    server.answers = [(status, {"Retry-After": 0}, b"later"), (status, {}, b""), GOOD]
    docs, _, system = ask(bench(x=http(server)))
    assert docs == ["d3", "d1"] and len(server.requests) == 3
    assert system.notes([])[0] == "x: requests sent again, which its times include: 2"


def test_a_lost_connection_is_made_again(server, bench):
    server.answers = [lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), GOOD]
    assert ask(bench(x=http(server)))[0] == ["d3", "d1"]


def test_a_server_is_asked_by_all_clients_at_once(server, bench):
    """Each of three requests is answered when all three are there."""
    together = threading.Barrier(3, timeout=30)

    def answer(handler):
        together.wait()
        content = json.dumps(GOOD).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    server.answers = [answer]
    system = make_system("x", bench(x=http(server)))
    system.prepare()
    assert system.concurrent

    def search(query):
        (hits,) = system.search(system.encode([query]), 10)
        return hits.docs.tobytes()

    level = measure_load(search, ["a", "b"], clients=3, seconds=1e-6, warmup=0)
    system.close()
    assert (level.queries, level.error) == (3, None)


def raw(*parts, pause=0.0):
    """An answer byte by byte as it is given, with a pause after each part, for ever the last."""

    def answer(handler):
        handler.close_connection = True
        try:
            for part in parts:
                handler.connection.sendall(part)
            while pause:
                time.sleep(pause)
                handler.connection.sendall(parts[-1])
        except OSError:
            pass

    return answer


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
BOMB = gzip.compress(b"[" + b" " * (3 << 20))
LATE = "did not answer within 0.5 s"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            (500, {}, b"<h1>oh\x1b[31m no</h1>\n"),
            "with 500 Internal Server Error: <h1>oh",
        ),
        ((404, {}, b""), "answers POST with 404 Not Found"),
        ((503, {}, b"busy"), "answers POST with 503 Service Unavailable: busy"),
        ((302, {"Location": "http://elsewhere.example/"}, b""), "redirect to 'http://elsewhere"),
        ((200, {}, b""), "answers with nothing"),
        ((200, {}, b"<!doctype html><p>Sign in"), "answers with what is not JSON: <!doctype html>"),
        ((200, {}, b"[" * 100_000), "answers with what is not JSON: [[["),
        ((200, {}, b"\xff\xfe"), "answers with what is not JSON"),
        ((200, {}, {"error": "no index"}), "ids: 'hits[]._id' finds nothing"),
        ((200, {}, {"hits": [{"_id": "d1"}]}), "1 ids and 0 scores do not go together"),
        ((200, {}, {"hits": [{"_id": "d1", "_score": "x"}]}), "the score 'x' is no number"),
        ((200, {}, b'{"hits": [{"_id": "d1", "_score": NaN}]}'), "a score is NaN"),
        ((200, {}, {"hits": [{"_id": ["d1"], "_score": 1}]}), "the id list is no text"),
        ((200, {"Content-Encoding": "gzip"}, BOMB), "more than 2 MiB"),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "the request failed: "),
        (raw(HEAD + b" " * (3 << 20)), "more than 2 MiB"),
        (raw(b"SSH-2.0-OpenSSH\r\n"), "does not answer in HTTP"),
        (raw(b"", pause=0.1), LATE),
        (raw(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", pause=0.1), LATE),
        (raw(HEAD, b" ", pause=0.1), LATE),
    ],
)
def test_a_broken_server_is_one_clear_line(server, bench, monkeypatch, answer, told):
    monkeypatch.setattr(http_client, "MOST_BYTES", 2 << 20)
    server.answers = [answer]
    with pytest.raises(DataError) as error:
        ask(bench(x=http(server, timeout_seconds=0.5, retries=1)))
    text = str(error.value)
    assert told in text and "\n" not in text and "\x1b" not in text
    assert server.url in text or "the answer to the query" in text


def test_a_server_that_is_not_there_is_one_clear_line(bench):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    given = bench(x={"kind": "http", "url": url + "/{query}", "ids": "@", "backoff_seconds": 0})
    with pytest.raises(DataError, match=r"cannot be reached \(4 attempts\): .*refused.*running\?"):
        ask(given)


def test_what_comes_from_the_environment_is_in_no_message(server, bench, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", SECRET)
    given = bench(x=http(server, headers_from_env={"Authorization": "MY_TOKEN"}))
    echo = f"not allowed: {SECRET} s3cr3t-value".encode()
    for answer in [(401, {}, echo), (200, {}, echo), (302, {"Location": f"/{SECRET}"}, b"")]:
        server.answers = [answer]
        with pytest.raises(DataError) as error:
            ask(given)
        assert "s3cr3t" not in str(error.value) and "***" in str(error.value)
    assert server.requests[-1][1]["Authorization"] == SECRET
    assert SECRET not in given.systems["x"].model_dump_json()
    for value in (None, "a\r\nX: y"):
        monkeypatch.delenv("MY_TOKEN", raising=False)
        if value:
            monkeypatch.setenv("MY_TOKEN", value)
        with pytest.raises(ConfigError, match="the environment variable MY_TOKEN"):
            ask(given)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"url": "ftp://x/{query}"}, "write http://HOST:PORT/PATH"),
        ({"url": "http://{query}/"}, "write http://HOST:PORT/PATH"),
        ({"url": "http://a:b@x/{query}"}, "leave user and password out"),
        ({"url": "http://x:port/{query}"}, "not an address"),
        ({"body": {"q": "{qeury}"}}, "neither url nor body has {query}"),
        ({"body": {"q": "{vectors}"}}, "name their model"),
        ({"ids": "hits[._id"}, "not JMESPath"),
        ({"id_pattern": "a(b)(c)"}, "one group"),
        ({"headers": {"Authorization": "x"}}, "results would hold the value of Authorization"),
        ({"headers": {"X": "a\r\nb"}}, "is no header"),
        ({"methd": "GET"}, "did you mean 'system.x.method'"),
    ],
)
def test_settings_that_cannot_be_right_are_told(more, told):
    values = {"kind": "http", "url": "http://x/", "body": "{query}", "ids": "@", **more}
    with pytest.raises(ConfigError) as error:
        system_settings("x", values)
    assert told in str(error.value)


def test_it_stands_beside_others_and_a_broken_one_is_a_row(
    server, fork_server, tiny_collection, tmp_path
):
    words = [
        *("system.x.kind=http", "system.x.ids=hits[]._id", "system.x.scores=hits[]._score"),
        *(f"system.x.url={server.url}/s", "system.x.body={q: '{query}', size: '{k}'}"),
        *("system.y.kind=http", f"system.y.url={server.url}/s?q={{query}}", "system.y.ids=no"),
        *("system.both.kind=rrf", "system.both.systems=[bm25,x]", "systems=[bm25,x,y,both]"),
    ]
    done, rows = run(fork_server, tiny_collection, tmp_path, *words)
    assert done.returncode == 1, done.stderr
    assert [row["status"] for row in rows.values()] == ["ok", "ok", "failed", "ok"]
    assert rows["x"]["latency_ms"] and rows["x"]["peak_rss_bytes"] is None
    assert rows["y"]["reason"].startswith("ids: 'no' finds nothing in the answer of http")
    assert HttpSystem.memory_is_known is False
