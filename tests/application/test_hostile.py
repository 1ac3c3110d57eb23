"""Names, texts and folders that somebody else has made."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.application import Colbert
from colbench.errors import ColbenchError, DataError, StorageError

IDS = [
    "a#1",
    "a",
    "#",
    "##1",
    "a#1#1",
    "1",
    "#1",
    "two\nlines",
    " ",
    "ä🙂",
    "\0",
    "../x",
    "a#01",
    "%s",
]
TEXTS = [f"w{n} " + "x " * (n * 3) for n in range(len(IDS))]


def test_ids_are_any_text(words, encoder):
    index = words(TEXTS, ids=IDS)
    index.check()
    assert index.ids == IDS
    for n, doc in enumerate(IDS):
        assert doc in index and index.get(doc)[0].text == TEXTS[n]
        found = index.search(f"w{n}", k=1, exhaustive=True)[0]
        assert (found.id, found.text) == (doc, TEXTS[n])
    index.update("new one", ids="a#1")
    index.delete(["a", "#"])
    index.compact()
    again = Colbert.open(index.folder, encoder=encoder)
    again.check()
    assert set(again.ids) == set(IDS) - {"a", "#"} and again.get("a#1")[0].text == "new one"


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6, unique=True))
def test_any_different_ids_stay_apart(tmp_path_factory, encoder, ids):
    folder = tmp_path_factory.mktemp("ids") / "index"
    texts = [f"w{n} " + "x " * (n * 4) for n in range(len(ids))]
    model = Colbert.from_pretrained(encoder)
    try:
        index = model.index(texts, folder, ids=ids, verbose=False)
    except DataError as error:
        told = str(error)
        told.encode()
        assert "\n" not in told and any("\ud800" <= c <= "\udfff" for c in "".join(ids))
        return
    index.check()
    assert index.ids == ids
    assert [index.get(doc)[0].text for doc in ids] == texts
    index.delete(ids[0])
    assert index.ids == ids[1:]


@pytest.mark.parametrize("doc", ["", "\ud800", "a\udfffb", 7, None, b"a", ("a",)])
def test_what_is_no_id_is_refused_in_one_line(words, doc):
    index = words(["a"], ids=["x"])
    with pytest.raises(DataError) as told:
        index.add(["b"], ids=[doc])
    str(told.value).encode()
    assert "\n" not in str(told.value) and index.ids == ["x"]
    for use in (lambda: index.get([doc]), lambda: index.delete([doc])):
        with pytest.raises(DataError) as told:
            use()
        str(told.value).encode()
        assert "\n" not in str(told.value)
    assert doc not in index


@pytest.mark.parametrize("text", ["", " ", "\0", "a\0b", "\n\n", "﻿", "🙂" * 500, "'; DROP TABLE x"])
def test_texts_are_any_text(words, text):
    index = words([text, "other words"], ids=["it", "other"], metadata=[{"text": text}, None])
    (document,) = index.get("it")
    assert document.text == text and document.metadata == {"text": text}
    assert {one.id for one in index.search("other", k=5, filter={"text": text})} <= {"it"}
    assert index.search("other", k=1)[0].id == "other"
    index.check()


def test_an_index_of_texts_without_a_token_finds_the_one_that_comes(words):
    index = words(["", " "])
    assert index.search("a") == [] or {one.id for one in index.search("a")} <= {"0", "1"}
    index.add("at last", ids="x")
    assert index.search("last", k=1)[0].id == "x"
    index.check()


def test_an_empty_query_is_answered(words):
    index = words(["a b", "c"])
    assert len(index.search("", k=2)) <= 2
    assert index.search([]) == []


def broken(folder, tmp_path, damage):
    """Return a copy of an index with a damage."""
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    damage(copy)
    return copy


def overwritten(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def cut(name, share):
    def damage(folder):
        file = folder / name
        os.truncate(file, int(file.stat().st_size * share))

    return damage


def zeros(name):
    def damage(folder):
        file = folder / name
        size = file.stat().st_size
        with file.open("r+b") as stream:
            for place in range(4096, size, 4096):
                stream.seek(place)
                stream.write(bytes(2048))

    return damage


def removed(name):
    return lambda folder: (folder / name).unlink()


def pipe(name):
    def damage(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def link(name):
    def damage(folder):
        (folder / name).rename(folder / "elsewhere")
        (folder / name).symlink_to("elsewhere")

    return damage


def about(**changes):
    def damage(folder):
        file = folder / "application.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return damage


def sql(*statements):
    def damage(folder):
        with sqlite3.connect(folder / "documents.sqlite") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return damage


DAMAGES = {
    "no application.json": removed("application.json"),
    "empty application.json": overwritten("application.json", b""),
    "application.json is a list": overwritten("application.json", b"[1]"),
    "application.json nested deeply": overwritten("application.json", b"[" * 100_000),
    "application.json in another encoding": overwritten("application.json", b"\xff\xfe{"),
    "application.json changed": about(split=False),
    "application.json of the future": about(format=2),
    "application.json is a pipe": pipe("application.json"),
    "application.json is a link": link("application.json"),
    "no database": removed("documents.sqlite"),
    "empty database": overwritten("documents.sqlite", b""),
    "database is text": overwritten("documents.sqlite", b"hello " * 1000),
    "half of the database": cut("documents.sqlite", 0.5),
    "zeros in the database": zeros("documents.sqlite"),
    "database is a pipe": pipe("documents.sqlite"),
    "database is a link": link("documents.sqlite"),
    "no table": sql("DROP TABLE documents"),
    "a table more": sql("CREATE TABLE extra (x)"),
    "a trigger": sql("CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM documents; END"),
    "a view in place of a table": sql(
        "ALTER TABLE documents RENAME TO others", "CREATE VIEW documents AS SELECT * FROM others"
    ),
    "a document less": sql("DELETE FROM documents WHERE row = 2"),
    "a lifetime less": sql("DELETE FROM lifetimes WHERE row = 2"),
    "a lifetime too many": sql("INSERT INTO lifetimes VALUES (77, 1, 99)"),
    "metadata is no JSON": sql("UPDATE documents SET metadata = '{' WHERE row = 2"),
    "metadata nested deeply": sql(
        "UPDATE documents SET metadata = '{\"a\":' || replace(hex(zeroblob(50000)), '0', '[')"
    ),
    "a date that is none": sql(
        'UPDATE documents SET metadata = \'{"a":{"$date":"soon"}}\' WHERE row = 2'
    ),
    "passages beyond the text": sql("UPDATE documents SET passages = '[[0,1],[1,1000000]]'"),
    "passages are no JSON": sql("UPDATE documents SET passages = 'x'"),
    "a text that is none": sql("UPDATE documents SET text = x'ff00ff' WHERE row = 2"),
    "an id that is none": sql("UPDATE documents SET id = x'ff' WHERE row = 2"),
    "an id that another has": sql("UPDATE documents SET id = 'd0' WHERE row = 2"),
    "a type of field that is none": sql("UPDATE fields SET type = 'colour'"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, encoder):
    """A closed index of three documents; its database is one file."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    texts = [f"text{n} " + "more words " * 30 for n in range(3)]
    rows = [{"n": n, "tags": ["a"] * 3} for n in range(3)]
    model = Colbert.from_pretrained(encoder)
    index = model.index(texts, folder, ids=["d0", "d1", "d2"], metadata=rows, verbose=False)
    index.opened.database.close()
    with sqlite3.connect(folder / "documents.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return folder


def used(folder, encoder):
    """Do everything with an index."""
    index = Colbert.open(folder, encoder=encoder)
    index.check()
    index.search("text1 words", k=3, filter={"n": {"$gte": 0}}, hybrid=True)
    list(index.documents())
    index.get(index.ids)
    for doc in index.ids:
        index.vectors(doc)
    index.versions()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_line_that_names_it(whole, encoder, tmp_path, name):
    folder = broken(whole, tmp_path, DAMAGES[name])
    with pytest.raises(StorageError) as told:
        used(folder, encoder)
    line = str(told.value)
    line.encode()
    assert "\n" not in line and str(folder) in line and len(line) < 600


def test_the_undamaged_folder_is_fine_and_so_is_a_copy_that_was_moved(whole, encoder, tmp_path):
    used(broken(whole, tmp_path, lambda folder: None), encoder)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_can_only_be_read_is_searched(whole, encoder, tmp_path):
    folder = broken(whole, tmp_path, lambda folder: None)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    used(folder, encoder)


@pytest.mark.parametrize("what", ["file", "folder", "index", "link"])
def test_a_foreign_folder_is_neither_opened_nor_written_to(words, encoder, tmp_path, what):
    place = tmp_path / "foreign"
    if what == "file":
        place.write_text("mine")
    elif what == "link":
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "mine.txt").write_text("mine")
        place.symlink_to("target")
    else:
        place.mkdir()
        (place / ("index.json" if what == "index" else "mine.txt")).write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    for use in (
        lambda: words(["a"], name="foreign"),
        lambda: Colbert.open(place, encoder=encoder),
    ):
        with pytest.raises(ColbenchError) as told:
            use()
        assert "\n" not in str(told.value) and str(place) in str(told.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_place_that_is_not_there_says_how_to_make_an_index(encoder, tmp_path):
    with pytest.raises(StorageError, match=r"is not there: make one with .*\.index\("):
        Colbert.open(tmp_path / "nowhere", encoder=encoder)


def test_a_model_that_is_not_there_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(ColbenchError) as told:
        Colbert.from_pretrained("embedded:all-MiniLM-L6-v3").index(["a"], tmp_path / "index")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "index" / "index").exists()


def test_a_query_without_tokens_finds_nothing_by_its_vectors(words):
    index = words(["one", "two", "three"])
    assert index.search("") == []
    assert index.search("", filter={}, search="exhaustive") == []
    assert [len(found) for found in index.search(["", "two"], k=1)] == [0, 1]


@pytest.mark.parametrize("texts", [5, None, "one text"])
def test_texts_that_are_no_list_are_told(words, texts):
    with pytest.raises(DataError, match="give a list of strings"):
        words(texts)
    with pytest.raises(DataError, match="query is of type int"):
        words(["one"]).search(5)
