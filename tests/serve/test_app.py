"""The service in one process: what it answers, and what it refuses."""

import threading
from datetime import date

import pytest
from facts import index_of_facts
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from words import WordEncoder

from colbench import Colbert
from colbench.serve.app import Limits, make_app

TOKEN = "a-token-of-enough-letters"


@pytest.fixture
def index(tmp_path):
    return index_of_facts(tmp_path)


@pytest.fixture
def client(index):
    return TestClient(make_app(index, Limits(k=20, queries=3, body_bytes=20_000)))


def values(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_search_answers_what_the_index_does(index, client):
    answer = client.post("/search", json={"query": "capital of france", "k": 2}).json()
    expected = index.search("capital of france", k=2)
    assert [found["id"] for found in answer["results"]] == [one.id for one in expected]
    first, best = answer["results"][0], expected[0]
    assert (first["rank"], first["score"], first["text"]) == (1, best.score, best.text)
    assert first["metadata"] == {"year": 2020, "day": "2020-05-17", "tags": ["city"]}
    assert first["passage"] == {
        "number": 1,
        "count": 1,
        "start": 0,
        "end": len(best.text),
        "text": best.text,
    }
    assert answer["version"] == 1
    assert set(answer["seconds"]) == {"filter", "encode", "search", "texts"}


def test_several_queries_have_a_list_each_and_an_address_asks_one(client):
    answer = client.post("/search", json={"query": ["moon", "germany"], "k": 1}).json()
    assert [[found["id"] for found in one] for one in answer["results"]] == [["tides"], ["berlin"]]
    answer = client.get("/search", params={"q": "moon", "k": 1}).json()
    assert [found["id"] for found in answer["results"]] == ["tides"]


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({"year": {"$gte": 2021}}, {"berlin", "tides"}),
        ({"day": {"$lt": "2021-01-01"}}, {"paris"}),
        ({"tags": {"$contains": "east"}}, {"berlin"}),
        ({"$not": {"tags": {"$contains": "city"}}}, {"tides"}),
    ],
    ids=["number", "date", "member", "not"],
)
def test_filters_come_as_json(client, given, ids):
    answer = client.post("/search", json={"query": "capital", "filter": given}).json()
    assert {found["id"] for found in answer["results"]} == ids


def test_hybrid_search_and_alignments_can_be_asked_for(client):
    asked = {"query": "moon sea", "k": 1, "hybrid": True, "align": True}
    answer = client.post("/search", json=asked).json()
    (found,) = answer["results"]
    assert found["id"] == "tides" and "bm25" in answer["seconds"]
    pairs = {(one["query_token"], one["document_token"]) for one in found["alignment"]}
    assert pairs == {("moon", "moon"), ("sea", "sea")}


@pytest.mark.parametrize(
    ("request_", "status", "told"),
    [
        ({"query": "x", "filter": {"yaer": 1}}, 400, "did you mean 'year'"),
        ({"query": "x", "filter": {"year": "1"}}, 400, "'year' holds a number"),
        ({"query": "x", "filter": {"year": {"$get": 1}}}, 400, r"did you mean '\$gte?'"),
        ({"query": "x", "k": 21}, 400, "at most 20"),
        ({"query": ["x"] * 4}, 400, "at most 3"),
        ({"query": "x", "search": "k11"}, 400, "did you mean 'k10"),
        ({"query": "x", "k": 0}, 422, "^k: "),
        ({"qury": "x"}, 422, "did you mean 'query'"),
        ({"query": 1}, 422, "^query: "),
    ],
    ids=lambda value: None,
)
def test_a_mistake_is_answered_in_one_line(client, request_, status, told):
    import re

    answer = client.post("/search", json=request_)
    assert answer.status_code == status
    (line,) = answer.json().values()
    assert re.search(told, line) and "\n" not in line


def test_bodies_that_are_too_long_or_no_json_are_refused(client):
    assert client.post("/search", content=b"x" * 20_001).status_code == 413
    chunks = (b"x" * 1000 for _ in range(21))  # without a length that is told beforehand
    assert client.post("/search", content=chunks).status_code == 413
    headers = {"Content-Type": "application/json"}
    answer = client.post("/search", content=b'{"query": ', headers=headers)
    assert answer.status_code == 422 and "error" in answer.json()
    nested = b'{"query": "x", "filter": ' + b'{"$not": ' * 1500 + b"{}" + b"}" * 1501
    assert client.post("/search", content=nested, headers=headers).status_code in (400, 422)
    assert client.get("/nowhere").json() == {"error": "Not Found"}


def test_without_the_token_only_health_is_told(index):
    client = TestClient(make_app(index, Limits(), token=TOKEN))
    assert client.get("/health").json()["documents"] == 3
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}):
        answer = client.get("/search", params={"q": "moon"}, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
        assert client.get("/metrics", headers=headers).status_code == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/search", params={"q": "moon"}, headers=headers).status_code == 200


def test_a_page_cannot_call_it_by_a_name_of_its_own(index):
    client = TestClient(make_app(index, Limits(), hosts=["localhost", "127.0.0.1"]))
    for host, status in (("evil.example", 400), ("localhost:8000", 200), ("127.0.0.1", 200)):
        assert client.get("/health", headers={"Host": host}).status_code == status


def test_more_than_fit_are_told_to_come_again(index, monkeypatch):
    entered, go = threading.Event(), threading.Event()
    search = Colbert.search

    def slow(self, *arguments, **options):
        entered.set()
        assert go.wait(30)
        return search(self, *arguments, **options)

    monkeypatch.setattr(Colbert, "search", slow)
    client = TestClient(make_app(index, Limits(concurrent=1)))
    found = []
    thread = threading.Thread(
        target=lambda: found.append(client.get("/search", params={"q": "moon"}))
    )
    thread.start()
    assert entered.wait(30)
    refused = client.get("/search", params={"q": "moon"})
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
    assert client.get("/health").status_code == 200
    go.set()
    thread.join()
    assert found[0].status_code == 200
    assert client.get("/search", params={"q": "moon"}).status_code == 200


def test_metrics_count_requests_and_the_seconds_of_stages(client):
    client.get("/search", params={"q": "moon"})
    client.post("/search", json={"query": "x", "filter": {"yaer": 1}})
    found = values(client)
    assert found["colbench_requests_total", (("path", "/search"), ("status", "200"))] == 1
    assert found["colbench_requests_total", (("path", "/search"), ("status", "400"))] == 1
    assert found["colbench_stage_seconds_count", (("stage", "search"),)] == 1
    assert found["colbench_stage_seconds_sum", (("stage", "encode"),)] > 0
    assert found["colbench_request_seconds_count", ()] == 1
    assert found["colbench_documents", ()] == 3
    assert found["colbench_requests_at_work", ()] == 0


def test_what_another_process_commits_is_served_from_the_next_search_on(index, client):
    assert client.get("/health").json()["version"] == 1
    other = Colbert.open(index.folder, encoder=WordEncoder())
    other.add("the moon landing", ids="moon", metadata={"day": date(1969, 7, 20)})
    answer = client.get("/search", params={"q": "moon landing", "k": 1}).json()
    assert (answer["results"][0]["id"], answer["version"]) == ("moon", 2)


def test_its_description_is_openapi_and_a_page_that_loads_nothing_from_elsewhere(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/search", "/health", "/metrics"}
    page = client.get("/docs").text
    assert "POST /search" in page and "src=" not in page and "https://" not in page
