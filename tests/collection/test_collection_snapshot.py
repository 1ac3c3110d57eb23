from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbench.collection.model import Collection, Document, Query, Sampling
from colbench.collection.raw import id_problem
from colbench.collection.snapshot import read_snapshot, write_snapshot
from colbench.errors import StorageError

TEXT = st.text(st.characters(codec="utf-8"))
ID = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda v: id_problem(v) is None)
SIZE = st.none() | st.integers(1)


METADATA = st.dictionaries(
    TEXT, TEXT | st.integers(-9, 9) | st.booleans() | st.floats(-1, 1), max_size=2
)


@st.composite
def collections(draw):
    documents = draw(
        st.lists(st.builds(Document, ID, TEXT, TEXT), min_size=1, unique_by=lambda d: d.id)
    )
    queries = draw(
        st.lists(st.builds(Query, ID, TEXT, METADATA), min_size=1, unique_by=lambda q: q.id)
    )
    judged = st.dictionaries(
        st.sampled_from([d.id for d in documents]), st.integers(-2, 4), min_size=1
    )
    return Collection(
        name=draw(TEXT),
        documents=documents,
        queries=queries,
        qrels={query.id: draw(judged) for query in queries},
        ignore_identical_ids=draw(st.booleans()),
        query_length=draw(st.none() | st.integers(2, 512)),
        sampled=draw(
            st.none()
            | st.builds(
                Sampling,
                docs=st.none() | st.integers(1),
                queries=st.none() | st.integers(1),
                seed=st.just(3),
            )
        ),
        notes=tuple(draw(st.lists(TEXT))),
    )


@given(collections())
def test_a_snapshot_reads_back_equal(collection):
    with tempfile.TemporaryDirectory() as name:
        write_snapshot(collection, Path(name))
        again = read_snapshot(Path(name))
    assert again == collection
    assert again.fingerprint == collection.fingerprint
    assert [list(judged) for judged in again.qrels.values()] == [
        list(judged) for judged in collection.qrels.values()
    ]


def test_line_breaks_of_every_kind_survive(tiny_collection, tmp_path):
    strange = Document("x", "a\r\nb", "\u2028\u2029\x85\x0b\x0c\x1e\ufeff\x00")
    collection = Collection(
        name="tiny",
        documents=[*tiny_collection.documents, strange],
        queries=tiny_collection.queries,
        qrels=tiny_collection.qrels,
    )
    write_snapshot(collection, tmp_path)
    assert read_snapshot(tmp_path).documents[-1] == strange


def test_the_same_collection_writes_the_same_bytes(tiny_collection, tmp_path):
    for name in ("a", "b"):
        write_snapshot(tiny_collection, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["documents.jsonl", "manifest.json", "qrels.tsv", "queries.jsonl"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", ["documents.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_changed_file_is_refused(tiny_collection, tmp_path, name):
    write_snapshot(tiny_collection, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-2] + b"\n")
    with pytest.raises(StorageError, match=rf"is damaged \({name} does not match"):
        read_snapshot(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        read_snapshot(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"{}", b'{"format": 1}', b"\xff\xfe", b'{"format": 99}']
)
def test_a_manifest_that_is_none_is_refused(tiny_collection, tmp_path, content):
    write_snapshot(tiny_collection, tmp_path)
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(StorageError, match="delete it and run again") as caught:
        read_snapshot(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_snapshot_is_refused(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        read_snapshot(tmp_path / "nowhere")


def test_the_manifest_names_collection_and_checksums(tiny_collection, tmp_path):
    write_snapshot(tiny_collection, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["name"] == "tiny"
    assert set(manifest["sha256"]) == {"documents.jsonl", "queries.jsonl", "qrels.tsv"}
