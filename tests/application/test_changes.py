"""Changes: texts, metadata and vectors agree after each, and readers keep what they opened."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from words import WordEncoder

from colbench.application import Colbert
from colbench.errors import ColbenchError, ConfigError, DataError, StorageError

ENCODER = WordEncoder(dims=16)


def passages_by_hand(text, encoder):
    return [text[start:end] for start, end in encoder.spans([text])[0]]


def agree(index, held, encoder=ENCODER):
    """Assert that an index holds these documents, id → (text, metadata), in this order.

    Each has a first word of its own, by which it is found.
    """
    index.check()
    assert index.ids == list(held) and len(index) == len(held)
    documents = list(index.documents())
    assert [(one.id, one.text, one.metadata) for one in documents] == [
        (doc, text, metadata) for doc, (text, metadata) in held.items()
    ]
    assert index.get(list(reversed(held))) == documents[::-1]
    for document in documents:
        assert document.id in index
        assert [one.text for one in document.passages] == passages_by_hand(document.text, encoder)
        stored = index.vectors(document.id)
        originals = encoder.encode_documents(passages_by_hand(document.text, encoder))
        for near, vectors in zip(stored, originals, strict=True):
            assert near.shape == vectors.shape and near.dtype == np.float32
            if len(near):
                assert (near * vectors).sum(axis=1).min() > 0.8
    wanted = [f"{one.id}#{part.number}" for one in documents for part in one.passages]
    numbers = index.state.numbers
    assert sorted(numbers, key=numbers.__getitem__) == wanted
    words = {text.split()[0]: doc for doc, (text, _) in held.items() if text.split()}
    if words:
        found = index.search(list(words), k=1, exhaustive=True)
        assert {word: one[0].id for word, one in zip(words, found, strict=True)} == words
    for word, doc in list(words.items())[:3] if "n" in index.fields else ():
        number = held[doc][1].get("n")
        same = {one for one, (_, metadata) in held.items() if metadata.get("n") == number}
        assert {one.id for one in index.search(word, k=100, filter={"n": number})} == same


METADATA = st.fixed_dictionaries({"n": st.integers(0, 2)}, optional={"tag": st.just("x")})


class Changes(RuleBasedStateMachine):
    """Every change in any order, beside a dictionary."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.words = 0

    def teardown(self):
        shutil.rmtree(self.root)

    def text(self, length):
        """Return a text of so many words, the first of which no other text has."""
        self.words += 1
        return " ".join([f"word{self.words}", *(f"more{n % 5}" for n in range(length))])

    def committed(self):
        self.history[self.index.version] = dict(self.held)

    @initialize(lengths=st.lists(st.integers(0, 20), min_size=1, max_size=4), data=st.data())
    def begin(self, lengths, data):
        texts = [self.text(length) for length in lengths]
        rows = data.draw(st.lists(METADATA, min_size=len(texts), max_size=len(texts)))
        rows[0] = {"n": 0, "tag": "x"}
        self.held = {str(n): pair for n, pair in enumerate(zip(texts, rows, strict=True))}
        self.index = Colbert.from_pretrained(ENCODER).index(
            iter(texts), self.root / "index", metadata=iter(rows), verbose=False
        )
        self.history, self.names, self.readers = {}, {}, []
        self.next = len(texts)
        self.committed()

    @rule(lengths=st.lists(st.integers(0, 20), min_size=1, max_size=3), data=st.data())
    def add(self, lengths, data):
        texts = [self.text(length) for length in lengths]
        rows = data.draw(st.lists(METADATA, min_size=len(texts), max_size=len(texts)))
        ids = [f"new{self.next + n}" for n in range(len(texts))]
        self.next += len(texts)
        self.index.add(texts, ids=ids, metadata=rows)
        self.held |= dict(zip(ids, zip(texts, rows, strict=True), strict=True))
        self.committed()

    @rule(data=st.data(), what=st.sampled_from(["texts", "metadata", "both"]))
    def update(self, data, what):
        if not self.held:
            return
        some = st.lists(st.sampled_from(list(self.held)), min_size=1, max_size=3, unique=True)
        ids = data.draw(some)
        texts = [self.text(data.draw(st.integers(0, 12))) for _ in ids]
        rows = [data.draw(METADATA) for _ in ids]
        given = {"texts": texts, "metadata": rows}
        if what != "both":
            del given["metadata" if what == "texts" else "texts"]
        self.index.update(**given, ids=ids)
        for doc, text, row in zip(ids, texts, rows, strict=True):
            old = self.held.pop(doc)
            self.held[doc] = (
                text if what != "metadata" else old[0],
                row if what != "texts" else old[1],
            )
        self.committed()

    @rule(data=st.data())
    def delete(self, data):
        if not self.held:
            return
        some = st.lists(st.sampled_from(list(self.held)), min_size=1, max_size=3, unique=True)
        ids = data.draw(some)
        self.index.delete(ids)
        for doc in ids:
            del self.held[doc]
        self.committed()

    @rule()
    def compact(self):
        self.index.compact()
        self.committed()

    @rule()
    def name(self):
        version = self.index.version
        if version not in self.names:
            self.index.name_version(f"name {version}")
            self.names[version] = f"name {version}"

    @precondition(lambda self: len(self.history) > 1)
    @rule(data=st.data(), by_name=st.booleans())
    def rollback(self, data, by_name):
        version = data.draw(st.sampled_from(sorted(self.history)))
        self.index.rollback(self.names.get(version, version) if by_name else version)
        self.held = dict(self.history[version])
        self.committed()

    @rule(keep=st.integers(1, 3))
    def prune(self, keep):
        expected = [v for v in sorted(self.history)[:-keep] if v not in self.names]
        assert self.index.prune(keep=keep) == expected
        for version in expected:
            del self.history[version]
        for reader in [one for one in self.readers if one[0].version in expected]:
            self.readers.remove(reader)  # what it reads may be gone

    @rule()
    def refused(self):
        """What is refused changes nothing."""
        before = self.index.version
        for change in (
            lambda: self.index.add(["fine", "taken"], ids=["fine", next(iter(self.held), "fine")]),
            lambda: self.index.delete([*list(self.held)[:1], "nobody"]),
            lambda: self.index.update(["x"], ids=["nobody"]),
            lambda: self.index.rollback(10_000),
        ):
            with pytest.raises(ColbenchError):
                change()
        assert self.index.version == before

    @precondition(lambda self: len(self.readers) < 3)
    @rule()
    def read(self):
        reader = Colbert.open(self.root / "index", encoder=ENCODER)
        assert reader.version == self.index.version
        self.readers.append((reader, dict(self.held)))

    @precondition(lambda self: hasattr(self, "history"))
    @invariant()
    def everything_agrees(self):
        agree(self.index, self.held)
        for reader, held in self.readers:
            agree(reader, held)

    @precondition(lambda self: hasattr(self, "history"))
    @invariant()
    def versions_are_what_they_were(self):
        listed = self.index.versions()
        assert [(one.number, one.documents, one.name) for one in listed] == [
            (version, len(self.history[version]), self.names.get(version))
            for version in sorted(self.history)
        ]
        earliest = min(self.history)
        earlier = Colbert.open(self.root / "index", version=earliest, encoder=ENCODER)
        agree(earlier, self.history[earliest])


def test_texts_metadata_and_vectors_agree_after_any_changes():
    few = max(settings.default.max_examples // 5, 1)
    run_state_machine_as_test(Changes, settings=settings(max_examples=few, stateful_step_count=12))


@pytest.fixture
def index(words):
    rows = [{"n": 0, "tag": "x"}, {"n": 1}, {"n": 2}]
    return words(["one a", "two b", "three c"], ids=["1", "2", "3"], metadata=rows)


def test_one_text_is_added_updated_deleted_and_read_without_lists(index):
    index.add("four d", ids="4", metadata={"n": 4})
    index.update("five e", ids="4")
    (document,) = index.get("4")
    assert (document.text, document.metadata) == ("five e", {"n": 4})
    index.delete("4")
    assert index.ids == ["1", "2", "3"] and "4" not in index and None not in index


def test_without_ids_documents_get_the_next_numbers_which_no_other_has_had(words):
    index = words(["a", "b"])
    index.add(["c"])
    index.delete("2")
    index.add(["d", "e"])
    assert index.ids[:2] == ["0", "1"] and len(set(index.ids)) == 4
    assert [one.text for one in index.documents()] == ["a", "b", "d", "e"]
    index.add("f")
    assert len(set(index.ids)) == 5


def test_ids_are_used_again_after_they_were_deleted(index):
    index.delete(["1", "2", "3"])
    assert len(index) == 0 and index.ids == [] and index.search("one") == []
    assert bool(index) and list(index.documents()) == []
    index.add("one again", ids="1", metadata={"n": 7})
    assert [one.id for one in index.search("again")] == ["1"]
    index.rollback(1)
    assert [one.text for one in index.documents()] == ["one a", "two b", "three c"]


def test_a_reader_keeps_its_version_until_it_refreshes(index, encoder):
    reader = Colbert.open(index.folder, encoder=encoder)
    index.delete("1")
    index.add("six f", ids="6", metadata={"n": 6, "late": True})
    index.compact()
    assert reader.ids == ["1", "2", "3"] and reader.version == 1
    assert reader.search("one", k=1)[0].id == "1"
    assert {one.id for one in reader.search("six", k=9)} == {"1", "2", "3"}
    assert {one.id for one in reader.search("one", k=9, filter={"n": {"$lt": 2}})} == {"1", "2"}
    reader.refresh()
    assert reader.version == index.version and reader.ids == ["2", "3", "6"]
    assert [one.id for one in reader.search("six", filter={"late": True})] == ["6"]


def test_a_writer_sees_what_another_has_committed(index, encoder):
    other = Colbert.open(index.folder, encoder=encoder)
    other.add("seven g", ids="7")
    index.add("eight h", ids="8")
    assert index.ids == ["1", "2", "3", "7", "8"]
    with pytest.raises(DataError, match="'8' is already in"):
        other.add("again", ids="8")
    assert other.ids == index.ids
    index.check()


def test_an_earlier_version_is_searched_and_not_changed(index, encoder):
    index.name_version("first")
    index.update("changed x", ids="1", metadata={"n": 9})
    for version in (1, "first"):
        earlier = Colbert.open(index.folder, version=version, encoder=encoder)
        assert earlier.version == 1 and earlier.get("1")[0].text == "one a"
        assert earlier.search("one", k=1)[0].metadata == {"n": 0, "tag": "x"}
        assert earlier.search("changed", k=1, filter={"n": 9}) == []
        for change in (
            lambda one: one.add("x", ids="x"),
            lambda one: one.update("x", ids="1"),
            lambda one: one.delete("1"),
            lambda one: one.compact(),
            lambda one: one.rollback(1),
            lambda one: one.prune(keep=1),
        ):
            with pytest.raises(DataError, match="versions never change"):
                change(earlier)
    assert index.version == 2


@pytest.mark.parametrize("version", [7, "nothing", 0, -1])
def test_a_version_that_is_not_there_is_named(index, encoder, version):
    with pytest.raises(DataError, match=str(version)) as told:
        Colbert.open(index.folder, version=version, encoder=encoder)
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match=str(version)):
        index.rollback(version)


def test_pruning_forgets_texts_that_no_version_holds(index, encoder):
    secret = "confidential " * 3000
    index.add(secret, ids="secret", metadata={"only": "here"})
    assert index.search("confidential", k=1, hybrid=True)[0].id == "secret"
    index.delete("secret")
    file = index.folder / "documents.sqlite"
    index.prune(keep=1)
    index.compact()
    index.prune(keep=1)
    Colbert.open(index.folder, encoder=encoder).check()
    held = b"".join(path.read_bytes() for path in index.folder.rglob("*") if path.is_file())
    assert b"confidential confidential" not in held and b"secret" not in held
    assert file.stat().st_size < 100_000
    assert "only" not in index.fields


def test_named_versions_outlive_pruning(index, encoder):
    index.name_version("kept")
    for number in range(4):
        index.add(f"t{number}", ids=f"t{number}")
    assert index.prune(keep=1) == [2, 3, 4]
    assert [(one.number, one.name) for one in index.versions()] == [(1, "kept"), (5, None)]
    assert Colbert.open(index.folder, version="kept", encoder=encoder).ids == ["1", "2", "3"]
    now = datetime.datetime.now(datetime.UTC)
    assert all(now - one.committed < datetime.timedelta(minutes=10) for one in index.versions())
    assert index.prune(keep=1, named=True) == [1]


def test_nothing_is_printed_unless_it_is_asked_for(index, words, capfd):
    index.search("one", hybrid=True)
    index.add(["word " * 9] * 300, ids=[f"many{n}" for n in range(300)])
    index.compact()
    assert capfd.readouterr() == ("", "")


def test_a_model_without_an_index_says_so(model):
    for use in (
        lambda: model.search("x"),
        lambda: model.add("x"),
        lambda: model.update("x", ids="1"),
        lambda: model.delete("1"),
        lambda: model.get("1"),
        lambda: model.ids,
        lambda: model.compact(),
        lambda: len(model),
        lambda: model.versions(),
    ):
        with pytest.raises(ConfigError, match=r"no index is open: .*\.index\("):
            use()


def test_another_model_is_refused(words, encoder):
    index = words(["a b c"])
    with pytest.raises(ConfigError) as told:
        Colbert.open(index.folder, encoder=WordEncoder("others"))
    assert str(index.folder) in str(told.value) and "\n" not in str(told.value)
    alone = Colbert.open(index.folder)  # the model is an object, which only we have
    assert alone.ids == ["0"] and alone.get("0")[0].text == "a b c"
    with pytest.raises(ConfigError, match="open it with encoder="):
        alone.search("a")


def test_a_folder_that_holds_an_index_is_not_indexed_again(words, index):
    with pytest.raises(StorageError, match="already holds an index: open it"):
        words(["other"], name=index.folder.name)
    assert index.ids == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "no documents"),
        ("one string", {}, "of type str: give a list"),
        ([1], {}, "of type int"),
        ([None], {}, "of type NoneType"),
        (["a", "b"], {"ids": ["x", "x"]}, "'x' is given more than once"),
        (["a", "b"], {"ids": ["x"]}, "not equally many"),
        (["a"], {"ids": ["x", "y"]}, "not equally many"),
        (["a"], {"metadata": []}, "not equally many"),
        (["a"], {"ids": [""]}, "id is empty"),
        (["a"], {"ids": [7]}, "int"),
        (["\ud800"], {}, "half a surrogate pair"),
    ],
)
def test_documents_that_cannot_be_used_are_refused_and_the_folder_can_be_used_after(
    words, texts, options, message
):
    with pytest.raises(DataError, match=message) as told:
        words(texts, name="folder", **options)
    assert "\n" not in str(told.value)
    assert words(["a", "b"], name="folder").ids == ["0", "1"]


def test_settings_that_are_misspelt_are_named(words, index):
    with pytest.raises(ConfigError, match=r"did you mean .*nbits"):
        words(["a"], nbit=2)
    with pytest.raises(ConfigError, match=r"did you mean .*nprobe"):
        index.search("a", nprob=2)
    with pytest.raises(ConfigError, match="did you mean 'k100'"):
        index.search("a", search="k100O")
    with pytest.raises(DataError, match="k"):
        index.search("a", k=0)
    with pytest.raises(DataError, match="half a surrogate pair"):
        index.search("\ud800")
    with pytest.raises(DataError, match="of type int"):
        index.search(["a", 5])
