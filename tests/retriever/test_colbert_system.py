"""The systems over a ColBERT index: what they find, share, report and are taken apart into."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from fake_encoder import FakeEncoder

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError
from colbench.retriever.base import Workbench
from colbench.retriever.index_documents import documents_for_index, skipped_tokens
from colbench.retriever.registry import make_system, system_settings

ENCODER = {"name": "words", "model": "words"}
INDEX = {"nbits": 8, "centroids": 16, "seed": 0}
EXHAUSTIVE = {"exhaustive": True, "arithmetic": "fp32"}
DIMS = 32
WORDS = [f"word{number}" for number in range(60)] + ["the", ",", "of"]


class WordEncoder(FakeEncoder):
    """Every word is a fixed random unit vector."""

    dims = DIMS
    form = Form.TOKENS
    fingerprint = document_fingerprint = "words"
    settings = EncoderSettings(**ENCODER)

    def __init__(self):
        vectors = np.random.default_rng(0).standard_normal((len(WORDS), DIMS))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors = dict(zip(WORDS, vectors.astype(np.float32), strict=True))

    def encode_documents(self, texts):
        empty = np.empty((0, DIMS), dtype=np.float32)
        return [np.array([self.vectors[w] for w in t.split()] or empty) for t in texts]

    encode_queries = encode_documents

    def document_tokens(self, texts):
        for text in texts:
            yield np.array(text.split(), dtype=str)


class WordBench(Workbench):
    def encoder(self, settings, form):
        return WordEncoder()


def texts(count=80, seed=1):
    rng = np.random.default_rng(seed)
    made = [" ".join(rng.choice(WORDS, size=rng.integers(3, 20))) for _ in range(count - 1)]
    return [*made, ""]


@pytest.fixture
def bench(tmp_path):
    documents = [Document(f"d{n:03d}", "", text) for n, text in enumerate(texts())]
    queries = [Query("q1", "word1 word2 word3"), Query("q2", "word7 the")]
    systems = {
        "exact": {"kind": "colbert_exact", "encoder": ENCODER},
        "pruned": {
            "kind": "colbert",
            "encoder": ENCODER,
            "index": INDEX,
            "search": {"nprobe": 2, "centroid_score_threshold": 0.3, "ndocs": 16},
        },
        "all": {"kind": "colbert", "encoder": ENCODER, "index": INDEX, "search": EXHAUSTIVE},
        "whole": {
            "kind": "colbert",
            "encoder": ENCODER,
            "index": {**INDEX, "nbits": 16},
            "search": EXHAUSTIVE,
        },
    }
    return WordBench(
        collection=Collection("words", documents, queries, {"q1": {"d001": 1}, "q2": {"d002": 1}}),
        folder=tmp_path / "indexes",
        cache=EmbeddingCache(tmp_path / "cache"),
        systems={name: system_settings(name, values) for name, values in systems.items()},
        memory_bytes=1 << 30,
    )


def built(bench, name):
    system = make_system(name, bench)
    system.prepare()
    system.build()
    return system


def searched(bench, name, k=20):
    system = built(bench, name)
    return system.search(system.encode([q.text for q in bench.collection.queries]), k)


def test_whole_vectors_searched_exhaustively_are_exact_search(bench):
    for exact, found in zip(searched(bench, "exact"), searched(bench, "whole"), strict=True):
        assert found.docs.tolist() == exact.docs.tolist()
        np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)


def test_systems_that_build_alike_share_one_index_and_report_what_it_took(bench):
    first, second = built(bench, "pruned"), built(bench, "all")
    other = built(bench, "whole")
    assert first.metadata()["index_shared"] is False and not other.metadata()["index_shared"]
    assert second.counted_build_seconds > 0
    assert second.metadata()["index_shared"] and not first.metadata()["index_shared"]
    assert first.size() == second.size() != other.size()


@pytest.mark.parametrize("victim", ["index/segment-000001/codes.npy", "note", "merged"])
def test_a_shared_index_that_was_damaged_is_built_again(bench, victim):
    settings = bench.systems["all"].model_copy(
        update={"index": bench.systems["all"].index.model_copy(update={"pooling": 2})}
    )
    bench.systems["pooled"] = settings
    before = searched(bench, "pooled")
    (folder,) = (path for path in bench.shared.glob("colbert-*") if path.is_dir())
    (merged,) = (path for path in bench.shared.glob("pooled-*") if path.is_dir())
    places = {"note": folder.with_name(f"{folder.name}.json"), "merged": merged / "vectors.npy"}
    file = places.get(victim) or folder / victim.removeprefix("index/")
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    if victim == "merged":
        shutil.rmtree(folder)
    system = built(bench, "pooled")
    assert not system.metadata()["index_shared"] and system.counted_build_seconds > 0
    found = system.search(system.encode([q.text for q in bench.collection.queries]), 20)
    for one, other in zip(before, found, strict=True):
        assert one.docs.tolist() == other.docs.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    assert built(bench, "pooled").metadata()["index_shared"]


def test_the_stages_lead_from_exact_search_to_what_the_search_returns(bench):
    system = built(bench, "pruned")
    queries = system.encode([query.text for query in bench.collection.queries])
    stages = system.stages(queries, 10)
    assert list(stages) == ["exact", "compressed", "candidates", "pruned", "final"]
    final = system.search(queries, 10)
    for number in range(len(queries)):
        assert stages["final"][number].docs.tolist() == final[number].docs.tolist()
        exact = searched(bench, "exact", 10)[number]
        assert stages["exact"][number].docs.tolist() == exact.docs.tolist()
        reached = {stage: set(stages[stage][number].docs.tolist()) for stage in stages}
        assert len(reached["final"]) <= 4  # a quarter of ndocs
        assert len(reached["pruned"]) <= 16


def test_an_exhaustive_search_has_no_candidates_to_lose(bench):
    system = built(bench, "all")
    queries = system.encode([query.text for query in bench.collection.queries])
    assert list(system.stages(queries, 10)) == ["exact", "compressed"]


def test_the_exact_search_of_the_stages_leaves_no_files(bench):
    system = built(bench, "all")
    system.stages(system.encode(["word1"]), 5)
    assert not (system.folder / "exact").exists()


def test_index_bytes_are_told_by_file(bench):
    size = built(bench, "all").size()
    assert size.vectors == sum(len(text.split()) for text in texts())
    assert size.dims == DIMS
    assert {name.rpartition("/")[2] for name in size.files} >= {
        "index.json",
        "centroids.npy",
        "codes.npy",
        "residuals.npy",
        "list_docs.npy",
    }
    assert 0 < size.vector_bytes < size.bytes


@pytest.mark.parametrize(("skip", "left"), [("none", 63), ("punctuation", 62), ("stopwords", 60)])
def test_skipped_tokens_are_left_out_of_the_documents(bench, skip, left):
    encoder = WordEncoder()
    text = [" ".join(WORDS), "", "the of ,"]
    bench.collection = Collection(
        "x", [Document(str(n), "", t) for n, t in enumerate(text)], [Query("q", "the")], {}
    )
    embeddings = bench.embed(EncoderSettings(**ENCODER), Form.TOKENS)
    documents = documents_for_index(embeddings, ["a", "b", "c"], text, encoder, skip)
    kept_of_last = 3 - len({"the", "of", ","} & skipped_tokens(skip))
    assert documents.lengths.tolist() == [left, 0, kept_of_last]
    vectors = np.concatenate([rows for _, _, rows in documents.read(1_000)])
    assert len(vectors) == left + kept_of_last
    kept = [word for word in WORDS if word not in skipped_tokens(skip)]
    want = np.array([encoder.vectors[word] for word in kept])
    np.testing.assert_allclose(vectors[:left], want, atol=1e-3)


def test_an_unknown_key_of_the_search_is_refused_with_the_near_one():
    values = {"kind": "colbert", "encoder": ENCODER, "index": INDEX, "search": {"nprob": 3}}
    with pytest.raises(ConfigError, match="nprobe"):
        system_settings("colbert", values)


def test_merged_tokens_are_made_once_and_counted_for_every_index_made_of_them(bench):
    for name, nbits in (("two", 2), ("four", 4)):
        bench.systems[name] = system_settings(
            name,
            {
                "kind": "colbert",
                "encoder": ENCODER,
                "index": {**INDEX, "nbits": nbits, "pooling": 2},
                "search": EXHAUSTIVE,
            },
        )
    first = built(bench, "two")
    (kept,) = [p for p in bench.shared.glob("pooled-*") if p.is_dir()]
    stamp = kept.stat().st_mtime_ns
    second = built(bench, "four")
    assert kept.stat().st_mtime_ns == stamp
    assert first.metadata()["tokens"] == second.metadata()["tokens"] < 80 * 12
    merging = json.loads(kept.with_name(f"{kept.name}.json").read_text())["build_seconds"]
    for system in (first, second):
        (note,) = [
            json.loads(p.read_text())["build_seconds"]
            for p in bench.shared.glob("colbert-*.json")
            if system._index.folder.name == p.stem
        ]
        assert note > merging > 0


def test_indexes_kept_for_other_runs_are_found_again_and_told_apart_by_collection(bench, tmp_path):
    bench.shared_folder = tmp_path / "kept"
    assert built(bench, "pruned").metadata()["index_shared"] is False
    again = dataclasses.replace(bench, folder=tmp_path / "another_run")
    assert built(again, "pruned").counted_build_seconds > 0
    fewer = dataclasses.replace(bench.collection, documents=bench.collection.documents[:50])
    other = dataclasses.replace(bench, collection=fewer)
    assert built(other, "pruned").metadata()["index_shared"] is False


def test_one_index_is_searched_in_several_ways(bench):
    system = built(bench, "pruned")
    queries = system.encode([query.text for query in bench.collection.queries])
    few = [len(hits) for hits in system.search(queries, 20)]
    system.use(bench.systems["all"])
    whole = system.search(queries, 20)
    assert [len(hits) for hits in whole] > few
    for one, other in zip(whole, searched(bench, "all"), strict=True):
        assert one.docs.tolist() == other.docs.tolist()


# Another device


def on_torch(bench):
    """The bench as it is where a GPU is found; torch's CPU stands in for the GPU."""
    moved = dataclasses.replace(bench, encodings=[], _encoders={})
    moved.search_device = "cpu:0"
    return moved


@pytest.mark.parametrize("name", ["exact", "all", "pruned"])
def test_a_system_finds_the_same_on_another_device(bench, name):
    for one, other in zip(searched(on_torch(bench), name), searched(bench, name), strict=True):
        assert one.docs.tolist() == other.docs.tolist()
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)


def test_indexes_and_exact_hits_of_several_devices_are_not_mixed(bench):
    here, there = built(bench, "pruned"), built(on_torch(bench), "pruned")
    assert not here.metadata()["index_shared"] and not there.metadata()["index_shared"]
    assert built(on_torch(bench), "all").metadata()["index_shared"]
    queries = here.encode(["word1 word2"])
    for system in (here, there):
        system.stages(queries, 5)
    assert len(list(bench.shared.glob("exact-*.hits"))) == 2


def test_the_facts_name_a_device_that_is_not_the_cpu(bench):
    elsewhere = on_torch(bench)
    assert built(elsewhere, "exact").metadata() == {"device": "cpu:0"}
    assert built(elsewhere, "all").metadata()["build_device"] == "cpu:0"
    assert built(bench, "exact").metadata() == {}
    assert "build_device" not in built(bench, "all").metadata()
