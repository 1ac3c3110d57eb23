"""Every kind of system on six documents, against what its definition says."""

import dataclasses
import hashlib
import sys
from collections import Counter

import bm25s
import numpy as np
import pytest
from fake_encoder import FakeEncoder

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import EncoderSettings, Form
from colbench.errors import ConfigError, StorageError, WeightsUnavailable
from colbench.hits import Hits, tie_ranks
from colbench.index import threads
from colbench.measures.load import answers_alone, measure_load
from colbench.retriever.base import Workbench
from colbench.retriever.registry import kinds, make_system, system_class, system_settings
from colbench.retriever.rerank import standard_scores
from colbench.retriever.systems.rrf import fuse_hits

ENCODER = {"name": "words", "model": "words"}
TEXTS = {
    "paris": "Paris is the capital of France",
    "berlin": "Berlin is the capital of Germany",
    "cheese": "French cheese comes from France",
    "empty": "",
    "wall": "The wall of Berlin fell in Germany",
    "zebra": "zebra",
}
QUERY = "What is the capital of France?"


class WordEncoder(FakeEncoder):
    """Every word is a fixed random unit vector; a dense text is their normalised mean."""

    dims = 24

    def __init__(self, form):
        self.form = form
        self.settings = EncoderSettings(**ENCODER)
        self.fingerprint = self.document_fingerprint = f"words-{form.value}"

    def word(self, word):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        vector = np.random.default_rng(seed).standard_normal(self.dims)
        return vector / np.linalg.norm(vector)

    def encode(self, texts):
        matrices = []
        for text in texts:
            words = ["[CLS]", *text.lower().replace("?", " ?").split()]
            rows = np.array([self.word(word) for word in words], dtype=np.float32)
            if self.form is Form.DENSE:
                mean = rows.mean(axis=0, keepdims=True)
                rows = mean / np.linalg.norm(mean)
            matrices.append(rows)
        return matrices

    encode_documents = encode_queries = encode


class WordBench(Workbench):
    def encoder(self, settings, form):
        return WordEncoder(form)


@pytest.fixture
def bench(tmp_path):
    def make(texts=TEXTS, **systems):
        collection = Collection(
            name="words",
            documents=[Document(name, "", text) for name, text in texts.items()],
            queries=[Query("q", QUERY)],
            qrels={"q": {next(iter(texts)): 1}},
        )
        return WordBench(
            collection=collection,
            folder=tmp_path / "indexes",
            cache=EmbeddingCache(tmp_path / "cache"),
            systems={name: system_settings(name, values) for name, values in systems.items()},
            memory_bytes=1 << 30,
        )

    return make


BM25 = {"kind": "bm25"}
ENGINES = {"bm25": {"engine": "bm25s"}, "bm25_okapi": {"engine": "rank_bm25"}}
BI = {"kind": "bi_encoder", "encoder": ENCODER}
EXACT = {"kind": "colbert_exact", "encoder": ENCODER}


def search(bench, name, k=10, query=QUERY):
    system = make_system(name, bench)
    system.prepare()
    system.build()
    (hits,) = system.search(system.encode([query]), k)
    names = bench.collection.doc_ids
    return system, [names[doc] for doc in hits.docs], hits.scores


def maxsim(query, text):
    encoder = WordEncoder(Form.TOKENS)
    left, right = encoder.encode([query, text])
    return (left @ right.astype(np.float16).astype(np.float32).T).max(axis=1).sum()


@pytest.mark.parametrize("kind", ["bm25_okapi", "bm25"])
def test_bm25_returns_only_documents_that_share_a_term(bench, kind):
    system, docs, scores = search(bench(bm25={"kind": kind}), "bm25")
    assert docs[0] == "paris"
    assert set(docs) == {"paris", "berlin", "cheese"}
    assert (scores > 0).all()
    assert system.metadata() == ENGINES[kind]
    assert system.size().bytes > 0


def test_okapi_scores_follow_the_formula(bench):
    values = {"kind": "bm25_okapi", "k1": 1.2, "b": 0.75}
    system, docs, scores = search(bench(bm25=values), "bm25", query="capital germany")
    terms = [system.encode([text])[0] for text in TEXTS.values()]
    mean = np.mean([len(t) for t in terms])
    expected = {}
    for name, doc in zip(TEXTS, terms, strict=True):
        total = 0.0
        for term in system.encode(["capital germany"])[0]:
            tf, df = Counter(doc)[term], sum(term in other for other in terms)
            idf = np.log(len(terms) - df + 0.5) - np.log(df + 0.5)
            total += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(doc) / mean))
        expected[name] = total
    np.testing.assert_allclose(scores, [expected[doc] for doc in docs], rtol=1e-6)
    assert docs == sorted(docs, key=lambda name: (expected[name], name), reverse=True)


@pytest.mark.parametrize("kind", ["bm25_okapi", "bm25"])
def test_bm25_finds_nothing_for_a_query_of_stop_words_or_unknown_words(bench, kind):
    for query in ("the of", "xylophone", "?"):
        _, docs, _ = search(bench(bm25={"kind": kind}), "bm25", query=query)
        assert docs == []


FEW = {
    "paris": "Paris is the capital of France.",
    "berlin": "Berlin is the capital of Germany.",
    "empty": "",
    "blank": "",
}


@pytest.mark.parametrize("kind", ["bm25_okapi", "bm25"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("capital", {"paris", "berlin"}),
        ("capital capital xylophone", {"paris", "berlin"}),
        ("France", {"paris"}),
        ("Germany capital", {"paris", "berlin"}),
    ],
)
def test_bm25_returns_every_document_that_shares_a_term(bench, kind, query, expected):
    place = bench(FEW, bm25={"kind": kind})
    _, docs, _ = search(place, "bm25", query=query)
    assert sorted(docs) == sorted(expected)


def test_okapi_returns_documents_whose_score_is_negative(bench):
    texts = dict.fromkeys("abc", "river bank")
    _, docs, scores = search(bench(texts, bm25={"kind": "bm25_okapi"}), "bm25", query="bank")
    assert (scores < 0).all()
    assert docs == ["c", "b", "a"]


@pytest.mark.parametrize("kind", ["bm25_okapi", "bm25"])
@pytest.mark.parametrize("limits", [{"k1": 0}, {"k1": 2, "b": 1}, {"k1": 0, "b": 1}])
def test_bm25_at_the_limits_of_its_parameters_gives_finite_scores(bench, kind, limits):
    place = bench(bm25={"kind": kind, **limits})
    _, docs, scores = search(place, "bm25", query="zebra cheese")
    assert sorted(docs) == ["cheese", "zebra"]
    assert np.isfinite(scores).all() and (scores > 0).all()


@pytest.mark.parametrize("kind", ["bm25_okapi", "bm25"])
def test_bm25_finds_nothing_where_no_document_has_a_term(bench, kind):
    place = bench({"a": "", "b": "the of"}, bm25={"kind": kind})
    system, docs, _ = search(place, "bm25")
    assert docs == []
    assert system.metadata() == ENGINES[kind]
    assert system.size().files == {}


def test_bm25s_on_a_full_disk_ends_in_one_line(bench, monkeypatch):
    def full(self, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bm25s.BM25, "save", full)
    with pytest.raises(StorageError, match=r"cannot write .*bm25: No space left on device; free"):
        search(bench(bm25=BM25), "bm25")


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_bi_encoder_ranks_by_inner_product(bench, index):
    system, docs, scores = search(bench(bi={**BI, "index": index}), "bi")
    encoder = WordEncoder(Form.DENSE)
    query = encoder.encode([QUERY])[0][0]
    expected = {n: float(encoder.encode([t])[0][0] @ query) for n, t in TEXTS.items()}
    assert docs == sorted(expected, key=lambda name: (expected[name], name), reverse=True)
    np.testing.assert_allclose(scores, [expected[doc] for doc in docs], rtol=1e-5)
    assert (system.size().vectors, system.size().dims) == (6, 24)


def test_colbert_exact_is_maxsim_with_every_document(bench):
    system, docs, scores = search(bench(exact=EXACT), "exact")
    expected = {name: maxsim(QUERY, text) for name, text in TEXTS.items()}
    assert docs[0] == "paris" and len(docs) == len(TEXTS)
    np.testing.assert_allclose(scores, [expected[doc] for doc in docs], rtol=1e-5)
    assert system.size().files == {"offsets.npy": 128 + 7 * 8, "vectors.f16": 31 * 24 * 2}


def test_many_queries_at_once_give_what_each_gives_alone(bench):
    system = make_system("exact", bench(exact=EXACT))
    system.prepare()
    system.build()
    texts = [QUERY, "zebra", "Berlin wall"]
    together = system.search(system.encode(texts), 4)
    alone = [system.search(system.encode([text]), 4)[0] for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert one.docs.tolist() == other.docs.tolist()
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-5)


def test_reranking_orders_the_first_stages_documents_by_maxsim(bench):
    rerank = {"kind": "rerank_maxsim", "first_stage": "bm25", "depth": 2, "encoder": ENCODER}
    system, docs, scores = search(bench(bm25=BM25, rerank=rerank), "rerank")
    _, first, _ = search(bench(bm25=BM25), "bm25", k=2)
    assert sorted(docs) == sorted(first)
    np.testing.assert_allclose(scores, [maxsim(QUERY, TEXTS[doc]) for doc in docs], rtol=1e-5)
    assert "rerank/vectors.f16" in system.size().files
    assert any(file.startswith("bm25/") for file in system.size().files)


def test_a_reranker_may_keep_a_share_of_the_first_stages_score(bench):
    rerank = {"kind": "rerank_maxsim", "first_stage": "bm25", "depth": 3, "encoder": ENCODER}
    systems = bench(bm25=BM25, rerank=rerank, mixed={**rerank, "first_stage_weight": 0.25})
    _, first, bm25 = search(systems, "bm25", k=3)
    _, alone, maxsims = search(systems, "rerank", k=3)
    mixed_system, mixed, scores = search(systems, "mixed", k=3)
    parts = {}
    for names, values in ((first, bm25), (alone, maxsims)):
        spread = np.asarray(values, np.float64)
        for name, value in zip(names, (spread - spread.mean()) / spread.std(), strict=True):
            parts.setdefault(name, []).append(value)
    expected = {name: 0.25 * one + 0.75 * two for name, (one, two) in parts.items()}
    assert len(mixed) == 3
    assert mixed == sorted(mixed, key=expected.__getitem__, reverse=True)
    np.testing.assert_allclose(scores, [expected[name] for name in mixed], rtol=1e-5)
    # A search argument: the index that was built serves any share.
    assert mixed_system.settings.build_key() == systems.systems["rerank"].build_key()
    mixed_system.use(mixed_system.settings.model_copy(update={"first_stage_weight": 0.0}))
    (hits,) = mixed_system.search(mixed_system.encode([QUERY]), 3)
    np.testing.assert_allclose(hits.scores, maxsims, rtol=1e-5)


def test_equal_scores_have_no_say_in_a_mean():
    assert standard_scores(np.full(4, 7.0, np.float32)).tolist() == [0, 0, 0, 0]
    assert standard_scores(np.array([7.0], np.float32)).tolist() == [0]


def test_a_document_without_tokens_stays_the_last_of_a_mean():
    found = standard_scores(np.array([1, 3, -np.inf], np.float32))
    assert found.tolist() == [-1, 1, -np.inf]
    assert standard_scores(np.array([2, -np.inf], np.float32)).tolist() == [0, -np.inf]
    assert standard_scores(np.array([-np.inf], np.float32)).tolist() == [-np.inf]


def test_reranking_nothing_returns_nothing(bench):
    rerank = {"kind": "rerank_maxsim", "first_stage": "bm25", "encoder": ENCODER}
    _, docs, _ = search(bench(bm25=BM25, rerank=rerank), "rerank", query="xylophone")
    assert docs == []


def test_fusion_adds_reciprocal_ranks(bench):
    fused = {"kind": "rrf", "systems": ["bm25", "exact"], "rrf_k": 60}
    systems = {"bm25": BM25, "exact": EXACT, "fused": fused}
    _, docs, scores = search(bench(**systems), "fused")
    rankings = [search(bench(**systems), name)[1] for name in ("bm25", "exact")]
    expected = {
        name: sum(1 / (61 + r.index(name)) for r in rankings if name in r) for name in TEXTS
    }
    np.testing.assert_allclose(scores, [expected[doc] for doc in docs], rtol=1e-6)
    assert docs == sorted(docs, key=lambda name: (np.float32(expected[name]), name), reverse=True)


NOTHING = Hits(np.empty(0, np.int64), np.empty(0, np.float32))


def test_fusion_of_one_ranking_with_an_empty_one_keeps_its_reciprocal_ranks():
    one = Hits(np.array([3, 0, 2]), np.array([9, 5, 5], np.float32))
    ranks = tie_ranks(["a", "b", "c", "d"])
    for rankings in ([one, NOTHING], [NOTHING, one]):
        fused = fuse_hits(rankings, 60, 2, ranks)
        assert fused.docs.tolist() == [3, 0]
        np.testing.assert_allclose(fused.scores, [1 / 61, 1 / 62], rtol=1e-6)
    twice = fuse_hits([one, one], 60, 3, ranks)
    assert twice.docs.tolist() == [3, 0, 2]


def test_fusion_of_empty_rankings_is_empty():
    assert len(fuse_hits([NOTHING, NOTHING], 60, 10, tie_ranks(["a"]))) == 0


def test_fusion_goes_on_where_only_one_system_finds_something(bench):
    fused = {"kind": "rrf", "systems": ["bm25", "exact"]}
    systems = {"bm25": BM25, "exact": EXACT, "fused": fused}
    _, docs, _ = search(bench(**systems), "fused", query="xylophone")
    _, exact, _ = search(bench(**systems), "exact", query="xylophone")
    assert docs == exact


def test_a_missing_cross_encoder_is_reported_before_the_first_stage_is_built(bench, monkeypatch):
    def unavailable(settings):
        raise WeightsUnavailable("no weights")

    monkeypatch.setattr(
        "colbench.retriever.systems.rerank_cross_encoder.load_cross_encoder", unavailable
    )
    cross = {
        "kind": "rerank_cross_encoder",
        "first_stage": "bm25",
        "cross_encoder": {"name": "x", "model": "nobody/nothing"},
    }
    place = bench(bm25=BM25, cross=cross)
    with pytest.raises(WeightsUnavailable, match="no weights"):
        make_system("cross", place).prepare()
    assert not list(place.folder.rglob("*.npy"))


def test_a_cross_encoder_scores_pairs_of_texts(bench, monkeypatch):
    class Lengths:
        def score(self, pairs):
            assert all(query == QUERY for query, _ in pairs)
            return np.array([len(text) for _, text in pairs], dtype=np.float32)

    monkeypatch.setattr(
        "colbench.retriever.systems.rerank_cross_encoder.load_cross_encoder", lambda s: Lengths()
    )
    cross = {
        "kind": "rerank_cross_encoder",
        "first_stage": "bm25",
        "cross_encoder": {"name": "x", "model": "nobody/nothing"},
    }
    _, docs, _ = search(bench(bm25=BM25, cross=cross), "cross")
    assert docs == ["berlin", "cheese", "paris"]


WORD = ("moon", "sea", "tide", "bread", "flour", "capital", "France", "Berlin", "wall", "cheese")
LOAD = {
    "bm25": BM25,
    "bm25_okapi": {"kind": "bm25_okapi"},
    "flat": BI,
    "hnsw": BI | {"index": "hnsw"},
    "exact": EXACT,
    "colbert": {"kind": "colbert", "encoder": ENCODER, "index": {"centroids": 8}, "search": {}},
    "reranked": {
        "kind": "rerank_maxsim",
        "encoder": ENCODER,
        "first_stage": "bm25",
        "depth": 20,
    },
    "fused": {"kind": "rrf", "systems": ["bm25", "colbert"], "depth": 20},
}


KERNELS = {"exact", "colbert", "reranked", "fused"}


@pytest.mark.parametrize("name", LOAD)
def test_clients_that_search_at_once_find_what_each_finds_alone(bench, name):
    texts = {f"d{n}": " ".join(WORD[n * k % 10] for k in range(1, n % 7 + 2)) for n in range(60)}
    queries = [" ".join(WORD[n * k % 10] for k in range(2, 5)) for n in range(1, 12)]
    system, _, _ = search(bench(texts, **LOAD), name)
    overlap = threads.kernels_may_overlap()
    assert system.concurrent is (overlap or name not in KERNELS)

    def answer(query):
        (hits,) = system.search(system.encode([query]), 10)
        return hits.docs.tobytes() + hits.scores.tobytes()

    alone = answers_alone(answer, queries, seconds=60)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns in the middle of everything
    try:
        level = measure_load(
            *(answer, queries),
            clients=4,
            seconds=0.2,
            alone=alone,
            one_at_a_time=not system.concurrent,
        )
    finally:
        sys.setswitchinterval(before)
    assert level.error is None and level.checked == level.queries >= 4
    assert level.differing == 0


def test_a_system_is_as_concurrent_as_its_parts(bench, monkeypatch):
    monkeypatch.setattr(system_class("bm25"), "concurrent", False)
    monkeypatch.setattr("numba.np.ufunc.parallel.threading_layer", lambda: "omp")
    for name in ("reranked", "fused"):
        assert not make_system(name, bench(**LOAD)).concurrent


@pytest.mark.parametrize("name", LOAD)
@pytest.mark.parametrize("layer", ["omp", "workqueue", None])
def test_loops_that_may_not_overlap_are_entered_by_one_client_at_a_time(
    bench, name, layer, monkeypatch
):
    def chosen():
        if layer is None:
            raise ValueError("Threading layer is not initialized.")
        return layer

    monkeypatch.setattr("numba.np.ufunc.parallel.threading_layer", chosen)
    system = make_system(name, bench(**LOAD))
    system.prepare()
    assert system.concurrent is (layer == "omp" or name not in KERNELS)


def test_a_graph_of_chunks_is_searched_by_one_client_at_a_time(bench):
    system, _, _ = search(bench(**LOAD), "hnsw")
    chunks = np.arange(len(TEXTS), dtype=np.int64)
    system._chunks = dataclasses.replace(system._chunks, owners=chunks)
    assert not system.concurrent


def test_every_kind_has_settings_and_a_first_line_of_documentation():
    assert "colbert_exact" in kinds()
    for kind in kinds():
        found = system_class(kind)
        assert found.Settings.model_fields["kind"].is_required()
        assert (found.__doc__ or "").strip()


def test_a_system_of_ones_own_is_found_by_its_dotted_name(bench, tmp_path, monkeypatch):
    (tmp_path / "my_system.py").write_text(
        "from colbench.retriever.systems.bm25 import BM25\n"
        "class Mine(BM25):\n"
        "    def metadata(self):\n"
        "        return {'mine': True}\n"
        "SYSTEM = Mine\n",
        encoding="utf-8",
    )
    (tmp_path / "lib").mkdir()
    (tmp_path / "my_system.py").rename(tmp_path / "lib" / "my_system.py")
    (tmp_path / "lib" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    system, _, _ = search(bench(mine={"kind": "lib.my_system"}), "mine")
    assert system.metadata() == {"mine": True}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "bm52"}, "unknown system kind 'bm52': did you mean 'bm25'"),
        ({}, "system.x has no kind"),
        ({"kind": "bm25", "k2": 1}, r"unknown key 'system.x.k2'"),
        ({"kind": "bm25", "b": 2}, "'system.x.b' is 2"),
        ({"kind": "bi_encoder"}, "'system.x.encoder' is required"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        system_settings("x", values)
