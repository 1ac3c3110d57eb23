from __future__ import annotations

import sys
from types import ModuleType

import pytest
from pydantic import TypeAdapter, ValidationError

from colbench.collection.load import load_collection
from colbench.collection.model import Collection, Document, Query
from colbench.collection.settings import BeirDirSettings, DatasetSettings, PydocsSettings


@pytest.fixture
def pydocs(monkeypatch):
    """Replace the pydocs loader, which needs the packages it reads."""
    module = ModuleType("colbench.collection.pydocs")

    def load_pydocs(size, kept):
        documents = [Document(f"{size}.a", "a", "does a"), Document(f"{size}.b", "b", "does b")]
        return Collection(size, documents, [Query("q", "how to a")], {"q": {f"{size}.a": 1}})

    module.load_pydocs = load_pydocs
    module.pydocs_versions = lambda size: {"numpy": "2.0", "scipy": "1.0"}
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_pydocs_goes_through_validation_and_sampling(pydocs):
    collection = load_collection(PydocsSettings(size="full", sample={"docs": 1}))
    assert collection.name == "pydocs/full[docs=1,seed=0]"
    assert collection.qrels == {"q": {"full.a": 1}}
    assert [document.id for document in collection.documents] == ["full.a"]
    assert collection.notes[0] == "made from numpy 2.0, scipy 1.0"


def test_a_chosen_name_and_query_length_reach_the_collection(pydocs):
    collection = load_collection(PydocsSettings(name="mine", query_length=24))
    assert (collection.name, collection.query_length) == ("mine", 24)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "nothing"},
        {"kind": "irds"},
        {"kind": "irds", "id": ""},
        {"kind": "irds", "id": "x", "split": "test"},
        {"kind": "beir_dir", "path": "x", "split": "../test"},
        {"kind": "beir_dir", "path": "x", "name": "two\nlines"},
        {"kind": "beir_dir", "path": "x", "sample": {"docs": 0}},
        {"kind": "beir_dir", "path": "x", "max_unknown_docs": 1.5},
        {"kind": "pydocs", "size": "huge"},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        TypeAdapter(DatasetSettings).validate_python(values)


def test_kind_chooses_the_settings():
    settings = TypeAdapter(DatasetSettings).validate_python({"kind": "beir_dir", "path": "x"})
    assert isinstance(settings, BeirDirSettings)
