"""Long texts: passages with overlap that lie where they say, and a document scores as its best."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.application import Colbert, Passage
from colbench.errors import ConfigError

LONG = " ".join(
    [
        *("The town hall was built of red brick and stands by the market." for _ in range(20)),
        "Penguins are birds that swim in the cold sea and cannot fly.",
        *("Every Thursday farmers sell apples and potatoes there." for _ in range(20)),
    ]
)
LIMIT, OVERLAP = 48, 12


@pytest.fixture(scope="module")
def short_sighted():
    """The embedded model, which reads 48 tokens at a time here."""
    return Colbert.from_pretrained(
        "embedded:all-MiniLM-L6-v2", document_length=LIMIT, chunk_overlap=OVERLAP
    )


@pytest.fixture(scope="module")
def long(short_sighted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "index"
    texts = [LONG, "A short text about penguins.", ""]
    return short_sighted.index(texts, folder, ids=["long", "short", "empty"], verbose=False)


def check_passages(document):
    """Assert that passages are numbered slices which cover the text and each go further."""
    text, passages = document.text, document.passages
    assert [one.number for one in passages] == list(range(1, len(passages) + 1))
    assert {one.count for one in passages} == {len(passages)}
    assert all(one.text == text[one.start : one.end] for one in passages)
    assert not text[: passages[0].start].strip() and not text[passages[-1].end :].strip()
    for before, after in pairwise(passages):
        assert before.start < after.start and before.end < after.end
        assert not text[before.end : after.start].strip()  # nothing is left out between them


def test_a_long_text_is_split_into_slices_that_overlap(long, short_sighted):
    document, short, empty = long.get(["long", "short", "empty"])
    for one in (document, short, empty):
        check_passages(one)
    assert len(document.passages) > 10
    assert short.passages == (Passage(1, 1, 0, len(short.text), short.text),)
    assert empty.passages == (Passage(1, 1, 0, 0, ""),)
    encoder = short_sighted.model.encoder
    counts = encoder.count_tokens([one.text for one in document.passages])
    assert counts.max() <= LIMIT and np.median(counts) > LIMIT - 8  # and they are full
    shared = [document.text[b.start : a.end] for a, b in pairwise(document.passages)]
    tokens = encoder.count_tokens(shared) - encoder.count_tokens([""])
    assert tokens.min() >= OVERLAP // 2 and tokens.max() <= OVERLAP + 2


def test_a_document_scores_as_its_best_passage_and_says_which(long):
    query = "birds that swim and cannot fly"
    found = {one.id: one for one in long.search(query, k=3, exhaustive=True, arithmetic="fp32")}
    (document,) = long.get("long")
    assert "Penguins" in found["long"].passage.text
    assert found["long"].text == LONG
    assert document.passages[found["long"].passage.number - 1] == found["long"].passage
    (vectors,) = long.encode([query], queries=True)
    for doc, result in found.items():
        stored = long.vectors(doc)
        scores = [float((vectors @ one.T).max(axis=1).sum()) for one in stored if len(one)]
        assert result.score == pytest.approx(max(scores), abs=2e-3)
        assert stored[result.passage.number - 1].shape[0] > 0
    assert [one.rank for one in found.values()] == [1, 2, 3]


def test_a_document_is_found_once_however_many_of_its_passages_match(long):
    found = long.search("farmers sell apples at the market", k=3)
    assert len(found) == len({one.id for one in found}) == 3 and found[0].id == "long"


def test_stored_vectors_are_those_of_the_passages(long, short_sighted):
    (document,) = long.get("long")
    originals = short_sighted.encode([one.text for one in document.passages])
    stored = long.vectors("long")
    assert [one.shape for one in stored] == [one.shape for one in originals]
    near = np.concatenate([(a * b).sum(axis=1) for a, b in zip(stored, originals, strict=True)])
    assert near.mean() > 0.95


def test_without_splitting_the_rest_is_cut_off(short_sighted, tmp_path):
    texts = [LONG, "A short text."]
    index = short_sighted.index(texts, tmp_path / "whole", split=False, verbose=False)
    (document,) = index.get("0")
    assert document.passages == (Passage(1, 1, 0, len(LONG), LONG),)
    assert [len(one) for one in index.vectors("0")] == [LIMIT]
    assert index.search("town hall", k=1)[0].passage.text == LONG


def test_an_alignment_names_the_tokens_of_the_passage(long):
    (found,) = long.search("birds that swim", k=1, align=True)
    alignment = found.alignment
    assert alignment is not None
    matched = {alignment.document_tokens[place] for place in alignment.winners}
    assert {"birds", "swim"} <= matched
    assert alignment.score == pytest.approx(found.score, abs=0.05)
    assert len(alignment.document_tokens) == len(long.vectors(found.id)[found.passage.number - 1])
    assert long.search("birds that swim", k=1)[0].alignment is None


def test_texts_in_memory_are_ranked_by_their_best_passages(short_sighted):
    texts = ["Nothing of that sort.", LONG, "Penguins swim."]
    found = short_sighted.rerank("birds that swim and cannot fly", texts)
    assert sorted(one.id for one in found) == ["0", "1", "2"]
    assert [one.rank for one in found] == [1, 2, 3]
    assert found == sorted(found, key=lambda one: -one.score)
    long = next(one for one in found if one.id == "1")
    assert "Penguins" in long.passage.text and long.passage.count > 10
    assert long.text[long.passage.start : long.passage.end] == long.passage.text
    assert short_sighted.rerank("x", texts, k=2) == short_sighted.rerank("x", texts)[:2]
    assert short_sighted.rerank("x", []) == []


def test_an_overlap_that_leaves_no_room_is_refused(tmp_path):
    model = Colbert.from_pretrained(
        "embedded:all-MiniLM-L6-v2", document_length=16, chunk_overlap=12
    )
    with pytest.raises(ConfigError, match="chunk_overlap=12 must be less than half"):
        model.index([LONG], tmp_path / "index", verbose=False)


@given(st.lists(st.text(st.sampled_from("ab \n\tä🙂"), max_size=60), min_size=1, max_size=5))
def test_passages_of_any_text_are_its_slices(tmp_path_factory, encoder, texts):
    folder = tmp_path_factory.mktemp("any") / "index"
    index = Colbert.from_pretrained(encoder).index(texts, folder, verbose=False)
    for document, text in zip(index.documents(), texts, strict=True):
        assert document.text == text
        check_passages(document)
        wanted = [text[start:end] for start, end in encoder.spans([text])[0]]
        assert [one.text for one in document.passages] == wanted
        assert len(index.vectors(document.id)) == len(wanted)
