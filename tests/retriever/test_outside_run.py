"""Kind `trec_run`: runs of other systems in every format, and what may be wrong with them."""

import gzip
import json

import pytest
from outside_bench import bench_of, measured, run
from test_systems import ENCODER, WordBench

from colbench.config.compose import compose_run
from colbench.errors import ConfigError, DataError, StorageError
from colbench.retriever.registry import make_system
from colbench.run import formats
from colbench.run.formats import read_run
from colbench.sweep.settings import SweepSettings, sweep_variants

SCORES = {"q1": {"d1": 3.5, "d2": 2.0}, "q2": {"d5": 1.0, "d3": 1.0}}
RANKED = {"q1": ("d1", "d2"), "q2": ("d5", "d3")}


def trec(scores):
    lines = [f"{q} Q0 {d} 7 {s} theirs" for q, docs in scores.items() for d, s in docs.items()]
    return "\n".join(lines) + "\n"


def mteb(scores, subset="default", split="test"):
    return json.dumps({"mteb_model_meta": {"model_name": "m"}, subset: {split: scores}})


def sentence_transformers(scores):
    return "".join(
        json.dumps(
            {
                "query_id": query,
                "query": "its text",
                "results": [{"corpus_id": doc, "score": score} for doc, score in docs.items()],
            }
        )
        + "\n"
        for query, docs in scores.items()
    )


WRITERS = {"trec": trec, "mteb": mteb, "st": sentence_transformers, "json": json.dumps}


@pytest.fixture
def bench(tiny_collection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compose_run([])
    return lambda **systems: bench_of(tiny_collection, tmp_path, **systems)


def theirs(path="their.run", **more):
    return {"kind": "trec_run", "path": str(path), **more}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("writer", WRITERS)
def test_every_format_is_told_by_its_content(bench, tmp_path, writer, compressed):
    text = WRITERS[writer](SCORES).encode()
    (tmp_path / "their.run").write_bytes(gzip.compress(text) if compressed else text)
    reply, rankings = measured(bench(x=theirs()), "x", tmp_path)
    assert {q: r.doc_ids for q, r in rankings.items()} == RANKED
    assert reply.latency_ms is reply.index is reply.peak_rss_bytes is reply.build_seconds is None
    assert any("1 of 3 queries are not in the run" in note for note in reply.notes)
    assert any("1 of 3 queries found nothing" in note for note in reply.notes)


def test_what_is_not_of_the_collection_is_left_out_and_told(bench, tmp_path, tiny_collection):
    scores = {**SCORES, "q3": {"no": 9.0, "d4": 1.0, "d5": 0.5}, "q9": {"d1": 1.0}}
    (tmp_path / "their.run").write_text(trec(scores), encoding="utf-8")
    reply, rankings = measured(bench(x=theirs()), "x", tmp_path, depth=1)
    assert rankings["q3"].doc_ids == ("d4",) and rankings["q1"].doc_ids == ("d1",)
    told = "\n".join(reply.notes)
    assert "queries of the run that the collection lacks, left out: 1" in told
    assert "documents that the collection lacks, such as 'no', left out: 1" in told


def test_a_document_with_the_id_of_the_query_goes_by_the_rule(bench, tmp_path, tiny_collection):
    (tmp_path / "their.run").write_text(trec(SCORES), encoding="utf-8")
    given = bench(x=theirs())
    queries = [q._replace(id="d1" if q.id == "q1" else q.id) for q in tiny_collection.queries]
    object.__setattr__(given.collection, "queries", queries)
    scores = {"d1": SCORES["q1"], "q2": SCORES["q2"]}
    (tmp_path / "their.run").write_text(trec(scores), encoding="utf-8")
    _, rankings = measured(given, "x", tmp_path)
    assert rankings["d1"].doc_ids == ("d2",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (trec({"q9": {"d1": 1}}), "has no query of the collection: its own are like 'q9'"),
        (trec({"q1": {"x": 1}}), "names no document of the collection: its own are like 'x'"),
        ("", "has no result"),
        ("{}", "has no result"),
        ("q1 Q0 d1 1 nan t\n", "is not a number"),
        (json.dumps({"q1": {"d1": float("nan")}}), "the score 'NaN' of document 'd1'"),
        ('{"q1": {"d1": 1' + "0" * 400 + "}}", "is not a number"),
        (json.dumps({"q1": {"d1": "1"}}), "is not a number"),
        (json.dumps({"q1": ["d1"]}), "has no mapping of document ids to scores"),
        ('{"q1": {"d1": 1, "d1": 2}}', "'d1' stands twice"),
        ('{"q1": ' + "[" * 100_000, "not JSON"),
        ('{"query_id": "q1", "results": [{"corpus_id": "d1"}]}', ":1: a result without"),
        (sentence_transformers(SCORES) * 2, ":3: the query 'q1' stands there twice"),
        ('{"query_id": null, "results": []}', "the id 'null' is no text"),
        (mteb(["q1"]), "the split 'test' is no mapping"),
    ],
)
def test_a_file_that_is_no_run_of_the_collection_is_one_line(bench, tmp_path, text, told):
    (tmp_path / "their.run").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        measured(bench(x=theirs()), "x", tmp_path)
    assert told in str(error.value) and "their.run" in str(error.value)


def test_a_subset_and_a_split_of_mteb_are_chosen(tmp_path):
    file = tmp_path / "NFCorpus_predictions.json"
    both = {"de": {"dev": SCORES, "test": {}}, "en": {"test": {"q1": {"d9": 1}}}}
    file.write_text(json.dumps({"mteb_model_meta": {}, **both}), encoding="utf-8")
    assert read_run(file, subset="de", split="dev").query_ids == ["q1", "q2"]
    assert read_run(file, subset="en").query_ids == ["q1"]
    for choice, told in [
        ({}, r"has 2 subsets: choose one with subset=… \('de', 'en'\)"),
        ({"subset": "eng"}, "has no subset 'eng': did you mean 'en'"),
        ({"subset": "de"}, "has 2 splits"),
        ({"subset": "de", "split": "tset"}, "did you mean 'test'"),
    ]:
        with pytest.raises(ConfigError, match=told):
            read_run(file, **choice)


def test_files_that_are_none_or_without_an_end_are_refused(tmp_path, monkeypatch):
    (tmp_path / "their.run").write_text(trec(SCORES), encoding="utf-8")
    with pytest.raises(StorageError, match=r"did you mean 'their\.run'"):
        read_run(tmp_path / "thier.run")
    (tmp_path / "bad.gz").write_bytes(gzip.compress(trec(SCORES).encode())[:-12])
    with pytest.raises(StorageError, match="cannot read run"):
        read_run(tmp_path / "bad.gz")
    monkeypatch.setattr(formats, "_MOST_BYTES", 1000)
    for text in (b"q1 Q0 d1 1 1 t\n" * 100, b"{" + b" " * 2000):
        (tmp_path / "bomb.gz").write_bytes(gzip.compress(text))
        with pytest.raises(DataError, match=r"listed twice|larger than any run"):
            read_run(tmp_path / "bomb.gz")


def test_it_is_looked_for_beside_its_configuration(bench, tmp_path):
    (tmp_path / "conf" / "system").mkdir(parents=True)
    (tmp_path / "conf" / "their.run").write_text(trec(SCORES), encoding="utf-8")
    (tmp_path / "conf" / "system" / "x.yaml").write_text("kind: trec_run\npath: their.run\n")
    settings = compose_run(["systems=x"], [tmp_path / "conf"])
    before = settings.system["x"].outside()
    (tmp_path / "conf" / "their.run").write_text(trec({"q1": {"d1": 1}}), encoding="utf-8")
    assert before != settings.system["x"].outside()


def test_its_settings_are_not_swept(bench):
    settings = compose_run(["systems=bm25", "system.x.kind=trec_run", "system.x.path=r"])
    with pytest.raises(ConfigError, match="name it in systems"):
        sweep_variants(SweepSettings(system="x", axes={"path": ["a", "b"]}), settings.system)


def test_it_is_the_first_stage_of_a_reranker(tmp_path, tiny_collection):
    (tmp_path / "their.run").write_text(trec(SCORES), encoding="utf-8")
    stage = {"kind": "rerank_maxsim", "first_stage": "x", "depth": 2, "encoder": ENCODER}
    given = bench_of(tiny_collection, tmp_path, x=theirs(tmp_path / "their.run"), re=stage)
    own = {name: getattr(given, name) for name in ("collection", "folder", "cache", "systems")}
    system = make_system("re", WordBench(**own, memory_bytes=1 << 30))
    system.prepare()
    system.build()
    texts = [query.text for query in tiny_collection.queries]
    hits = system.search(system.encode(texts), 10)
    assert [sorted(one.docs.tolist()) for one in hits] == [[0, 1], [2, 4], []]
    assert system.size() is None and system.peak_memory() is None
    assert "what its searches cost is not known" in system.notes(texts)[0]


def test_it_stands_beside_others_and_is_fused(fork_server, tiny_collection, tmp_path):
    (tmp_path / "their.run").write_text(trec({**SCORES, "q9": {"d1": 1}}), encoding="utf-8")
    words = [
        *("system.x.kind=trec_run", f"system.x.path={tmp_path / 'their.run'}"),
        *("system.both.kind=rrf", "system.both.systems=[bm25,x]", "systems=[bm25,x,both]"),
    ]
    done, rows = run(fork_server, tiny_collection, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert rows["x"]["latency_ms"] is None and rows["x"]["significance"]
    assert rows["both"]["latency_ms"] and rows["both"]["index"] is None
    assert rows["x"]["effectiveness"]["ndcg@10"] > 0.5
