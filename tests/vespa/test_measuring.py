"""The example of docs/vespa.md, with a server that scores the feed as the rank profile says."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fed import score
from outside_bench import run

from colbench import Colbert
from colbench.cli.main import main
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


@pytest.fixture(scope="module")
def model():
    return Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")


def test_a_run_measures_an_exported_index_as_it_is(
    model, server, fork_server, tiny_collection, tmp_path
):
    """With its defaults: vectors of the run's encoder, and a thousand documents a query."""
    texts = [document.text for document in tiny_collection.documents]
    ids = [document.id for document in tiny_collection.documents]
    index = model.index(texts, tmp_path / "index", ids=ids, verbose=False)
    exported = tmp_path / "exported"
    assert main(["vespa", "export", str(index.folder), "--to", str(exported)]) == 0
    vespa = Vespa(exported)

    def answer(handler):
        status, content = vespa.answer(json.loads(server.requests[-1][2]))
        told = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(told)))
        handler.end_headers()
        handler.wfile.write(told)

    server.answers = [answer]
    done, rows = run(
        *(fork_server, tiny_collection, tmp_path, "--config-dir", str(EXAMPLES)),
        *("systems=[vespa_maxsim]", f"system.vespa_maxsim.url={server.url}/search/"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows["vespa_maxsim"]["status"] == "ok"
    assert {body["hits"] for body in vespa.asked} >= {1000}
    (file,) = (tmp_path / "out").rglob("vespa_maxsim.*trec*")
    rankings = read_trec(file).rankings
    for query in tiny_collection.queries:
        found = rankings.get(query.id, [])
        wanted = [
            result
            for result in index.search(query.text, k=9, search="exhaustive", arithmetic="fp32")
            if words(result.text) & words(query.text)
        ]
        assert [hit[0] for hit in found] == [result.id for result in wanted]
        assert [hit[1] for hit in found] == pytest.approx([r.score for r in wanted], abs=1e-3)
