from __future__ import annotations

import gzip
import json

import pytest

from colbench.collection.load import load_collection
from colbench.collection.model import Document, Query
from colbench.collection.settings import BeirDirSettings
from colbench.errors import DataError, StorageError

CORPUS = '{"_id": "d1", "title": "T", "text": "one"}\n{"_id": "d2", "text": "two"}\n'
QUERIES = '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "mine"
    (root / "qrels").mkdir(parents=True)
    (root / "corpus.jsonl").write_text(CORPUS, encoding="utf-8")
    (root / "queries.jsonl").write_text(QUERIES, encoding="utf-8")
    (root / "qrels" / "test.tsv").write_text(QRELS, encoding="utf-8")
    return root


def load(folder, **settings):
    return load_collection(BeirDirSettings(path=folder, **settings))


def refuse(folder, message, error=DataError, **settings):
    with pytest.raises(error, match=message) as caught:
        load(folder, **settings)
    assert "\n" not in str(caught.value)


def test_a_plain_folder_loads_in_source_order(folder):
    collection = load(folder)
    assert collection.name == "mine/test"
    assert collection.documents == [Document("d1", "T", "one"), Document("d2", "", "two")]
    assert collection.queries == [Query("q1", "first"), Query("q2", "second")]
    assert collection.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert not collection.ignore_identical_ids
    assert collection.notes == ()


def test_gzipped_files_give_the_same_collection(folder):
    plain = load(folder)
    for path in [folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels/test.tsv"]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert load(folder) == plain


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.tsv", "q1\td1\t1\nq2\td2\t2\n"),
        ("test.tsv", "query-id corpus-id score\r\nq1 d1 1\r\n\r\nq2 d2 2"),
        ("test.txt", "q1 0 d1 1\nq2 Q0 d2 +2\n"),
        ("test.qrels", "qid\titer\tdocno\trelevance\nq1\t0\td1\t1\nq2\t0\td2\t2\n"),
        ("test.trec", "q1 0 d1 1\nq2 0 d2 2\nq2 0 d2 2\n"),
    ],
)
def test_qrels_may_be_beir_or_trec_with_or_without_header(folder, name, content):
    expected = load(folder).qrels
    (folder / "qrels" / "test.tsv").unlink()
    (folder / "qrels" / name).write_bytes(content.encode())
    assert load(folder).qrels == expected


def test_negative_and_zero_grades_are_kept(folder):
    (folder / "qrels/test.tsv").write_text("q1 d1 -1\nq1 d2 0\nq2 d2 1\n")
    assert load(folder).qrels["q1"] == {"d1": -1, "d2": 0}


def test_byte_order_marks_blank_lines_and_windows_line_ends_are_accepted(folder):
    expected = load(folder)
    for path in [folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels/test.tsv"]:
        text = path.read_text(encoding="utf-8").replace("\n", "\r\n\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(folder) == expected


def test_line_separators_inside_a_text_end_no_line(folder):
    text = "a\u2028b\x0bc\x85d\re"
    record = json.dumps({"_id": "d2", "text": text}, ensure_ascii=False)
    (folder / "corpus.jsonl").write_bytes((CORPUS.splitlines()[0] + "\n" + record).encode())
    assert load(folder).documents[1].body == text


def test_integer_ids_are_read_as_their_spelling(folder):
    (folder / "corpus.jsonl").write_text('{"_id": 7, "text": "x"}\n')
    (folder / "qrels/test.tsv").write_text("q1 7 1\n")
    assert load(folder).qrels == {"q1": {"7": 1}}


def test_ids_with_slashes_and_long_documents_are_fine(folder):
    body = "word " * 250_000
    record = json.dumps({"_id": "../a/b", "title": None, "text": body})
    (folder / "corpus.jsonl").write_text(record)
    (folder / "qrels/test.tsv").write_text("q1 ../a/b 1\n")
    assert load(folder).documents == [Document("../a/b", "", body)]


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"_id": "d1", "text": ', "not valid JSON at column"),
        ("[" * 100_000, "not valid JSON"),
        ('{"_id": ' + "9" * 5000 + ', "text": "x"}', "not valid JSON"),
        ('["d1", "text"]', "a list, not an object"),
        ('{"text": "x"}', "the key '_id' is missing"),
        ('{"_id": "d1"}', "the key 'text' is missing"),
        ('{"_id": "d1", "text": null}', "'text' must be a string, not null"),
        ('{"_id": "d1", "text": ["x"]}', "'text' must be a string, not list"),
        ('{"_id": 1.5, "text": "x"}', "'_id' must be a string, not float"),
        ('{"_id": true, "text": "x"}', "'_id' must be a string, not bool"),
        ('{"_id": "", "text": "x"}', "id '' is empty"),
        ('{"_id": "a b", "text": "x"}', "id 'a b' contains whitespace"),
        ('{"_id": "a\\n", "text": "x"}', "contains whitespace"),
        ('{"_id": "d1", "text": "\\ud800"}', "half a surrogate pair"),
    ],
)
def test_a_bad_line_is_refused_with_file_and_line(folder, file, line, message):
    (folder / file).write_text('{"_id": "ok", "text": "x"}\n\n' + line + "\n")
    refuse(folder, rf"{file}:3: .*{message}")


def test_a_title_that_is_no_string_is_refused(folder):
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": 1, "text": "x"}\n')
    refuse(folder, r"corpus.jsonl:1: 'title' must be a string, not int")


@pytest.mark.parametrize(("file", "kind"), [("corpus", "document"), ("queries", "query")])
def test_a_duplicate_id_is_refused_with_file_and_line(folder, file, kind):
    path = folder / f"{file}.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0])
    refuse(folder, rf"{file}.jsonl:3: {kind} id '.1' is used twice")


@pytest.mark.parametrize("file", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_bytes_that_are_not_utf8_are_refused_with_line_and_offset(folder, file):
    path = folder / file
    path.write_bytes(path.read_bytes() + b"caf\xe9")
    line = path.read_bytes().count(b"\n") + 1
    refuse(folder, rf"{file}:{line}: byte 4 of the line \(0xe9\) is not UTF-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 d1 1\nq2 d2\n", r"tsv:2: 2 columns, expected 3"),
        ("q1 d1\n", r"tsv:1: 2 columns, expected 3 \(BEIR\) or 4 \(TREC\)"),
        ("q1 0 d1 1 x\n", r"tsv:1: 5 columns"),
        ("q1 d1 1\nq1 0 d1 1\n", r"tsv:2: 4 columns, expected 3"),
        ("q1 d1 one\n", r"tsv:1: the grade 'one' is not an integer"),
        ("q1 d1 1\rq2 d2 1\r", r"tsv:1: lines end in a carriage return alone"),
        ("q1 d1 1.5\n", r"tsv:1: the grade '1.5' is not an integer; round the grades"),
        ("q1 d1 nan\n", r"tsv:1: the grade 'nan' is not an integer"),
        ("q1 d1 inf\n", r"tsv:1: the grade 'inf' is not an integer"),
        ("q1 d1 1e-999\n", r"tsv:1: the grade '1e-999' is not an integer"),
        ("q1 d1 0x1\n", r"tsv:1: the grade '0x1' is not an integer"),
        ("q1 0 d1 1234567890\n", r"tsv:1: the grade '1234567890' has more than 9 digits; the last"),
        ("q1 d1 1e999\n", r"tsv:1: the grade '1e999' has more than 9 digits"),
        ("q1 0 d1 -9999999999\n", r"more than 9 digits"),
        ("q1,d1,1\n", r"tsv:1: looks comma-separated; BEIR's qrels are tab-separated"),
        ("query-id,corpus-id,score\nq1,d1,1\n", r"tsv:1: looks comma-separated"),
        ("query-id, corpus-id, score\nq1, d1, 1\n", r"tsv:1: looks comma-separated"),
        ("q1, d1, 1\n", r"tsv:1: looks comma-separated"),
        ("a q,a d,1\n", r"tsv:1: looks comma-separated"),
        ("q1,0,d1,1\n", r"tsv:1: looks comma-separated"),
        ("q1;d1;1\n", r"tsv:1: looks semicolon-separated.*a tab in place of each semicolon"),
        ("q1|d1|1\n", r"tsv:1: looks bar-separated"),
        ("q1 d1 1\nq2,d2,1\n", r"tsv:2: looks comma-separated"),
        ("# only\n#\n", r"test.tsv: there are no judgments; 2 lines of test.tsv begin with #"),
        ("q1 d1 1_0\n", r"the grade '1_0' is not an integer"),
        ("q1 d1 ١\n", r"is not an integer"),
        ("query-id\tcorpus-id\tscore\nq1 d1 1\nquery-id\tcorpus-id\tscore\n", r"tsv:3: .*'score'"),
        ("q1 d1 1\n\nq1 d1 2\n", r"tsv:3: query 'q1' and document 'd1' are judged 2 here and 1"),
        ("", r"test.tsv: there are no judgments"),
        ("query-id\tcorpus-id\tscore\n", r"test.tsv: there are no judgments"),
        ("x d1 1\n", r"test.tsv: none of the judged queries is in the collection"),
        ("q1 d1 1\nq1 d9 1\n", r"test.tsv: 1 of 2 judgments \(50.0%\) name documents.*'d9'"),
    ],
)
def test_bad_qrels_are_refused(folder, content, message):
    (folder / "qrels/test.tsv").write_bytes(content.encode())
    refuse(folder, message)


@pytest.mark.parametrize(
    ("written", "grade"),
    [("1.0", 1), ("2.0", 2), ("1e0", 1), ("1.", 1), ("-1.0", -1), ("+3.000", 3), ("1e+02", 100)],
)
@pytest.mark.parametrize("line", ["q1\td1\t{}\n", "q1 0 d1 {}\n"])
def test_a_whole_number_is_a_grade_however_it_is_written(folder, line, written, grade):
    (folder / "qrels/test.tsv").write_text(line.format(written))
    assert load(folder).qrels == {"q1": {"d1": grade}}


COMMENTS = ["# version 2", "#", "#q1 d1 9 and more", "  # indented", "# a\tb\t1", "#!x #y"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("judgments", [QRELS, "q1 0 d1 1\nq2 0 d2 2\n"])
def test_comments_are_no_judgments_wherever_they_stand(folder, judgments, mark, line_end):
    expected = load(folder).qrels
    lines = judgments.splitlines()
    text = [*COMMENTS[:3], lines[0], COMMENTS[3], *lines[1:], *COMMENTS[4:]]
    (folder / "qrels/test.tsv").write_bytes((mark + line_end.join(text)).encode())
    collection = load(folder)
    assert collection.qrels == expected
    assert collection.notes == (
        "6 lines of test.tsv begin with # and are comments, as trec_eval reads it",
    )


def test_a_comment_that_could_be_a_judgment_is_named(folder):
    (folder / "qrels/test.tsv").write_text(QRELS + "#q3\td1\t1\n")
    (note,) = load(folder).notes
    assert note == (
        "1 line of test.tsv begins with # and is a comment, as trec_eval reads it; 1 of them could "
        "be judgments, for example '#q3 d1 1': the id of a judged query cannot begin with #"
    )


def test_marks_inside_ids_separate_nothing(folder):
    (folder / "corpus.jsonl").write_text('{"_id": "a,b;c|d,", "text": "x"}\n')
    (folder / "qrels/test.tsv").write_text("q1 0 a,b;c|d, 1\n")
    assert load(folder).qrels == {"q1": {"a,b;c|d,": 1}}


DECOMPOSED, COMPOSED = "cafe\u0301", "caf\u00e9"


@pytest.mark.parametrize("kind", ["queries", "corpus"])
@pytest.mark.parametrize("judged", [DECOMPOSED, COMPOSED])
def test_ids_in_two_unicode_forms_are_told_as_such(folder, kind, judged):
    other = COMPOSED if judged == DECOMPOSED else DECOMPOSED
    record = json.dumps({"_id": other, "text": "x"}, ensure_ascii=False)
    (folder / f"{kind}.jsonl").write_text(record, encoding="utf-8")
    pair = f"{judged} d1 1" if kind == "queries" else f"q1 {judged} 1"
    (folder / "qrels/test.tsv").write_text(pair, encoding="utf-8")
    forms = {DECOMPOSED: r"decomposed \(NFD\)", COMPOSED: r"composed \(NFC\)"}
    where = "queries" if kind == "queries" else "documents"
    refuse(
        folder,
        f"1 of these would be known in another Unicode form: '{judged}' is {forms[judged]} in the "
        f"qrels and {forms[other]} in the {where}: write both in one form",
    )


def test_some_ids_in_another_form_are_noted(folder):
    record = json.dumps({"_id": COMPOSED, "text": "x"}, ensure_ascii=False)
    (folder / "queries.jsonl").write_text(QUERIES + record, encoding="utf-8")
    judgments = f"{QRELS}{DECOMPOSED} d1 1\nx d1 1\n"
    (folder / "qrels/test.tsv").write_text(judgments, encoding="utf-8")
    assert "1 of these would be known in another Unicode form" in load(folder).notes[0]


@pytest.mark.parametrize(
    ("file", "message"), [("corpus", "there are no documents"), ("queries", "there are no queries")]
)
def test_an_empty_file_is_refused(folder, file, message):
    (folder / f"{file}.jsonl").write_text("\n")
    refuse(folder, rf"{file}.jsonl: {message}")


@pytest.mark.parametrize("file", ["corpus", "queries"])
def test_a_missing_file_is_refused_saying_what_was_looked_for(folder, file):
    (folder / f"{file}.jsonl").unlink()
    refuse(folder, rf"mine is not in BEIR layout: it has no {file}.jsonl or {file}.jsonl.gz")


def test_a_missing_folder_is_refused(folder):
    refuse(folder / "nowhere", r"there is no folder .*nowhere")


def test_an_unknown_split_names_those_there_are(folder):
    refuse(folder, r"no split 'tset': did you mean 'test'\?", split="tset")
    refuse(folder, r"no split 'dev': choose from: test", split="dev")
    (folder / "qrels/test.tsv").unlink()
    refuse(folder, r"qrels has no qrels: it needs test.tsv")
    (folder / "qrels").rmdir()
    refuse(folder, r"no folder 'qrels' with test.tsv")


def test_a_cut_off_gzip_file_is_refused(folder):
    records = (json.dumps({"_id": f"d{n}", "text": f"text {n * n}"}) for n in range(5000))
    whole = gzip.compress("\n".join(records).encode())
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(whole[:-20])
    refuse(folder, r"corpus.jsonl.gz: damaged after line [1-9]\d+ .*; fetch the file again")
    (folder / "corpus.jsonl.gz").write_bytes(b"not gzip")
    refuse(folder, r"corpus.jsonl.gz: damaged after line 0")


def test_a_file_that_cannot_be_read_is_a_storage_error(folder, monkeypatch):
    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", fail)
    refuse(folder, r"cannot read .*queries.jsonl: Permission denied", error=StorageError)


def test_the_rule_for_self_hits_can_be_chosen_and_is_noted_where_it_matters(folder):
    (folder / "queries.jsonl").write_text('{"_id": "d1", "text": "x"}')
    (folder / "qrels/test.tsv").write_text("d1 d2 1\n")
    assert "it is kept" in load(folder).notes[0]
    dropped = load(folder, ignore_identical_ids=True)
    assert dropped.ignore_identical_ids
    assert "dropped" in dropped.notes[0]


def test_the_msmarco_sample_loads_with_its_judged_queries_only(shared_data):
    collection = load(shared_data / "collections" / "msmarco-dl19-sample")
    assert collection.name == "msmarco-dl19-sample/test"
    assert (len(collection.documents), len(collection.queries)) == (5000, 43)
    assert collection.judgments == 4102
    assert collection.notes == ("7 of 50 queries have no judgment and are left out",)
