"""The two halves of pydocs' questions, one to train on and one to evaluate on."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from colbench.collection.load import load_collection
from colbench.collection.model import Collection, Document, Query
from colbench.collection.settings import PydocsSettings

SIZES = {"small": 12, "full": 60}


@pytest.fixture(autouse=True)
def _made_up_pydocs(monkeypatch):
    """Replace the loader, which needs the packages it reads; full holds all that small does."""
    module = ModuleType("colbench.collection.pydocs")

    def load_pydocs(size, kept):
        names = [f"package.f{n}" for n in range(SIZES[size])]
        documents = [Document(name, "", f"text of {name}") for name in names]
        queries = [Query(f"q:{name}", f"question for {name}") for name in names]
        return Collection(size, documents, queries, {f"q:{name}": {name: 1} for name in names})

    module.load_pydocs = load_pydocs
    module.pydocs_versions = lambda size: {"numpy": "2.0"}
    monkeypatch.setitem(sys.modules, module.__name__, module)


def halves(size):
    return [load_collection(PydocsSettings(size=size, split=split)) for split in ("train", "test")]


def ids(collection):
    return {query.id for query in collection.queries}


@pytest.mark.parametrize("size", SIZES)
def test_each_question_is_in_one_half_and_every_document_in_both(size):
    whole = load_collection(PydocsSettings(size=size))
    train, test = halves(size)
    assert ids(train) | ids(test) == ids(whole)
    assert ids(train).isdisjoint(ids(test))
    assert min(len(ids(train)), len(ids(test))) >= SIZES[size] // 4
    assert train.documents == test.documents == whole.documents
    assert set(train.qrels) == ids(train)
    assert (train.name, test.name) == (f"pydocs/{size}/train", f"pydocs/{size}/test")
    assert train.notes == whole.notes


def test_a_question_is_in_the_same_half_of_both_sizes():
    for small, full in zip(halves("small"), halves("full"), strict=True):
        assert ids(small) <= ids(full)


def test_all_questions_are_the_default_and_it_is_called_as_before():
    whole = load_collection(PydocsSettings())
    names = [f"package.f{n}" for n in range(SIZES["small"])]
    expected = Collection(
        "pydocs/small",
        [Document(name, "", f"text of {name}") for name in names],
        [Query(f"q:{name}", f"question for {name}") for name in names],
        {f"q:{name}": {name: 1} for name in names},
    )
    assert (whole.name, whole.fingerprint) == ("pydocs/small", expected.fingerprint)
