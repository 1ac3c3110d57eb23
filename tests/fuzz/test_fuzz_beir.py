"""A BEIR folder gives exactly what stands in it, or is refused with file and line."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import strategies as st
from mangling import ANY_TEXT, JSON, altered, raw
from trying import READ, answer, check_line, fuzz, numbered_line

from colbench.collection.load import load_collection
from colbench.collection.settings import BeirDirSettings
from colbench.collection.snapshot import read_snapshot, write_snapshot
from colbench.errors import ColbenchError, DataError, StorageError

FOLDER, QRELS = "BEIR folder", "qrels (BEIR and TREC)"
FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
WHOLE_FILE = re.compile(
    r"there are no|damaged after line|none of the judged|no query has|judged queries have no text|"
    r"judgments \(.*name documents"
)
"""Refusals that are about a file and not about one of its lines."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
IDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=6
).filter(lambda value: not value.startswith("\ufeff") and not re.search(r"\s", value))
QUERY_IDS = IDS.filter(lambda value: not value.startswith("#"))  # a comment, as trec_eval has it
GRADES = st.integers(-2, 4)


@st.composite
def contents(draw):
    """Documents, queries and judgments of a collection that has to be accepted."""
    documents = draw(st.dictionaries(IDS, st.tuples(st.none() | TEXT, TEXT), min_size=1))
    said = TEXT.filter(str.strip)
    queries = draw(st.dictionaries(QUERY_IDS, said, min_size=1, max_size=4))
    judged = st.dictionaries(st.sampled_from(list(documents)), GRADES, min_size=1, max_size=4)
    qrels = {query: draw(judged) for query in queries if draw(st.integers(0, 3))}
    if not qrels:
        qrels = {next(iter(queries)): draw(judged)}
    return documents, queries, qrels


@st.composite
def layouts(draw, content):
    """The three files of a collection, in one of the forms that have to be understood."""
    documents, queries, qrels = draw(content)
    ascii_only, four = draw(st.booleans()), draw(st.booleans())
    extra = draw(st.fixed_dictionaries({}, optional={"metadata": JSON, "url": st.just("x")}))

    def line(record):
        return json.dumps({**extra, **record}, ensure_ascii=ascii_only or "metadata" in extra)

    corpus = [
        line({"_id": doc, "text": text} | ({} if title is None else {"title": title}))
        for doc, (title, text) in documents.items()
    ]
    asked = [line({"_id": query, "text": text}) for query, text in queries.items()]
    head = draw(st.sampled_from(["", "query-id\tcorpus-id\tscore", "qid 0 docno rel"]))
    gap, middle = draw(st.sampled_from("\t ")), ["0"] if four else []
    judged = [
        gap.join([query, *middle, doc, str(grade)])
        for query, grades in qrels.items()
        for doc, grade in grades.items()
    ]
    files = []
    for lines in (corpus, asked, [*([head] if head else []), *judged]):
        end = draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n"]))
        mark = draw(st.sampled_from(["", "\ufeff"]))
        files.append((mark + end.join(lines) + draw(st.sampled_from(["", end]))).encode())
    return files


VALID = layouts(contents())
NUMBERED = contents().map(
    lambda c: [{"_id": d, "text": t[1], "title": t[0]} for d, t in c[0].items()]
)


def put(folder, files, packed=False):
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, files, strict=True):
        plain, zipped = folder / name, folder / f"{name}.gz"
        for path in (plain, zipped):
            path.unlink(missing_ok=True)
        if packed:
            zipped.write_bytes(content)
        else:
            plain.write_bytes(content)
    return folder


def load(folder, **settings):
    return load_collection(BeirDirSettings(path=folder, **settings))


def loaded(loader, folder, **settings):
    """Return the collection, None where it is refused as it should be."""
    try:
        collection = load(folder, **settings)
    except (DataError, StorageError) as error:
        message = str(error)
        check_line(message, *(folder / name for name in FILES))
        lines = [numbered_line(message, folder / (name + z)) for name in FILES for z in ("", ".gz")]
        assert any(lines) or WHOLE_FILE.search(message), message
        return None
    READ[loader] += 1
    check_collection(collection)
    return collection


def check_collection(collection):
    doc_ids = [document.id for document in collection.documents]
    query_ids = [query.id for query in collection.queries]
    for ids in (doc_ids, query_ids):
        assert ids and len(set(ids)) == len(ids)
        assert all(value.split() == [value] and value.encode() for value in ids)
    assert list(collection.qrels) == query_ids
    for judged in collection.qrels.values():
        assert judged and set(judged) <= set(doc_ids)
        assert all(type(grade) is int and abs(grade) < 10**9 for grade in judged.values())
    assert all(query.text.strip() and query.text.encode() for query in collection.queries)
    assert all(isinstance(text.encode(), bytes) for text in collection.texts)
    assert len(collection.fingerprint) == 64


def rewritten(collection):
    corpus = [{"_id": d.id, "title": d.title, "text": d.body} for d in collection.documents]
    queries = [{"_id": query.id, "text": query.text} for query in collection.queries]
    judged = [
        f"{query}\t{doc}\t{grade}"
        for query, grades in collection.qrels.items()
        for doc, grade in grades.items()
    ]
    return [
        *("\n".join(map(json.dumps, records)).encode() for records in (corpus, queries)),
        "\n".join(judged).encode(),
    ]


def same(a, b):
    return (a.documents, a.queries, a.qrels) == (b.documents, b.queries, b.qrels)


@fuzz(FOLDER, content=contents(), data=st.data(), packed=st.booleans())
def test_a_good_folder_gives_what_stands_in_it(tmp_path, content, data, packed):
    files = data.draw(layouts(st.just(content)))
    if packed:
        files = [gzip.compress(part) for part in files]
    collection = loaded(FOLDER, put(tmp_path / "a", files, packed))
    documents, queries, qrels = content
    assert {d.id: (d.title, d.body) for d in collection.documents} == {
        doc: (title or "", text) for doc, (title, text) in documents.items()
    }
    assert {query.id: query.text for query in collection.queries} == {
        query: text for query, text in queries.items() if query in qrels
    }
    assert collection.qrels == qrels


@fuzz(FOLDER, files=VALID, which=st.integers(0, 1), data=st.data(), packed=st.booleans())
def test_a_damaged_folder_is_refused_or_gives_a_valid_collection(
    tmp_path, files, which, data, packed
):
    if packed:
        files = [gzip.compress(part, mtime=0) for part in files]
    files[which] = data.draw(raw(st.just(files[which])))
    collection = loaded(FOLDER, put(tmp_path / "a", files, packed), max_unknown_docs=1.0)
    if collection is None:
        return
    if not packed:
        records = [line for line in files[0].split(b"\n") if line.strip(b" \t\r\n\xef\xbb\xbf")]
        assert len(collection.documents) <= len(records)
    assert same(load(put(tmp_path / "b", rewritten(collection))), collection)
    write_snapshot(collection, tmp_path / "snapshot")
    assert read_snapshot(tmp_path / "snapshot") == collection


@fuzz(QRELS, files=VALID, data=st.data(), ending=st.sampled_from([".tsv", ".trec", ".qrels"]))
def test_damaged_qrels_are_refused_or_give_only_grades_that_stand_there(
    tmp_path, files, data, ending
):
    files[2] = data.draw(raw(st.just(files[2])))
    folder = put(tmp_path / "a", files)
    collection = loaded(QRELS, folder, max_unknown_docs=1.0)
    if collection is None:
        return
    rows = [line.split() for line in files[2].decode("utf-8-sig").split("\n")]
    stated = {
        (row[0], row[-2]): int(row[-1])
        for row in rows
        if row and row[-1].isascii() and re.fullmatch(r"[+-]?[0-9]+", row[-1])
    }
    for query, grades in collection.qrels.items():
        for doc, grade in grades.items():
            assert stated[query, doc] == grade


@fuzz(FOLDER, records=NUMBERED.flatmap(altered), queries=st.booleans())
def test_records_with_wrong_values_are_refused_or_loaded_as_they_are(tmp_path, records, queries):
    lines = records if isinstance(records, list) else [records]
    content = "\n".join(map(json.dumps, lines)).encode()
    known = [r["_id"] for r in lines if isinstance(r, dict) and isinstance(r.get("_id"), str)]
    plain = [value for value in known if value.split() == [value]]
    judged = f"q {plain[0] if plain else 'x'} 1".encode("utf-8", "replace")
    files = [content, b'{"_id": "q", "text": "a"}', judged]
    if queries:
        files = [b'{"_id": "d", "text": "a"}', content, judged.split()[1] + b" d 1"]
    collection = loaded(FOLDER, put(tmp_path / "a", files))
    if collection is None:
        return
    found = (
        [(q.id, q.text) for q in collection.queries]
        if queries
        else [(d.id, d.body) for d in collection.documents]
    )
    stated = [(str(record["_id"]), record["text"]) for record in lines]
    assert (set(found) <= set(stated)) if queries else (found == stated)


@fuzz(
    FOLDER,
    files=VALID,
    docs=st.none() | st.integers(1, 5),
    queries=st.none() | st.integers(1, 3),
    seed=st.integers(0, 2**70),
)
def test_a_sample_is_a_valid_collection(tmp_path, files, docs, queries, seed):
    folder = put(tmp_path / "a", files)
    sample = {"docs": docs, "queries": queries, "seed": seed}
    whole, part = loaded(FOLDER, folder), loaded(FOLDER, folder, sample=sample)
    assert set(part.documents) <= set(whole.documents)
    assert part.qrels.items() <= whole.qrels.items()
    if queries is not None:
        assert len(part.queries) == min(queries, len(whole.queries))


@fuzz(FOLDER, path=ANY_TEXT | st.sampled_from(["~nobody/x", "x" * 5000, "a\0b", "\ud800", ".."]))
def test_a_path_that_leads_nowhere_is_refused(path):
    answer(FOLDER, lambda: load(path), "dataset.path", "BEIR layout")


@fuzz(
    "collection snapshot",
    name=st.sampled_from(["manifest.json", "documents.jsonl", "qrels.tsv"]),
    data=st.data(),
)
def test_a_damaged_snapshot_is_refused(tiny_collection, tmp_path, name, data):
    write_snapshot(tiny_collection, tmp_path)
    path = tmp_path / name
    path.write_bytes(data.draw(raw(st.just(path.read_bytes()))))
    found = answer("collection snapshot", lambda: read_snapshot(tmp_path), tmp_path)
    assert found is None or found == tiny_collection


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "d", "_id": "e", "text": ""}', "1: .*'_id' stands twice"),
        ("corpus.jsonl", '{"_id": "\\ufeffd", "text": ""}', "1: .*begins with a byte order mark"),
        ("qrels/test.tsv", "q\td\t1\n\ufeffq\te\t1\n", "2: .*begins with a byte order mark"),
        ("qrels/test.tsv", "q\td\t1\x1b[2J", r"1: the grade '1\\x1b\[2J' is not an integer"),
    ],
)
def test_what_fuzzing_found(tmp_path, name, content, message):
    put(tmp_path, [b'{"_id": "d", "text": ""}', b'{"_id": "q", "text": "a"}', b"q\td\t1"])
    (tmp_path / name).write_bytes(content.encode())
    with pytest.raises(ColbenchError, match=message) as caught:
        load(tmp_path)
    check_line(str(caught.value), tmp_path / name)
