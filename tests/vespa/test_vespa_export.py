"""An index as a Vespa application: the package, the feed, and the scores of what is fed."""

import json
import re
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
from fed import matrices, score
from vespa.configuration.relaxng import RELAXNG
from vespa.configuration.services import validate_services
from vespa.package import ApplicationPackage
from words import WordEncoder

from colbench import Colbert
from colbench.application.results import Document
from colbench.cli.main import main
from colbench.vespa import export as exporting
from colbench.vespa.feed import document_id, signs, text_of
from colbench.vespa.package import application_name, field_names, make_package, maxsim

TEXTS = {
    "paris": "paris is the capital of france and has many bridges over its river",
    "50% #1\n": "berlin is the capital of germany",
    "void": "",
    "tides\0": "the moon \x00 pulls the sea",
}
ROWS = [
    {"Year!": 2020, "day": date(1970, 1, 2), "tags": ["city", "a\x01b"], "flag": True},
    {"Year!": 2.5, "at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)},
    None,
    {"year_": "x"},
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vespa") / "My facts"
    model = Colbert.from_pretrained(WordEncoder())
    return model.index(TEXTS.values(), folder, ids=TEXTS, metadata=ROWS, verbose=False)


@pytest.fixture(scope="module")
def exported(index, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vespa") / "out"
    assert main(["vespa", "export", str(index.folder), "--to", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def feed(exported):
    lines = (exported / "feed.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["fields"]["doc_id"]: line for line in map(json.loads, lines)}


def test_the_schema_has_tensors_and_maxsim_in_the_second_phase(exported):
    schema = (exported / "application" / "schemas" / "doc.sd").read_text()
    assert "field vectors type tensor<float>(passage{},token{},x[32])" in schema
    assert "field bits type tensor<int8>(passage{},token{},x[4])" in schema
    assert "query(qt) tensor<float>(querytoken{},x[32])" in schema
    profile = schema[schema.index("rank-profile bm25_maxsim ") :]
    first, second = profile.index("first-phase"), profile.index("second-phase")
    assert "bm25(text)" in profile[first:second] and "maxsim" in profile[second : second + 99]
    assert "rerank-count: 100" in profile
    for kind in ("meta_year type double", "meta_day type long", "meta_tags type array<string>"):
        assert f"field {kind}" in schema
    assert schema.count("{") == schema.count("}")
    profiles = exported / "application" / "search" / "query-profiles"
    (limit,) = ElementTree.parse(profiles / "default.xml").getroot().iter("field")
    assert (limit.get("name"), limit.text) == ("maxHits", "10000")
    assert (profiles / "types" / "root.xml").exists()


def test_pyvespa_takes_the_package_and_writes_the_same_again(exported):
    if "services" in RELAXNG:  # the wheel of pyvespa 1.2 lacks the grammar
        assert validate_services(exported / "application" / "services.xml")
    root = ElementTree.parse(exported / "application" / "services.xml").getroot()
    assert root.tag == "services" and root.find("content/documents/document").get("type") == "doc"
    fields = {"year": "number", "day": "date"}
    package = make_package("facts", 32, fields, ["float", "bits"], 50)
    assert isinstance(package, ApplicationPackage)
    (schema,) = package.schemas
    assert {profile.name for profile in schema.rank_profiles.values()} == {
        *("bm25", "bm25_maxsim", "maxsim", "bm25_maxsim_bits", "maxsim_bits")
    }
    assert (
        schema.schema_to_text
        == make_package("facts", 32, fields, ["float", "bits"], 50).schemas[0].schema_to_text
    )


def test_the_feed_has_every_document_in_order(index, feed):
    assert [document_id(doc) for doc in TEXTS] == [line["put"] for line in feed.values()]
    paris = feed["paris"]["fields"]
    assert paris["text"] == TEXTS["paris"]
    assert paris["meta_year"] == 2020 and paris["meta_flag"] is True
    assert paris["meta_day"] == 86_400_000 and paris["meta_tags"] == ["city", "a b"]
    assert feed["50% #1\n"]["fields"]["meta_at"] == 1000
    assert feed["void"]["fields"]["vectors"] == feed["void"]["fields"]["bits"] == {"blocks": []}
    addresses = [block["address"] for block in paris["vectors"]["blocks"]]
    assert {one["passage"] for one in addresses} == {"1", "2"}
    assert len(addresses) == sum(map(len, index.vectors("paris")))


def test_scores_of_the_fed_tensors_are_those_of_the_index(index, feed):
    for query in ("capital of france", "moon sea", "river bridges"):
        (vectors,) = index.encode(query, queries=True)[:1]
        found = index.search(query, k=9, search="exhaustive", arithmetic="fp32")
        assert len(found) == 3  # what has no token is not found
        for result in found:
            fields = feed[text_of(result.id)]["fields"]
            assert score(fields, vectors, "float") == pytest.approx(result.score, abs=1e-4)


def test_the_fed_floats_are_the_vectors_of_the_index_to_the_last_bit(index, feed):
    for doc in TEXTS:
        fed = matrices(feed[text_of(doc)]["fields"], "float")
        own = [rows for rows in index.vectors(doc) if len(rows)]
        assert len(fed) == len(own)
        assert all(one.tobytes() == other.tobytes() for one, other in zip(fed, own, strict=True))


def test_bits_are_signs_that_vespas_expression_unpacks(index, feed):
    (query,) = index.encode("capital of france", queries=True)
    for doc in ("paris", "50% #1\n"):
        best = max(
            float((query @ np.where(rows > 0, 1.0, -1.0).T).max(axis=1).sum())
            for rows in index.vectors(doc)
        )
        assert score(feed[doc]["fields"], query, "bits") == pytest.approx(best, abs=1e-4)
    assert signs(np.array([[1.0, -1, -1, -1, -1, -1, -1, -1]], np.float32)).tolist() == [[-128]]


def test_the_expression_is_maxsim_over_passages():
    assert maxsim("float") == (
        "reduce(sum(reduce(sum(query(qt) * (attribute(vectors)), x), max, token), querytoken), "
        "max, passage)"
    )
    assert "2 * unpack_bits(attribute(bits)) - 1" in maxsim("bits")


def test_ids_and_texts_that_vespa_refuses_are_replaced_and_counted(exported, feed):
    assert document_id("tides\0") == "id:colbench:doc::tides%00"
    assert feed["tides "]["fields"]["text"] == "the moon   pulls the sea"
    about = json.loads((exported / "export.json").read_text())
    assert about["documents_with_characters_replaced"] == 2  # a tag, a text with its id
    assert about["fields"]["Year!"] == {"name": "meta_year", "type": "number"}
    assert about["fields"]["year_"]["name"] == "meta_year_2"


def test_only_what_vespa_refuses_is_replaced():
    kept = "\t\n\r\x7f\x80\x92\x9f\ufde0\ufffd\ufffe\uffff\U0001f600 é"
    assert text_of(kept) == kept
    assert text_of("\0\x08\x0b\x1f\ufdd0\ufddf\U0001fffe\U0010ffff") == " " * 8


def test_names_are_legal_and_each_its_own():
    hostile = ["a b", "a_b", "A-B", "ä", "1", "x" * 300, "vectors", "doc_id"]
    names = field_names(dict.fromkeys(hostile, "string"))
    assert len(set(names.values())) == len(hostile)
    assert all(re.fullmatch(r"meta_[a-z0-9_]+", name) for name in names.values())
    from pathlib import Path

    assert application_name(Path("/x/Ünter 7")) == "nter7"
    for hostile_name in ("x" * 300, "-", "__init__", "2020", "default"):
        make_package(application_name(Path("/x") / hostile_name), 8, {}, ["bits"], 1)


def test_one_variant_and_a_few_documents_can_be_asked_for(index, tmp_path, capsys):
    command = ["vespa", "export", str(index.folder), "--to", str(tmp_path / "out")]
    assert main([*command, "--variants", "bits", "--limit", "1"]) == 0
    (line,) = (tmp_path / "out" / "feed.jsonl").read_text().splitlines()
    assert "vectors" not in json.loads(line)["fields"]
    assert "vectors" not in (tmp_path / "out" / "application/schemas/doc.sd").read_text()
    assert main(command) == 0  # again, over what is there
    assert len((tmp_path / "out" / "feed.jsonl").read_text().splitlines()) == 4
    capsys.readouterr()
    (tmp_path / "out" / "mine").touch()
    assert main(command) == 2 and "holds 'mine'" in capsys.readouterr().err
    for more, told in (
        (["--variants", "int4"], "unknown variant"),
        (["--name", "Ä"], "--name"),
        (["--limit", "0"], "at least 1"),
    ):
        assert main([*command[:-1], str(tmp_path / "new"), *more]) == 2
        assert told in capsys.readouterr().err


def test_what_somebody_else_has_put_there_stays(index, tmp_path, capsys):
    """An application of Vespa's lies in a folder of that name, by Vespa's own convention."""
    own = tmp_path / "own" / "application" / "services.xml"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    command = ["vespa", "export", str(index.folder), "--to", str(tmp_path / "own")]
    for described in ("[]", '{"made_by": "me"}', "no JSON"):
        assert main(command) == 2
        assert "no export.json says that colbench made it" in capsys.readouterr().err
        (tmp_path / "own" / "export.json").write_text(described)
    assert own.read_text() == "mine"


def test_an_export_that_fails_leaves_the_last_one(index, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    command = ["vespa", "export", str(index.folder), "--to", str(folder)]
    assert main(command) == 0
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    def fail(*_):
        yield "half a line", False
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "lines", fail)
        assert main([*command, "--variants", "bits"]) == 2
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_an_export_killed_while_it_takes_its_place_can_be_made_again(index, tmp_path):
    folder = tmp_path / "out"
    command = ["vespa", "export", str(index.folder), "--to", str(folder)]
    assert main(command) == 0
    work = folder / ".export-killed"
    work.mkdir()
    (folder / "export.json").rename(work / "export.json")
    (folder / "feed.jsonl").unlink()
    assert main(command) == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        *(".lock", "application", "export.json", "feed.jsonl")
    ]


def test_projected_vectors_are_refused(tmp_path, capsys):
    model = Colbert.from_pretrained(WordEncoder())
    index = model.index(["a b c d e f g h i"] * 4, tmp_path / "small", dims=8, verbose=False)
    assert main(["vespa", "export", str(index.folder), "--to", str(tmp_path / "out")]) == 2
    assert "without dims" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_documents(index, tmp_path, monkeypatch):
    """A line is written before the next document is read."""
    from colbench.vespa import feed as module

    read, written = [], []
    documents = [Document(f"d{n}", "x", {}, index.get("paris")[0].passages[:1]) for n in range(5)]

    def stream():
        for document in documents:
            read.append(document.id)
            yield document

    monkeypatch.setattr(index, "documents", stream, raising=False)
    monkeypatch.setattr(module, "_tensors", lambda *_: {})
    for _ in module.lines(index, ["float"]):
        written.append(1)
        assert len(read) == len(written)
