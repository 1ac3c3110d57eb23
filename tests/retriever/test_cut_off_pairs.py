"""A cross-encoder that reads only the beginning of a pair: the results say of how many."""

import numpy as np
import pytest

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache.store import EmbeddingCache
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system, system_settings

TEXTS = {"a": "river", "b": "river bank of the town", "c": "river " * 30, "d": "bread"}
QUERIES = ["river", "what is a river bank", "xylophone"]


class Model:
    """Reads 7 words of a pair."""

    pair_limit = 7

    def count_tokens(self, texts):
        return np.array([len(text.split()) for text in texts], dtype=np.int64)

    def score(self, pairs):
        return np.ones(len(pairs), dtype=np.float32)


@pytest.fixture
def system(tmp_path, monkeypatch):
    where = "colbench.retriever.systems.rerank_cross_encoder.load_cross_encoder"
    monkeypatch.setattr(where, lambda settings: Model())
    systems = {
        "bm25": {"kind": "bm25"},
        "cross": {
            "kind": "rerank_cross_encoder",
            "first_stage": "bm25",
            "depth": 3,
            "cross_encoder": {"name": "x", "model": "nobody/nothing"},
        },
    }
    bench = Workbench(
        collection=Collection(
            "cut", [Document(n, "", t) for n, t in TEXTS.items()], [Query("q", "x")], {"q": {}}
        ),
        folder=tmp_path / "indexes",
        cache=EmbeddingCache(tmp_path / "cache"),
        systems={name: system_settings(name, values) for name, values in systems.items()},
        memory_bytes=1 << 30,
    )
    system = make_system("cross", bench)
    system.prepare()
    system.build()
    return system


def test_pairs_are_counted_once_however_often_they_are_searched(system):
    for queries in (QUERIES[:2], QUERIES, QUERIES[:1]):
        system.search(system.encode(queries), 3)
    facts = system.metadata()
    # With one word asked only c is too long; with five b is too, and a is not.
    assert (facts["pairs"], facts["pairs_truncated"]) == (6, 3)
    assert (facts["pair_tokens"], facts["pair_tokens_truncated"]) == (
        2 + 6 + 3 * 7 + 6,
        24 + 28 + 3,
    )
    (told,) = system.notes(QUERIES)
    assert "x: 3 of 6 pairs" in told and "cross_encoder.max_length" in told
    system.search(system.encode(QUERIES), 3)
    assert system.metadata() == facts


def test_the_texts_that_are_read_at_each_search_count_as_index(system):
    sizes = system.size().files
    assert sizes["rerank/texts"] == sum(len(text.strip().encode()) for text in TEXTS.values())
    assert any(file.startswith("bm25/") for file in sizes)


def test_no_pairs_are_none_cut_off(system):
    system.search(system.encode(["xylophone"]), 3)
    facts = system.metadata()
    assert facts["pairs"] == 0 and "pairs_truncated" not in facts
    assert facts["bm25"]["engine"]


def test_other_settings_count_from_the_start(system):
    system.search(system.encode(QUERIES), 3)
    system.use(system.settings.model_copy(update={"depth": 1}))
    system.search(system.encode(QUERIES), 3)
    assert system.metadata()["pairs"] == 2
