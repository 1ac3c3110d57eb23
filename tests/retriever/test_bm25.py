import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from colbench.collection.model import Collection, Document, Query
from colbench.encoder.cache.store import EmbeddingCache
from colbench.errors import ConfigError
from colbench.retriever.base import Workbench
from colbench.retriever.registry import make_system, system_settings
from colbench.retriever.systems.bm25_okapi import invert

WORDS = ["pink", "blue", "green", "red", "grey"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=8), min_size=1, max_size=12)
PLAIN = {"stemmer": None, "stop_words": "none"}


def build(folder, texts, queries=("pink",), kind="bm25", **values):
    collection = Collection(
        name="colours",
        documents=[Document(f"{i:03}", "", text) for i, text in enumerate(texts)],
        queries=[Query(str(i), text) for i, text in enumerate(queries)],
        qrels={"0": {"000": 1}},
    )
    bench = Workbench(
        collection=collection,
        folder=folder / "indexes",
        cache=EmbeddingCache(folder / "cache"),
        systems={"bm25": system_settings("bm25", {"kind": kind, **values})},
        memory_bytes=1 << 30,
    )
    system = make_system("bm25", bench)
    system.prepare()
    system.build()
    return system


def found(system, query, k=100):
    (hits,) = system.search(system.encode([query]), k)
    return dict(zip(hits.docs.tolist(), hits.scores.tolist(), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bm25")


def test_more_of_a_query_word_is_never_worse_though_all_documents_hold_it(folder):
    system = build(folder, ["pink blue red", "pink pink pink"])
    (hits,) = system.search(system.encode(["pink"]), 10)
    assert hits.docs.tolist() == [1, 0]
    assert (hits.scores > 0).all()


@given(texts=TEXTS, fill=st.sampled_from(WORDS[1:]), k1=st.floats(0, 5), b=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_another_occurrence_of_the_query_word_never_lowers_a_score(folder, texts, fill, k1, b):
    # Of equal length, each with one more "pink" than the one before.
    ladder = [["pink"] * n + [fill] * (6 - n) for n in range(7)]
    docs = [" ".join(words) for words in [*ladder, *texts]]
    system = build(folder, docs, k1=k1, b=b, analyser=PLAIN)
    scores = found(system, "pink")
    assert 0 not in scores  # the step without the word
    steps = [scores[n] for n in range(1, 7)]
    assert steps == sorted(steps) and steps[0] > 0
    assert set(scores) == {i for i, doc in enumerate(docs) if "pink" in doc}
    twice = found(system, "pink pink")
    np.testing.assert_allclose([twice[n] for n in scores], 2 * np.array(list(scores.values())))


@given(texts=TEXTS.filter(any), query=st.lists(st.sampled_from([*WORDS, "none"]), max_size=6))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("parameters", [{"k1": 0.9, "b": 0.4}, {"k1": 1.7, "b": 0.999}])
def test_okapi_scores_are_rank_bm25s_to_the_last_bit(texts, query, parameters):
    vocabulary = {}
    docs = [[vocabulary.setdefault(word, len(vocabulary)) for word in text] for text in texts]
    scores, shared = invert(docs, vocabulary, **parameters).scores(query)
    theirs = BM25Okapi(texts, **parameters).get_scores(query)
    assert scores.tobytes() == (theirs + 0.0).tobytes()
    assert shared.tolist() == [bool(set(text) & set(query)) for text in texts]


def test_okapi_ranks_as_rank_bm25_where_that_inverts(folder):
    texts = ["pink pink pink", "pink blue"]
    system = build(folder, texts, kind="bm25_okapi", analyser=PLAIN)
    model = BM25Okapi([text.split() for text in texts], k1=0.9, b=0.4)
    expected = model.get_scores(["pink"]).astype(np.float32)
    assert list(found(system, "pink").items()) == [(1, expected[1]), (0, expected[0])]


@pytest.mark.parametrize("kind", ["bm25", "bm25_okapi"])
def test_equal_scores_are_ordered_by_id_and_cut_there(folder, kind):
    system = build(folder, ["pink blue"] * 5 + ["red"] * 9, kind=kind)
    assert list(found(system, "pink", k=3)) == [4, 3, 2]


@pytest.mark.parametrize("kind", ["bm25", "bm25_okapi"])
def test_an_index_has_the_same_bytes_when_it_is_built_again(tmp_path, kind):
    texts = [f"pink {word} number {i}" for i, word in enumerate(WORDS)]
    folders = [tmp_path / "one", tmp_path / "two"]
    for place in folders:
        build(place, texts, kind=kind)
    one, two = (
        {f.name: f.read_bytes() for f in (place / "indexes" / "bm25").iterdir()}
        for place in folders
    )
    assert one == two and one


def test_queries_without_terms_and_a_stemmer_of_another_script_are_noted(folder):
    queries = ["वह नदी", "the of", "?", "नदी"]
    system = build(folder, ["नदी के किनारे एक पुराना गाँव था"], queries)
    assert system.notes(queries) == [
        "bm25: 1 of 4 queries have no terms left after analysis (stop words)",
        "bm25: 1 of 4 queries have no letters or digits",
        "bm25: 80% of the letters are Devanagari, and english is written in Latin: "
        "choose analyser.stemmer=hindi or nepali",
    ]


def test_a_single_character_is_noted_and_found_where_characters_are_indexed(folder):
    queries, texts = ["책", "책 읽기"], ["책을 읽는다", "물을 마신다"]
    system = build(folder, texts, queries)
    assert found(system, "책") == {}
    (note,) = system.notes(queries)
    assert note.startswith("bm25: 1 of 2 queries are single characters")
    system = build(folder, texts, queries, analyser={"unspaced": "characters_too"})
    assert list(found(system, "책")) == [0]
    assert system.notes(queries) == []


def test_nothing_is_noted_where_nothing_was_lost(folder):
    assert build(folder, ["a pink house"]).notes(["pink house"]) == []
    assert build(folder, ["도서관은 학교 옆에 있다"]).notes(["학교"]) == []
    french = {"analyser": {"stemmer": "french"}}
    assert build(folder, ["l’école à la mer"], **french).notes(["école"]) == []


@pytest.mark.parametrize(
    ("text", "analyser", "note"),
    [
        ("the old river", {"stemmer": "hindi"}, "Latin, and hindi is written in Devanagari"),
        ("নদীর ধারে গ্রাম", {}, "analyser.language=bengali with analyser.stemmer=null"),
        ("старая река", {"stemmer": "german"}, "choose analyser.stemmer=russian or serbian"),
        ("the old river", {"stemmer": "greek"}, "choose an analyser.stemmer of Latin script"),
        ("the old river", {"pattern": "[a-z]{4,}"}, "pattern leaves out 66.7% of the words"),
    ],
)
def test_what_does_not_suit_a_text_is_noted_with_what_does(folder, text, analyser, note):
    (*_, last) = build(folder, [text], analyser=analyser).notes(["river"] * 0)
    assert note in last


def test_words_that_a_pattern_leaves_out_of_queries_are_counted(folder):
    system = build(folder, ["pink house"], analyser={"pattern": "[a-z]+"})
    notes = system.notes(["pink 42", "Дом", "pink"])
    assert "bm25: in 2 of 3 queries the analyser's pattern left out whole words" in notes
    assert (
        "bm25: 1 of 3 queries have no terms left after analysis (stop words, the pattern)" in notes
    )


@pytest.mark.parametrize("key", ["engine", "rank_bm25_limit"])
def test_settings_of_the_engine_say_what_took_their_place(key):
    with pytest.raises(ConfigError, match=f"unknown key 'system.x.{key}': leave it out.*okapi"):
        system_settings("x", {"kind": "bm25", key: "auto"})
