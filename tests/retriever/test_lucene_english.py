"""The terms of Lucene's EnglishAnalyzer, with Lucene beside them where it is installed."""

import random
from collections import Counter

import pytest
from lucene import lucene_terms, needs_lucene

from colbench.collection.load import load_collection
from colbench.collection.settings import IrdsSettings
from colbench.retriever.analysis import Analyser, AnalyserSettings
from colbench.retriever.lucene_english import LuceneEnglish

TERMS = {
    "The quick foxes are jumping": "quick fox jump",
    "Anna's, Chris' and the dogs’ bowls": "anna chri dog bowl",
    "costs 3.50 or 1,000; version 2.0.1, i.e. v2": "cost 3.50 1,000 version 2.0.1 i. v2",
    "e-mail me@host.org or see host.org/a_b": "e mail me host.org see host.org a_b",
    "possibly, terminology; it is as us": "possibl terminolog us",
    "generously general generations": "gener gener gener",
    "São Paulo naïve ﬁnd Ⅳ": "são paulo naïv ﬁnd ⅳ",
    "ΟΔΟΣ İzmir": "οδοσ izmir",
    "東京 カタカナ ひら 한국어": "東 京 カタカナ ひ ら 한국어",
    "50 ° © 2020 👍🏽": "50 © 2020 👍🏽",
    "": "",
    "'s ' ... --": "s",
    "x" * 300: f"{'x' * 255} {'x' * 45}",
}


@pytest.mark.parametrize("text", TERMS)
def test_terms_are_those_of_lucene(text):
    assert LuceneEnglish()(text) == TERMS[text].split()


def test_it_is_a_setting_of_the_analyser_beside_which_no_other_counts():
    text = "The U.S. generals' 0.05"
    for others in ({}, {"stemmer": "german"}, {"pattern": "a", "stop_words": "none"}):
        analyse = Analyser(AnalyserSettings(lucene_english=True, **others))
        assert analyse(text) == LuceneEnglish()(text) == ["u.", "gener", "0.05"]


@needs_lucene
def test_lucene_says_the_same():
    assert lucene_terms("en.EnglishAnalyzer", [*TERMS]) == [t.split() for t in TERMS.values()]


@needs_lucene
def test_any_sequence_of_letters_digits_and_signs_has_lucenes_terms():
    characters = [*"aAeEiylosSztgb0189.,:;'’_-/@ \n", "é", "e\u0301", "Σ", "ß", "ж", "ب", "\u00ad"]
    characters += ["字", "ひ", "カ", "ー", "가", "ไ", "त", "त\u094d", "ing", "ably", "ology", "'s"]
    draw = random.Random(0)
    texts = ["".join(draw.choices(characters, k=draw.randint(1, 20))) for _ in range(3000)]
    analyse = LuceneEnglish()
    differing = [
        (text, analyse(text), terms)
        for text, terms in zip(texts, lucene_terms("en.EnglishAnalyzer", texts), strict=True)
        if analyse(text) != terms
    ]
    assert differing == []


DIFFERENT = {
    "beir/scifact/test": (841_112, 46_852),
    "cranfield": (157_619, 6_247),
    "vaswani": (307_203, 11_605),
}
"""Lucene's terms, and how many have no counterpart among the default's: docs/systems.md."""


@needs_lucene
@pytest.mark.parametrize("name", DIFFERENT)
def test_english_collections_have_lucenes_terms(irds_home, name):
    collection = load_collection(IrdsSettings(id=name))
    texts = [*collection.texts, *(query.text for query in collection.queries)]
    lucene = lucene_terms("en.EnglishAnalyzer", texts)
    analyse, default = LuceneEnglish(), Analyser(AnalyserSettings())
    assert [analyse(text) for text in texts] == lucene
    lost = sum(
        (Counter(terms) - Counter(default(text))).total()
        for text, terms in zip(texts, lucene, strict=True)
    )
    assert (sum(map(len, lucene)), lost) == DIFFERENT[name]
