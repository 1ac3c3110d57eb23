"""`colbench.ColbertIndex`: built of whatever holds token vectors, searched, changed."""

import numpy as np
import pytest

import colbench

WORDS = {word: row for row, word in enumerate(["a", "b", "c", "d", "e", "f", "g", "h"])}


def vectors(text):
    return np.eye(8, dtype=np.float32)[[WORDS[word] for word in text.split()]]


class Words:
    """As a MultiVectorEncoder: a word is a token."""

    def encode_document(self, inputs):
        return [vectors(text) for text in inputs]

    encode_query = encode_document


TEXTS = {"one": "a b", "two": "c d", "three": "e f g"}
MATRICES = {doc: vectors(text) for doc, text in TEXTS.items()}
DOCUMENTS = [colbench.Document(doc, "", text) for doc, text in TEXTS.items()]
GIVEN = {
    "mapping": (MATRICES, {}),
    "pairs": (list(MATRICES.items()), {}),
    "generator": (iter(MATRICES.items()), {}),
    "ids and matrices": ((list(MATRICES), list(MATRICES.values())), {}),
    "texts": (TEXTS, {"encoder": Words()}),
    "encoder and texts": ((Words(), TEXTS), {}),
    "documents": (DOCUMENTS, {"encoder": Words()}),
}


@pytest.mark.parametrize("form", GIVEN)
def test_every_form_of_documents_gives_the_same_index(form, tmp_path):
    documents, options = GIVEN[form]
    if form == "generator":
        documents = iter(MATRICES.items())
    index = colbench.ColbertIndex.build(tmp_path / "index", documents, nbits=4, **options)
    assert index.ids == list(TEXTS) and len(index) == 3
    ((best, score),) = index.search(vectors("c d"), k=1)
    assert best == "two" and score == pytest.approx(2, abs=0.1)
    if "texts" in form or form == "documents":
        assert index.search("c d", k=1) == index.search(vectors("c d"), k=1)


def test_matrices_alone_are_numbered(tmp_path):
    index = colbench.ColbertIndex.build(tmp_path / "index", list(MATRICES.values()), nbits=2)
    assert index.ids == ["0", "1", "2"]
    stacked = colbench.ColbertIndex.build(tmp_path / "stacked", np.stack([np.eye(8)] * 2))
    assert stacked.ids == ["0", "1"]


def test_an_index_changes_and_is_opened_again(tmp_path):
    index = colbench.ColbertIndex.build(tmp_path / "index", MATRICES, encoder="mine@1")
    index.add({"four": vectors("h")})
    assert index.search(vectors("h"), k=1)[0][0] == "four"
    index.update({"four": vectors("a")})
    index.delete(["one"])
    index.compact()
    again = colbench.ColbertIndex.open(tmp_path / "index", encoder="mine@1")
    assert again.ids == index.ids == ["two", "three", "four"]
    assert again.search(vectors("a"), k=3) == index.search(vectors("a"), k=3)
    assert "four" in repr(again.ids) and "3 documents" in repr(again)
    with pytest.raises(colbench.ConfigError, match="built with another encoder"):
        colbench.ColbertIndex.open(tmp_path / "index", encoder="mine@2")
    with pytest.raises(colbench.DataError, match="'two' is already in the index"):
        index.add({"two": vectors("a")})
    assert len(colbench.ColbertIndex.open(tmp_path / "index")) == 3


def test_a_search_takes_its_settings(tmp_path):
    index = colbench.ColbertIndex.build(tmp_path / "index", MATRICES)
    assert len(index.search(vectors("a"), k=5, exhaustive=True)) == 3
    assert len(index.search(vectors("a"), k=2000, exhaustive=True)) == 3
    with pytest.raises(colbench.ConfigError, match=r"'search\.nprob': did you mean"):
        index.search(vectors("a"), nprob=2)
    with pytest.raises(colbench.ConfigError, match="a text needs an encoder"):
        index.search("a")
    with pytest.raises(colbench.DataError, match="ask for at least one"):
        index.search(vectors("a"), k=0)
    with pytest.raises(colbench.DataError, match="shape 8"):
        index.search(np.ones(8, dtype=np.float32))


WRONG = {
    "unknown key 'index.nbit': did you mean 'index.nbits'": ({"a": np.eye(8)}, {"nbit": 4}),
    "holds NaN": ({"a": np.full((2, 8), np.nan)}, {}),
    "has length 2": ({"a": 2 * np.eye(8)}, {}),
    "give encoder=": (TEXTS, {}),
    "some documents are texts": ({"a": "a b", "b": vectors("a")}, {}),
    "give all in one|of shape": ({"a": [["x"]]}, {}),
    "documents of type int": (3, {}),
    "2 document ids were given with 1": ((["a", "b"], [vectors("a")]), {}),
    "no documents: give one": ({}, {}),
    "1 is of type int": ({1: vectors("a")}, {}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_told_and_nothing_is_left(message, tmp_path):
    documents, options = WRONG[message]
    with pytest.raises(colbench.ColbenchError, match=message):
        colbench.ColbertIndex.build(tmp_path / "index", documents, **options)
    assert not (tmp_path / "index" / "index.json").exists()


def test_a_tensor_of_torch_will_do(tmp_path):
    torch = pytest.importorskip("torch")
    documents = {doc: torch.tensor(m, dtype=torch.bfloat16) for doc, m in MATRICES.items()}
    index = colbench.ColbertIndex.build(tmp_path / "index", documents)
    assert index.search(torch.tensor(vectors("c d")), k=1)[0][0] == "two"


def test_a_version_that_is_open_can_be_searched_and_not_changed(tmp_path):
    documents = {"a": np.eye(8)[:3], "b": np.eye(8)[3:6]}
    last = colbench.ColbertIndex.build(tmp_path / "index", documents, keep_versions=True)
    last.delete(["b"])
    first = colbench.ColbertIndex.open(tmp_path / "index", version=1)
    assert [name for name, _ in first.search(np.eye(8)[3:6], k=1)] == ["b"]
    for change in (
        lambda: first.add({"c": np.eye(8)[6:]}),
        lambda: first.delete(["a"]),
        lambda: first.rollback(1),
        lambda: first.prune(keep=1),
        first.compact,
    ):
        with pytest.raises(
            colbench.DataError, match=r"version 1 of .* is open, and versions never change"
        ):
            change()
    assert colbench.ColbertIndex.open(tmp_path / "index").ids == ["a"]
