"""Several indexes as one: by score where one model made them, else by reciprocal rank."""

from __future__ import annotations

import dataclasses

import pytest
from words import WordEncoder

from colbench.application import Colbert
from colbench.errors import ConfigError, DataError, StorageError

CITIES = {"paris": "capital city of france", "rome": "capital city of italy"}
FOOD = {"bread": "bread of flour and water", "pasta": "flour water and eggs of italy"}


def made(words, name, texts, **options):
    return words(list(texts.values()), ids=list(texts), name=name, **options)


@pytest.fixture
def cities(words):
    rows = [{"year": 1, "kind": "city"}, {"year": 2, "kind": "city"}]
    return made(words, "cities", CITIES, metadata=rows)


@pytest.fixture
def food(words):
    return made(words, "food", FOOD, metadata=[{"year": 2, "vegan": True}, {"year": 3}])


def test_indexes_of_one_model_are_ranked_by_score_as_one_index_is(words, cities, food):
    both = Colbert.open_all([cities, food])
    assert both.comparable and len(both) == 4
    exact = {"exhaustive": True, "arithmetic": "fp32"}
    for query in ("capital of italy", "flour", "city water"):
        found = both.search(query, k=4, **exact)
        alone = [
            dataclasses.replace(one, index=index.folder.name)
            for index in (cities, food)
            for one in index.search(query, k=4, **exact)
        ]
        alone.sort(key=lambda one: (one.score, one.id, one.index), reverse=True)
        assert found == [dataclasses.replace(one, rank=n) for n, one in enumerate(alone, start=1)]
    whole = made(words, "whole", {**CITIES, **FOOD}, nbits=16)
    apart = [made(words, f"{n}", texts, nbits=16) for n, texts in enumerate((CITIES, FOOD))]
    found = Colbert.open_all(apart).search("capital of italy", k=4, **exact)
    assert [one.id for one in found] == [
        one.id for one in whole.search("capital of italy", k=4, **exact)
    ]
    assert [one.index for one in found if one.id in CITIES] == ["0", "0"]


def test_folders_are_opened_and_one_model_serves_them_all(model, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, text in zip(folders, ["A cat sleeps.", "A dog barks."], strict=True):
        model.index([text], folder, verbose=False)
    both = Colbert.open_all([folders[0], str(folders[1])])
    found = both.search(["an animal that barks", "an animal that sleeps"], k=2)
    assert [one[0].index for one in found] == ["two", "one"]
    assert [[result.rank for result in one] for one in found] == [[1, 2], [1, 2]]
    first, second = both.indexes.values()
    assert first.model.encoder is second.model.encoder


def test_a_filter_may_name_a_field_that_only_some_have(cities, food):
    both = Colbert.open_all([cities, food])
    assert {one.id for one in both.search("x", filter={"year": 2})} == {"rome", "bread"}
    assert {one.id for one in both.search("x", filter={"vegan": True})} == {"bread"}
    assert {one.id for one in both.search("x", filter={"kind": None})} == {"bread", "pasta"}
    with pytest.raises(ConfigError, match="unknown field 'knid': did you mean 'kind'"):
        both.search("x", filter={"knid": "city"})


def test_a_field_of_two_types_is_told_once_a_filter_names_it(words, cities):
    other = made(words, "other", {"x": "capital"}, metadata=[{"year": "two", "kind": "city"}])
    both = Colbert.open_all([cities, other])
    with pytest.raises(DataError, match="'year' holds a string in other, a number"):
        both.search("capital", filter={"year": 2})
    assert len(both.search("capital", filter={"kind": "city"})) == 3


def test_indexes_of_different_models_are_fused_by_rank(words, cities):
    others = WordEncoder("others", dims=8, limit=5)
    food = made(words, "food", FOOD, encoder=others)
    both = Colbert.open_all([cities, food])
    assert not both.comparable
    found = both.search("italy", k=4)
    firsts = {index.search("italy", k=1)[0].id for index in (cities, food)}
    assert {one.id for one in found[:2]} == firsts
    assert [one.score for one in found] == [pytest.approx(1 / (60 + rank)) for rank in (1, 1, 2, 2)]
    assert [one.rank for one in found] == [1, 2, 3, 4]
    assert len(both.search("italy", k=3)) == 3


def test_hybrid_search_of_several_fuses_all_rankings(cities, food):
    both = Colbert.open_all([cities, food])
    found = both.search("italy", k=4, hybrid=True)
    assert {one.id for one in found[:2]} == {"rome", "pasta"}
    assert {one.index for one in found} == {"cities", "food"}


def test_the_same_id_in_two_indexes_is_two_documents(words):
    one, two = (made(words, name, {"same": f"text {name}"}) for name in ("one", "two"))
    found = Colbert.open_all([one, two]).search("text", k=5)
    assert {(result.id, result.index) for result in found} == {("same", "one"), ("same", "two")}


def test_folders_of_one_name_go_by_their_paths(words, encoder, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        Colbert.from_pretrained(encoder).index(["x"], tmp_path / place / "index", verbose=False)
    both = Colbert.open_all(
        [Colbert.open(tmp_path / place / "index", encoder=encoder) for place in ("a", "b")]
    )
    assert {one.index for one in both.search("x")} == {
        str(tmp_path / place / "index") for place in ("a", "b")
    }


def test_mistakes_are_told_in_one_line(cities, tmp_path):
    with pytest.raises(ConfigError, match="name one folder at least"):
        Colbert.open_all([])
    with pytest.raises(ConfigError, match="twice"):
        Colbert.open_all([cities, cities])
    with pytest.raises(StorageError, match="nothing"):
        Colbert.open_all([cities, tmp_path / "nothing"])
