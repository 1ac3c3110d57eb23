"""The example of docs/vespa.md, with a server that scores the feed as the rank profile says."""

import json
import re
import threading
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fed import score
from http_server import Server
from outside_bench import bench_of, measured, run
from words import WordEncoder

from colbench import Colbert
from colbench.cli.main import main
from colbench.config.compose import compose_run
from colbench.run.trec import read_trec

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "outside"


def words(text):
    return set(re.findall(r"\w+", text.lower()))


class Vespa:
    """Answers a query over an exported feed in the form of Vespa's query API."""

    def __init__(self, folder):
        application = folder / "application"
        self.schema = (application / "schemas" / "doc.sd").read_text()
        limit = application / "search" / "query-profiles" / "default.xml"
        self.most = int(ElementTree.parse(limit).getroot().find("field").text)
        lines = (folder / "feed.jsonl").read_text(encoding="utf-8").splitlines()
        self.documents = [json.loads(line)["fields"] for line in lines]
        self.asked = []

    def answer(self, body):
        self.asked.append(body)
        if body["hits"] > self.most:
            told = f"{body['hits']} hits requested, configured limit: {self.most}."
            return 400, {"root": {"errors": [{"code": 3, "message": told}]}}
        assert body["yql"] == "select doc_id from doc where userQuery()"
        assert f"rank-profile {body['ranking']} " in self.schema
        assert body["ranking.softtimeout.enable"] is False
        tensor = body["input.query(qt)"]
        query = np.array([tensor[str(n)] for n in range(len(tensor))], dtype=np.float32)
        assert f"query(qt) tensor<float>(querytoken{{}},x[{query.shape[1]}])" in self.schema
        variant = "bits" if body["ranking"].endswith("bits") else "float"
        found = [
            (score(fields, query, variant), fields["doc_id"])
            for fields in self.documents
            if words(fields["text"]) & words(body["query"])
        ]
        children = [
            {
                "id": f"index:content/0/{doc}",
                "relevance": relevance,
                "source": "content",
                "fields": {"doc_id": doc},
            }
            for relevance, doc in sorted(found, reverse=True)
        ]
        root = {
            "id": "toplevel",
            "relevance": 1.0,
            "fields": {"totalCount": len(children)},
            "coverage": {"coverage": 100, "documents": len(self.documents), "full": True},
        }
        return 200, {"root": root | ({"children": children[: body["hits"]]} if children else {})}


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def export(model, collection, folder, server):
    """Index a collection, export it and serve it; return the index and the server of its feed."""
    ids = [document.id for document in collection.documents]
    index = model.index(collection.texts, folder / "index", ids=ids, verbose=False)
    assert main(["vespa", "export", str(index.folder), "--to", str(folder / "exported")]) == 0
    vespa = Vespa(folder / "exported")

    def answer(handler):
        status, content = vespa.answer(json.loads(server.requests[-1][2]))
        told = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(told)))
        handler.end_headers()
        handler.wfile.write(told)

    server.answers = [answer]
    return index, vespa


def assert_same(rankings, index, collection):
    """What was measured is the exact search of the index, among documents with a word of it."""
    for query in collection.queries:
        found = index.search(query.text, k=9, search="exhaustive", arithmetic="fp32")
        found = [one for one in found if words(one.text) & words(query.text)]
        assert list(rankings[query.id].doc_ids) == [one.id for one in found]
        scores = [one.score for one in found]
        assert rankings[query.id].scores.tolist() == pytest.approx(scores, abs=1e-3)
    assert any(len(ranking) for ranking in rankings.values())


def test_the_example_measures_an_exported_index_as_it_is(server, tiny_collection, tmp_path):
    model = Colbert.from_pretrained(WordEncoder())
    index, vespa = export(model, tiny_collection, tmp_path, server)
    composed = compose_run(["systems=vespa_maxsim"], [EXAMPLES]).system["vespa_maxsim"]
    values = composed.model_dump(mode="json") | {"url": f"{server.url}/search/"}
    bench = bench_of(tiny_collection, tmp_path, x=values)
    bench.encoder = lambda settings, form: WordEncoder()
    _, rankings = measured(bench, "x", tmp_path, depth=1000)
    assert_same(rankings, index, tiny_collection)
    assert {body["ranking"] for body in vespa.asked} == {"bm25_maxsim"}
    assert vespa.most >= 1000 and "timeout" in vespa.asked[0]


@pytest.mark.nightly
def test_a_run_measures_an_exported_index_as_it_is(server, fork_server, tiny_collection, tmp_path):
    model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
    index, _ = export(model, tiny_collection, tmp_path, server)
    done, rows = run(
        *(fork_server, tiny_collection, tmp_path, "--config-dir", str(EXAMPLES)),
        *("systems=[vespa_maxsim]", f"system.vespa_maxsim.url={server.url}/search/"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows["vespa_maxsim"]["status"] == "ok"
    (file,) = (tmp_path / "out").rglob("vespa_maxsim.*trec*")
    assert_same(read_trec(file).rankings, index, tiny_collection)
