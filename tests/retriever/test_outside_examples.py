"""The configurations of `docs/outside`: on the answers that servers document, and on Chroma."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from outside_bench import bench_of
from test_systems import ENCODER, WordBench

from colbench.config.compose import compose_run
from colbench.config.folder import options
from colbench.encoder.settings import Form
from colbench.retriever.registry import make_system

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "outside"

ELASTIC = {
    "took": 5,
    "timed_out": False,
    "hits": {
        "total": {"value": 2, "relation": "eq"},
        "max_score": 1.3862942,
        "hits": [
            {"_index": "docs", "_id": "d3", "_score": 1.3862942},
            {"_index": "docs", "_id": "d1", "_score": 0.5},
        ],
    },
}
ANSWERS = {
    "vespa": {
        "root": {
            "id": "toplevel",
            "relevance": 1.0,
            "fields": {"totalCount": 2},
            "coverage": {"coverage": 100, "documents": 6, "full": True},
            "children": [
                {"id": "id:docs:doc::d3", "relevance": 0.78, "source": "docs"},
                {"id": "id:docs:doc::d1", "relevance": 0.5, "source": "docs"},
            ],
        }
    },
    "vespa_maxsim": {
        "root": {
            "id": "toplevel",
            "relevance": 1.0,
            "fields": {"totalCount": 2},
            "children": [
                {"id": "index:doc/0/a1", "relevance": 9.5, "fields": {"doc_id": "d3"}},
                {"id": "index:doc/0/b2", "relevance": 7.25, "fields": {"doc_id": "d1"}},
            ],
        }
    },
    "elasticsearch": ELASTIC,
    "opensearch": ELASTIC,
    "qdrant": {
        "time": 0.002,
        "status": "ok",
        "result": {
            "points": [
                {"id": 4, "version": 3, "score": 0.75, "payload": {"doc_id": "d3"}},
                {"id": 1, "version": 3, "score": 0.5, "payload": {"doc_id": "d1"}},
            ]
        },
    },
    "weaviate": {
        "data": {
            "Get": {
                "Doc": [
                    {"_additional": {"score": "3.0140665"}, "doc_id": "d3"},
                    {"_additional": {"score": "2.5"}, "doc_id": "d1"},
                ]
            }
        }
    },
    "next_plaid": {
        "results": [
            {"query_id": 0, "document_ids": [2, 0], "scores": [0.95, 0.87], "metadata": [None] * 2}
        ],
        "num_queries": 1,
    },
    "chroma": {
        "ids": [["d3", "d1"]],
        "embeddings": None,
        "documents": None,
        "uris": None,
        "metadatas": None,
        "distances": [[0.0061, 0.8896]],
        "include": ["distances"],
    },
}
_EMPTY = {"root": {"id": "toplevel", "relevance": 1.0, "fields": {"totalCount": 0}}}
NOTHING = {"vespa": _EMPTY, "vespa_maxsim": _EMPTY}


def example(name, address, collection, folder):
    """A system of an example at another address, with vectors of the tests."""
    values = compose_run([f"systems={name}"], [EXAMPLES]).system[name].model_dump(mode="json")
    parts = urlsplit(values["url"])
    values["url"] = values["url"].replace(f"{parts.scheme}://{parts.netloc}", address)
    values["encoder"] = ENCODER if values["encoder"] else None
    given = bench_of(collection, folder, x=values)
    own = {key: getattr(given, key) for key in ("collection", "folder", "cache", "systems")}
    return make_system("x", WordBench(**own, memory_bytes=1))


def ask(system, text="why?", k=3):
    system.prepare()
    system.build()
    (hits,) = system.search(system.encode([text]), k)
    system.close()
    return hits


def test_there_is_an_answer_for_every_example():
    assert {*ANSWERS} == {*options("system", [EXAMPLES])} - {*options("system")}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_example_reads_documented_answers(name, server, tiny_collection, tmp_path):
    server.answers = [ANSWERS[name], NOTHING.get(name, ANSWERS[name])]
    system = example(name, server.url, tiny_collection, tmp_path)
    hits = ask(system)
    assert hits.docs.tolist() == [2, 0] and hits.scores[0] > hits.scores[1]
    sent = server.requests[0][2]
    assert "why?" in sent or len(json.dumps(json.loads(sent))) > 24 * 10
    assert " 3" in sent and "{" not in sent.replace("{Get {Doc(", "")[1:].split('"')[0]
    if name in NOTHING:
        assert not len(ask(system))


def chroma():
    """The executable of Chroma, where it is installed."""
    found = shutil.which("chroma", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return found or pytest.skip("needs Chroma's server: pip install chromadb, in any environment")


def post(url, content):
    request = urllib.request.Request(
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def test_chroma_itself_answers_as_exact_search_does(tiny_collection, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [chroma(), "run", "--path", str(tmp_path / "db"), "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(words, stdout=log, stderr=log, cwd=tmp_path)
    try:
        address = f"http://localhost:{port}"
        place = f"{address}/api/v2/tenants/default_tenant/databases/default_database/collections"
        for attempt in range(100):
            try:
                space = {"hnsw": {"space": "cosine"}}
                made = post(place, {"name": "tiny", "configuration": space})
                break
            except OSError:
                assert attempt < 99, (tmp_path / "log").read_text()
                time.sleep(0.2)
        system = example("chroma", address, tiny_collection, tmp_path)
        system.settings = system.settings.model_copy(
            update={"url": system.settings.url.replace("COLLECTION", made["id"])}
        )
        encoder = system.bench.encoder(system.settings.encoder, Form.DENSE)
        rows = [matrix[0] for matrix in encoder.encode_documents(tiny_collection.texts)]
        vectors = [row.tolist() for row in rows]
        post(f"{place}/{made['id']}/add", {"ids": tiny_collection.doc_ids, "embeddings": vectors})
        text = "how is bread made"
        hits = ask(system, text, 6)
        (query,) = encoder.encode_queries([text])
        exact = [float(query[0] @ row) for row in rows]
        assert hits.docs.tolist() == sorted(range(6), key=exact.__getitem__, reverse=True)
        distances = [exact[doc] - 1 for doc in hits.docs]
        assert hits.scores.tolist() == pytest.approx(distances, abs=1e-5)
    finally:
        running.kill()
        running.wait()
