from __future__ import annotations

from typing import NamedTuple

import ir_datasets
import pytest
from ir_datasets.formats import (
    BaseDocs,
    BaseQrels,
    BaseQueries,
    GenericDoc,
    GenericQuery,
    TrecQrel,
)

from colbench.collection.irds import to_document
from colbench.collection.load import load_collection
from colbench.collection.model import Document
from colbench.collection.settings import IrdsSettings
from colbench.errors import ConfigError, DataError


class Docs(BaseDocs):
    def __init__(self, failure=None, cls=GenericDoc):
        self.failure, self.cls = failure, cls

    def docs_iter(self):
        if self.failure:
            raise self.failure
        return iter([GenericDoc("1", "one"), GenericDoc("2", "two")])

    def docs_cls(self):
        return self.cls


class Queries(BaseQueries):
    def queries_iter(self):
        return iter([GenericQuery("1", "first")])


class Qrels(BaseQrels):
    def qrels_iter(self):
        return iter([TrecQrel("1", "2", 0, "0"), TrecQrel("1", "2", 1, "0")])


@pytest.fixture
def register(monkeypatch):
    """Register a dataset under an id for the length of a test."""

    def add(dataset_id, *parts):
        monkeypatch.setitem(
            ir_datasets.registry._registered, dataset_id, ir_datasets.Dataset(*parts)
        )
        return IrdsSettings(id=dataset_id)

    return add


class TitledDoc(NamedTuple):
    doc_id: str
    text: str
    title: str
    glue: str = " "

    def default_text(self):
        return f"{self.title}{self.glue}{self.text}"


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (TitledDoc("1", "body", "title"), Document("1", "title", "body")),
        (TitledDoc("1", "body", ""), Document("1", "", "body")),
        (TitledDoc("1", "", "title"), Document("1", "title", "")),
        (TitledDoc("1", "body", "title", "\n"), Document("1", "", "title\nbody")),
        (GenericDoc("1", "body"), Document("1", "", "body")),
    ],
)
def test_the_text_is_what_ir_datasets_gives_and_a_title_is_set_apart(doc, expected):
    assert to_document(doc) == expected
    assert to_document(doc).text == doc.default_text().strip()


def test_of_two_judgments_of_a_pair_the_last_counts(register):
    collection = load_collection(register("made/up", Docs(), Queries(), Qrels()))
    assert collection.qrels == {"1": {"2": 1}}
    assert collection.name == "made/up"


def test_self_hits_are_dropped_for_beir_ids_only(register):
    parts = Docs(), Queries(), Qrels()
    dropping = load_collection(register("beir/made-up", *parts))
    keeping = load_collection(register("made/up", *parts))
    assert dropping.ignore_identical_ids
    assert not keeping.ignore_identical_ids


@pytest.mark.parametrize(
    ("dataset_id", "message"),
    [
        ("beir/scifact/tset", r"no 'beir/scifact/tset': did you mean 'beir/scifact/test'"),
        ("qqqqqqq", r"no 'qqqqqqq': https://ir-datasets.com lists the ids"),
        ("beir/scifact", r"'beir/scifact' has no qrels; choose beir/scifact/test, beir/scifact/tr"),
        ("lotte/pooled/test", r"no queries and no qrels; choose lotte/pooled/test/forum"),
        ("msmarco-passage/eval/small", r"has no qrels; choose msmarco-passage/dev.* more"),
        ("clinicaltrials/2021/trec-ct-2021", r"defines no text for documents"),
    ],
)
def test_an_id_that_cannot_be_evaluated_names_one_that_can(dataset_id, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_collection(IrdsSettings(id=dataset_id))
    assert "\n" not in str(caught.value)


class OfflineError(OSError):
    """Looks like an exception of the requests package."""

    class request:
        url = "https://example.org/data.zip"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            OfflineError("no route"),
            r"downloading https://example.org/data.zip failed \(Offl.*net",
        ),
        (FileNotFoundError(2, "gone", "nyt.tgz"), r"nyt.tgz is missing; .* by hand"),
        (ImportError("This dataset requires pyarrow.\nsee"), r"requires pyarrow\.; install it"),
        (PermissionError(13, "Permission denied"), r"Permission denied; check the folder"),
        (RuntimeError("All download sources failed", ["…"]), r"All download sources failed; conn"),
        (RuntimeError(), r"RuntimeError: ; connect"),
    ],
)
def test_data_that_cannot_be_had_ends_in_one_line_that_says_how_to_get_it(
    register, failure, message
):
    settings = register("made/up", Docs(failure), Queries(), Qrels())
    with pytest.raises(DataError, match=rf"ir_datasets cannot load made/up: .*{message}") as caught:
        load_collection(settings)
    assert "\n" not in str(caught.value)


def test_quiet_silences_ir_datasets(register, monkeypatch, capsys):
    class Talking(Docs):
        def docs_iter(self):
            ir_datasets.log.easy().info("please agree to the terms")
            ir_datasets.log.easy().info("[starting] building docstore")
            return super().docs_iter()

    settings = register("made/up", Talking(), Queries(), Qrels())
    monkeypatch.delenv("COLBENCH_QUIET", raising=False)
    load_collection(settings)
    heard = capsys.readouterr().err
    assert "please agree" in heard
    assert "building docstore" not in heard
    monkeypatch.setenv("COLBENCH_QUIET", "1")
    load_collection(settings)
    assert capsys.readouterr().err == ""


def test_scifact_loads_whole(irds_home):
    collection = load_collection(IrdsSettings(id="beir/scifact/test"))
    assert (len(collection.documents), len(collection.queries)) == (5183, 300)
    assert collection.judgments == 339
    assert collection.ignore_identical_ids
    assert collection.notes == ()
    first = collection.documents[0]
    assert first.id == "4983"
    assert first.text == f"{first.title} {first.body}"
    assert first.title.startswith("Microstructural development")


def test_cranfield_loads_with_its_negative_grades_and_empty_documents(irds_home):
    collection = load_collection(IrdsSettings(id="cranfield", ignore_identical_ids=False))
    assert (len(collection.documents), len(collection.queries)) == (1400, 225)
    assert collection.judgments == 1837
    assert sum(g == -1 for judged in collection.qrels.values() for g in judged.values()) == 225
    assert collection.notes == (
        "2 of 1400 documents have no text and are kept, for example '471', '995'",
    )


def test_vaswani_loads_whole(irds_home):
    collection = load_collection(IrdsSettings(id="vaswani"))
    assert (len(collection.documents), len(collection.queries)) == (11429, 93)
    assert collection.judgments == 2083
    assert not collection.ignore_identical_ids
