"""Training examples out of collections: from judgments and from the documents themselves."""

from __future__ import annotations

import hashlib
import json
import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from colbench.collection.load import load_collection, load_documents
from colbench.collection.model import Document
from colbench.collection.settings import BeirDirSettings, IrdsSettings, PydocsSettings
from colbench.errors import ConfigError, DataError
from colbench.train.examples import text_key
from colbench.train.settings import Source
from colbench.train.sources import MAKERS, dataset_with_split, read_source, sentences

REST = "The rest of this document has ten words and then some."

DOCUMENTS = [
    (
        "d1",
        "Wing flutter",
        f"wing  FLUTTER. We study wings. The wing of an aeroplane bends. {REST}",
    ),
    ("d2", "", f"A boundary layer is thin. {REST} It ends at last, as all things do."),
    ("d3", "Heat", "Short body."),
    ("d4", "Nothing but a title", ""),
    ("d5", "", ""),
]
QRELS = {"train": [("q1", "d1", 2), ("q1", "d2", 1), ("q1", "d5", 1)], "test": [("q2", "d3", 0)]}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "made"
    (root / "qrels").mkdir(parents=True)
    documents = [{"_id": i, "title": title, "text": body} for i, title, body in DOCUMENTS]
    queries = [{"_id": i, "text": f"query {i}"} for i in ("q1", "q2")]
    for name, records in (("corpus", documents), ("queries", queries)):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (root / f"{name}.jsonl").write_text(text, "utf-8")
    for split, judged in QRELS.items():
        rows = "".join(f"{query}\t{doc}\t{grade}\n" for query, doc, grade in judged)
        (root / "qrels" / f"{split}.tsv").write_text(rows, "utf-8")
    return root


@pytest.fixture
def read(folder):
    def compose(dataset, split, words):
        return dataset_with_split(BeirDirSettings(path=folder), split)

    def make(seed=0, **values):
        source = TypeAdapter(Source).validate_python(values)
        return read_source("mine", source, compose, seed)

    return make


def test_judged_pairs_are_those_of_the_grade_that_have_text(read):
    found = read(pairs="judged", split="train")
    assert [(e.query_id, e.positive_id) for e in found.examples] == [("q1", "d1"), ("q1", "d2")]
    assert found.examples[1].positive == DOCUMENTS[1][2]
    assert found.examples[0].query == "query q1"
    best = read(pairs="judged", split="train", least_grade=2).examples
    assert [e.positive_id for e in best] == ["d1"]


def test_a_source_names_the_collection_it_is_of(read, folder):
    found = read(pairs="judged", split="train")
    collection = load_collection(BeirDirSettings(path=folder, split="train"))
    assert (found.name, found.pairs, found.label) == ("mine", "judged", "made/train")
    assert found.fingerprint == collection.fingerprint == found.collection.fingerprint


def test_a_title_asks_for_the_body_without_it(read):
    first, second = read(pairs="title").examples
    assert (first.query, first.positive_id, first.query_id) == ("Wing flutter", "d1", None)
    assert first.positive.startswith("We study wings.")
    assert (second.query, second.positive) == ("Heat", "Short body.")


def test_a_first_sentence_asks_for_the_rest_under_the_title(read):
    (found,) = read(pairs="first_sentence").examples  # "We study wings." is too short to ask with
    assert found.query == "A boundary layer is thin."
    assert found.positive == f"{REST} It ends at last, as all things do."


def test_what_a_document_is_known_by_is_its_whole_text(read):
    for pairs in ("title", "first_sentence", "sentence"):
        for example in read(pairs=pairs).examples:
            _, title, body = next(d for d in DOCUMENTS if d[0] == example.positive_id)
            assert example.origin == text_key(f"{title} {body}")


def test_an_examples_file_is_a_source_too(read, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("q\tp\n", "utf-8")
    found = read(pairs="file", path=path)
    assert (found.label, found.collection, found.pairs) == ("pairs.tsv", None, "file")
    assert found.fingerprint == hashlib.sha256(b"q\tp\n").hexdigest()
    assert [(e.query, e.positive, e.source, e.origin) for e in found.examples] == [
        ("q", "p", "mine", None)
    ]


@pytest.mark.parametrize(
    ("values", "error", "told"),
    [
        ({"pairs": "judged"}, DataError, "no document of made/test .* take another split"),
        (
            {"pairs": "judged", "split": "train", "least_grade": 3},
            DataError,
            "the highest grade is 2: set least_grade",
        ),
        (
            {"pairs": "judged", "split": "trian"},
            DataError,
            "no split 'trian': did you mean 'train'",
        ),
        ({"pairs": "judged", "split": "a/b"}, ConfigError, "'dataset.split' is 'a/b'"),
        ({"pairs": "file", "path": "absent.tsv"}, DataError, "there is no file absent.tsv"),
    ],
)
def test_a_source_that_gives_nothing_is_refused_by_its_name(read, values, error, told):
    with pytest.raises(error, match=rf"^train\.sources\.mine: .*{told}"):
        read(**values)


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ("title", "has both a title and a body; set pairs to first_sentence or sentence"),
        ("first_sentence", "has a sentence of 4 words"),
        ("sentence", "has a sentence of 4 words"),
    ],
)
def test_documents_that_say_too_little_are_refused(read, folder, pairs, told):
    line = json.dumps({"_id": "d3", "title": "", "text": "Too little. To ask."}) + "\n"
    (folder / "corpus.jsonl").write_text(line, "utf-8")
    with pytest.raises(DataError, match=rf"no document of made/test {told}"):
        read(pairs=pairs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("no stop at all", ["no stop at all"]),
        ("One. Two? Three!  4 five.", ["One.", "Two?", "Three!", "4 five."]),
        ('He said "No." (She did not.) End.', ['He said "No."', "(She did not.)", "End."]),
        ("e.g. this and v1.2 stay", ["e.g. this and v1.2 stay"]),
        ("flow past a plate . it is thin .", ["flow past a plate .", "it is thin ."]),
        ("Über alles. Älter.\nÉtude.", ["Über alles.", "Älter.", "Étude."]),
    ],
)
def test_sentences_end_where_a_stop_is_followed_by_a_beginning(text, expected):
    assert sentences(text) == expected


TEXTS = st.lists(
    st.lists(st.sampled_from(["wing", "flow", "A", "is", "of", "7", "x."]), min_size=1, max_size=14)
    .map(" ".join)
    .map(lambda words: f"{words}."),
    max_size=6,
).map(" ".join)


@given(st.text() | TEXTS)
def test_splitting_loses_no_word(text):
    assert " ".join(sentences(text)).split() == text.split()


@given(
    title=st.sampled_from(["", "Wing", "wing flow", "A wing, is"]),
    body=TEXTS,
    pairs=st.sampled_from(sorted(MAKERS)),
    seed=st.integers(0, 3),
)
def test_what_is_asked_is_cut_from_what_is_found(title, body, pairs, seed):
    made = MAKERS[pairs](Document("d", title, body), seed)
    if made is None:
        return
    query, positive = made
    assert query.split() and positive.split()
    if pairs == "title":
        assert text_key(positive) != text_key(query)
        assert positive in body
    else:
        left = positive.removeprefix(title).strip()
        assert len(query.split()) >= 4 and len(left.split()) >= 10
        assert query in body
        assert text_key(query) not in map(text_key, sentences(left))


def test_a_sentence_is_cut_wherever_it_is_repeated():
    body = f"Air flows over wings. {REST} AIR  flows over wings."
    assert MAKERS["first_sentence"](Document("d", "", body), 0) == ("Air flows over wings.", REST)


def test_sentences_are_drawn_by_seed_and_id_alone(read, folder):
    body = " ".join(
        f"Sentence number {word} of this text." for word in ["one", "two", "three", "four"]
    )
    records = [json.dumps({"_id": f"d{n}", "title": "", "text": body}) for n in range(1, 30)]
    (folder / "corpus.jsonl").write_text("\n".join(records), "utf-8")
    first = {e.positive_id: e.query for e in read(pairs="sentence").examples}
    random.Random(1).shuffle(records)
    (folder / "corpus.jsonl").write_text("\n".join(records), "utf-8")
    assert {e.positive_id: e.query for e in read(pairs="sentence").examples} == first
    assert {e.positive_id: e.query for e in read(pairs="sentence", seed=1).examples} != first
    assert len(set(first.values())) == 4


def test_another_split_of_every_kind_of_collection():
    irds = dataset_with_split(IrdsSettings(id="beir/scifact/test", query_length=48), "train")
    assert (irds.id, irds.query_length) == ("beir/scifact/train", 48)
    folder = dataset_with_split(BeirDirSettings(path="somewhere", name="mine"), "train")
    assert (folder.split, folder.name, str(folder.path)) == ("train", "mine/train", "somewhere")
    pydocs = dataset_with_split(PydocsSettings(size="full"), "test")
    assert (pydocs.size, pydocs.split) == ("full", "test")
    assert dataset_with_split(irds, None) is irds


@pytest.mark.parametrize(
    "dataset_id", ["cranfield", "vaswani", "beir/arguana", "lotte/pooled/test/search"]
)
def test_an_id_without_a_split_at_its_end_is_refused(dataset_id):
    with pytest.raises(ConfigError, match=rf"dataset.id={dataset_id} does not end in a split"):
        dataset_with_split(IrdsSettings(id=dataset_id), "train")


def test_pydocs_has_two_halves():
    with pytest.raises(ConfigError, match=r"'dataset\.split' is 'dev': Input should be 'all', 'tr"):
        dataset_with_split(PydocsSettings(), "dev")


def test_a_collection_without_queries_and_judgments_gives_pairs(read, folder):
    expected = read(pairs="sentence").examples
    (folder / "queries.jsonl").unlink()
    shutil.rmtree(folder / "qrels")
    assert read(pairs="sentence").examples == expected
    with pytest.raises(DataError, match=r"queries\.jsonl"):
        read(pairs="judged")


def test_an_ir_datasets_id_with_documents_alone_is_read(monkeypatch):
    import ir_datasets

    class Dataset:
        def has(self, part):
            return part == "docs"

        def docs_cls(self):
            return ir_datasets.formats.GenericDoc

        def docs_iter(self):
            return iter([ir_datasets.formats.GenericDoc("d1", "One sentence about wings.")])

    monkeypatch.setattr(ir_datasets, "load", lambda _: Dataset())
    collection = load_documents(IrdsSettings(id="some/corpus"))
    assert [document.text for document in collection.documents] == ["One sentence about wings."]
    assert not collection.queries
    with pytest.raises(ConfigError, match="has no queries and no qrels"):
        load_collection(IrdsSettings(id="some/corpus"))
