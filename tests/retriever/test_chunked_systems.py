"""Documents that are split: what every system finds is brute force over their chunks."""

import dataclasses
import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.base import Arithmetic
from colbench.encoder.cache.store import EmbeddingCache
from colbench.encoder.settings import EncoderSettings, Form
from colbench.hits import tie_ranks, top_k
from colbench.retriever.base import Workbench
from colbench.retriever.chunks import Chunks, best_chunks
from colbench.retriever.registry import make_system, system_settings

DIMS = 16
WORDS = [f"word{number}" for number in range(40)] + [","]
WHOLE = {"name": "words", "model": "words"}
SPLIT = {**WHOLE, "long_documents": "chunk", "chunk_overlap": 2}
INDEX = {"nbits": 8, "centroids": 16, "seed": 0}
ALL = {"exhaustive": True, "arithmetic": "fp32"}
QUERIES = ["word1 word2 word3", "word7 word1", "word39 word0 word5 word9", "word11 word12"]


def vector(word):
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
    made = np.random.default_rng(seed).standard_normal(DIMS)
    return (made / np.linalg.norm(made)).astype(np.float32)


class WordEncoder:
    """Every word is a fixed unit vector, a dense text their mean; 6 words are read of a text."""

    dims = DIMS
    batch_tokens = 64
    document_limit = 6
    query_limit = 1 << 30
    untrained = False
    arithmetic = Arithmetic("torch", "fp32", "cpu")
    cosine = None

    def __init__(self, settings, form):
        self.settings = settings
        self.form = form
        self.fingerprint = self.document_fingerprint = f"words-{form.value}"

    def count_tokens(self, texts):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    count_query_tokens = count_tokens

    def forward_flops(self, lengths):
        return lengths.astype(float)

    def split(self, texts):
        stage = self.document_limit - self.settings.chunk_overlap
        return [self.pieces(text.split(), stage) for text in texts]

    def pieces(self, words, stage):
        starts = range(0, max(len(words) - self.document_limit, 0) + stage, stage)
        chunks = [" ".join(words[n : n + self.document_limit]) for n in starts]
        return chunks or [""]

    def encode(self, texts):
        empty = np.empty((0, DIMS), dtype=np.float32)
        matrices = []
        for text in texts:
            rows = np.array([vector(w) for w in text.split()[: self.document_limit]] or empty)
            if self.form is Form.DENSE:
                rows = np.mean(rows if len(rows) else vector("")[None], axis=0, keepdims=True)
            matrices.append(rows)
        return matrices

    def encode_batches(self, batches):
        return (self.encode(batch) for batch in batches)

    encode_documents = encode_queries = encode

    def document_tokens(self, texts):
        for text in texts:
            yield np.array(text.split()[: self.document_limit], dtype=str)


class WordBench(Workbench):
    def encoder(self, settings, form):
        return WordEncoder(settings, form)


def colbert(search, index=INDEX):
    return {"kind": "colbert", "encoder": SPLIT, "index": index, "search": search}


PRUNED = {"nprobe": 1, "centroid_score_threshold": 0.3}
SYSTEMS = {
    "bi": {"kind": "bi_encoder", "encoder": SPLIT},
    "hnsw": {"kind": "bi_encoder", "encoder": SPLIT, "index": "hnsw", "ef_search": 4},
    "exact": {"kind": "colbert_exact", "encoder": SPLIT},
    "all": colbert(ALL, {**INDEX, "nbits": 16}),
    "coded": colbert(ALL),
    "merged": colbert(ALL, {**INDEX, "pooling": 2, "skip_tokens": "punctuation"}),
    "wide": colbert({"nprobe": 16, "centroid_score_threshold": None, "ndocs": None}),
    "pruned": colbert({**PRUNED, "ndocs": 128}),
    "bm25": {"kind": "bm25"},
    "rerank": {"kind": "rerank_maxsim", "first_stage": "bm25", "depth": 9, "encoder": SPLIT},
}


def made_texts(longest, count=90):
    rng = np.random.default_rng(1)
    made = [" ".join(rng.choice(WORDS, size=rng.integers(1, longest + 1))) for _ in range(count)]
    made[3] = made[11] = made[40]  # scores that tie, and
    return [*made, ""]  # a document without tokens


@pytest.fixture
def make_bench(tmp_path):
    def make(texts, systems=SYSTEMS, where="chunked"):
        documents = [Document(f"d{n * 7 % 100}", "", text) for n, text in enumerate(texts)]
        queries = [Query(f"q{n}", text) for n, text in enumerate(QUERIES)]
        return WordBench(
            collection=Collection("words", documents, queries, {"q0": {"d7": 1}}),
            folder=tmp_path / where,
            cache=EmbeddingCache(tmp_path / "cache"),
            systems={name: system_settings(name, values) for name, values in systems.items()},
            memory_bytes=1 << 30,
        )

    return make


@pytest.fixture
def bench(make_bench):
    return make_bench(made_texts(30))


def built(bench, name):
    system = make_system(name, bench)
    system.prepare()
    system.build()
    return system


def searched(bench, name, k):
    system = built(bench, name)
    return system.search(system.encode(QUERIES), k)


def brute_force(bench, form, query, k):
    """Score every chunk of every document by itself; best chunk, then best documents."""
    encoder = WordEncoder(EncoderSettings(**SPLIT), form)
    (left,) = encoder.encode([query])
    best = []
    for chunks in encoder.split(bench.collection.texts):
        matrices = [m.astype(np.float16).astype(np.float32) for m in encoder.encode(chunks)]
        if form is Form.DENSE:
            matrices = encoder.encode(chunks)
        best.append(max(((left @ m.T).max(axis=1).sum() if len(m) else -np.inf) for m in matrices))
    scores = np.array(best)
    docs = np.flatnonzero(scores > -np.inf)
    return top_k(docs, scores[docs].round(5), k, bench.ranks)


def agree(found, expected):
    """The same scores, and the same documents wherever scores are apart."""
    np.testing.assert_allclose(found.scores, expected.scores, atol=2e-5)
    apart = np.diff(expected.scores, prepend=np.inf, append=-np.inf)
    clear = (np.abs(apart[:-1]) > 1e-4) & (np.abs(apart[1:]) > 1e-4)
    clear[-1] = False  # what follows it is not known
    assert found.docs[clear].tolist() == expected.docs[clear].tolist()


@pytest.mark.parametrize("k", [1, 7, 40, 200])
@pytest.mark.parametrize("name", ["exact", "all", "bi"])
def test_an_exhaustive_search_is_brute_force_over_chunks(bench, name, k):
    form = Form.DENSE if name == "bi" else Form.TOKENS
    for query, found in zip(QUERIES, searched(bench, name, k), strict=True):
        agree(found, brute_force(bench, form, query, k))


@pytest.mark.parametrize("name", ["exact", "all", "bi", "wide"])
def test_equal_documents_tie_and_are_ordered_by_id(bench, name):
    twins = [bench.collection.doc_ids[n] for n in (3, 11, 40)]
    for found in searched(bench, name, 91):
        ids = [bench.collection.doc_ids[doc] for doc in found.docs]
        assert [doc for doc in ids if doc in twins] == sorted(twins, reverse=True)


@pytest.mark.parametrize("name", ["hnsw", "wide"])
@pytest.mark.parametrize("k", [5, 40, 91])
def test_an_index_is_asked_for_chunks_until_there_are_enough_documents(bench, name, k):
    found = searched(bench, name, k)
    reachable = 91 if name == "hnsw" else 90  # a dense text without tokens has a vector
    assert [len(hits) for hits in found] == [min(k, reachable)] * len(QUERIES)
    assert all(len(set(hits.docs.tolist())) == len(hits) for hits in found)


def test_everything_is_found_where_as_many_documents_are_wanted_as_there_are(bench):
    for query, found in zip(QUERIES, searched(bench, "hnsw", 91), strict=True):
        agree(found, brute_force(bench, Form.DENSE, query, 91))


@pytest.mark.parametrize("name", [*SYSTEMS])
def test_what_is_found_depends_on_no_other_query(bench, name):
    system = built(bench, name)
    together = system.search(system.encode(QUERIES), 15)
    for query, found in zip(QUERIES, together, strict=True):
        (alone,) = system.search(system.encode([query]), 15)
        assert alone.docs.tolist() == found.docs.tolist()
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-6)


@pytest.mark.parametrize("name", ["pruned", "coded", "exact"])
def test_a_search_for_fewer_documents_finds_the_first_ones_of_one_for_more(bench, name):
    system = built(bench, name)
    queries = system.encode(QUERIES)
    for few, many in zip(system.search(queries, 4), system.search(queries, 30), strict=True):
        assert few.docs.tolist() == many.docs[:4].tolist()


def test_a_reranked_document_scores_as_its_best_chunk(bench):
    candidates = searched(bench, "bm25", 9)
    for query, first, found in zip(QUERIES, candidates, searched(bench, "rerank", 9), strict=True):
        everything = brute_force(bench, Form.TOKENS, query, 91)
        kept = np.isin(everything.docs, first.docs)
        agree(
            found,
            dataclasses.replace(
                everything, docs=everything.docs[kept], scores=everything.scores[kept]
            ),
        )


@pytest.mark.parametrize("name", ["pruned", "wide", "coded"])
def test_stages_are_of_documents(bench, name):
    system = built(bench, name)
    queries = system.encode(QUERIES)
    stages = system.stages(queries, 91)
    for query, hits in zip(QUERIES, stages["exact"], strict=True):
        agree(hits, brute_force(bench, Form.TOKENS, query, 91))
    final = stages.get("final", stages["compressed"])
    for one, other in zip(final, system.search(queries, 91), strict=True):
        assert one.docs.tolist() == other.docs.tolist()
    for answers in zip(*stages.values(), strict=True):
        sets = [set(hits.docs.tolist()) for hits in answers]
        assert all(len(found) == len(hits) for found, hits in zip(sets, answers, strict=True))
        assert all(later <= earlier for earlier, later in pairwise(sets))
        assert max(sets[0]) < 91
    if name == "wide":
        assert {len(hits) for hits in final} == {90}


def test_tokens_are_skipped_and_merged_within_chunks(bench):
    merged, plain = built(bench, "merged"), built(bench, "coded")
    assert merged.metadata()["tokens"] < plain.metadata()["tokens"] * 0.7
    assert all(len(hits) == 20 for hits in merged.search(merged.encode(QUERIES), 20))


def test_indexes_and_exact_hits_are_not_those_of_whole_or_other_chunks(bench):
    values = SYSTEMS["coded"]
    for encoder in (SPLIT, {**SPLIT, "chunk_overlap": 1}, WHOLE):
        bench.systems["one"] = system_settings("one", {**values, "encoder": encoder})
        system = built(bench, "one")
        system.stages(system.encode(QUERIES), 5)
        assert not system.metadata()["index_shared"]
    assert len(list(bench.shared.glob("exact-*.hits"))) == 3
    assert built(bench, "coded").metadata()["index_shared"]


@pytest.mark.parametrize("name", [*SYSTEMS])
def test_documents_of_one_chunk_are_found_as_whole_ones(make_bench, name):
    short = made_texts(6)
    whole = {name: {**s, "encoder": WHOLE} if "encoder" in s else s for name, s in SYSTEMS.items()}
    one, other = make_bench(short), make_bench(short, whole, "whole")
    for found, expected in zip(searched(one, name, 20), searched(other, name, 20), strict=True):
        assert found.docs.tolist() == expected.docs.tolist()
        assert found.scores.tolist() == expected.scores.tolist()


def test_stored_vectors_are_those_of_chunks_and_are_counted(bench):
    encoder = WordEncoder(EncoderSettings(**SPLIT), Form.TOKENS)
    chunks = [chunk for split in encoder.split(bench.collection.texts) for chunk in split]
    assert built(bench, "exact").size().vectors == encoder.count_tokens(chunks).sum()
    assert built(bench, "bi").size().vectors == len(chunks)
    assert [stats.chunks for stats in bench.encodings] == [len(chunks)] * 2
    bench.systems["exact"] = system_settings("exact", {**SYSTEMS["exact"], "encoder": WHOLE})
    built(bench, "exact")
    assert bench.encodings[-1].chunks is None


def test_chunk_ids_are_unique_however_documents_are_called():
    names = ["a", "a#1", "a#1#1", "#", "1"]
    collection = Collection(
        "ids", [Document(name, "", "word1 " * 15) for name in names], [Query("q", "x")], {"q": {}}
    )
    settings = EncoderSettings(**SPLIT)
    chunks = Chunks.of(collection, WordEncoder(settings, Form.TOKENS), settings)
    assert len(set(chunks.ids)) == len(chunks) == len(chunks.texts) > 2 * len(names)


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    k=st.integers(1, 15),
    seed=st.integers(0, 99),
)
def test_best_chunks_are_the_largest_score_of_each_document(counts, k, seed):
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(len(counts)), counts)
    ranks = tie_ranks([f"{n * 7 % 12}" for n in range(len(counts))])
    scores = rng.integers(0, 4, size=len(owners)).astype(np.float32)
    found = rng.permutation(len(owners))[: rng.integers(1, len(owners) + 1)]
    best = {}
    for chunk in found.tolist():
        doc = int(owners[chunk])
        best[doc] = max(best.get(doc, -np.inf), float(scores[chunk]))
    order = sorted(best, key=lambda doc: (-best[doc], ranks[doc]))[:k]
    hits = best_chunks(found, scores[found], k, owners, ranks)
    assert hits.docs.tolist() == order
    assert hits.scores.tolist() == [best[doc] for doc in order]


@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_the_chunks_of_documents_come_in_the_order_given(counts, seed):
    owners = np.repeat(np.arange(len(counts)), counts)
    chunks = Chunks([""] * len(owners), [""] * len(owners), owners)
    docs = np.random.default_rng(seed).permutation(len(counts))
    found, starts = chunks.of_documents(docs)
    assert found.tolist() == [n for doc in docs for n in np.flatnonzero(owners == doc)]
    assert owners[found[starts]].tolist() == docs.tolist()


@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_score_may_be_nan():
    with pytest.raises(ValueError, match="NaN"):
        best_chunks(np.array([0, 1]), np.array([1, np.nan]), 1, np.array([0, 0]), np.array([0]))
