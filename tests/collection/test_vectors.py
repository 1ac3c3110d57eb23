"""`dataset=vectors`: what is read, what is told at once, and that nothing else is read."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from colbench.collection.load import has_judgments, load_collection, load_documents
from colbench.collection.settings import SampleSettings, VectorsSettings
from colbench.collection.snapshot import read_snapshot, write_snapshot
from colbench.collection.vectors.given import QueryText, numbers
from colbench.errors import DataError, StorageError
from colbench.vectors import write_vectors

DIMS = 8


def rows(seed, count, dims=DIMS):
    values = np.random.default_rng(seed).normal(size=(count, dims)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


DOCUMENTS = {"p1": rows(1, 3), "p2": rows(2, 1), "p3": rows(3, 5)}
QUERIES = {"q1": rows(4, 2), "q2": rows(5, 3)}
QRELS = {"q1": {"p1": 1}, "q2": {"p2": 2, "p3": 0}}


@pytest.fixture
def folder(tmp_path):
    return write_vectors(tmp_path / "pages", DOCUMENTS, QUERIES)


def load(folder, kept=None, **settings):
    return load_collection(VectorsSettings(path=folder, **settings), kept)


def refuse(folder, message, error=DataError, **settings):
    with pytest.raises(error, match=message) as caught:
        load(folder, **settings)
    assert "\n" not in str(caught.value)


def read(vectors, places=None):
    blocks = [block for _, _, block in vectors.blocks(4)]
    return np.concatenate(blocks)


def as_npy(folder, stem, values, lengths, ids):
    """Put arrays in place of a safetensors file."""
    (folder / f"{stem}.safetensors").unlink(missing_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    np.save(folder / f"{stem}.values.npy", values, allow_pickle=True)
    np.save(folder / f"{stem}.lengths.npy", lengths)
    (folder / f"{stem}.ids.txt").write_bytes("".join(f"{i}\n" for i in ids).encode("utf-8"))


def npy(folder, values=None, lengths=(3, 1, 5), ids=("p1", "p2", "p3")):
    values = np.concatenate(list(DOCUMENTS.values())) if values is None else values
    as_npy(folder, "documents", values, np.array(lengths), ids)
    return folder


def raw_file(path, entries, data, length=None):
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    size = len(header) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + header + data)


def test_vectors_come_back_as_they_were_written(folder):
    collection = load(folder)
    assert collection.name == "pages"
    assert [d.id for d in collection.documents] == list(DOCUMENTS)
    assert [(q.id, q.text) for q in collection.queries] == [("q1", "q1"), ("q2", "q2")]
    assert (
        not collection.is_judged
        and collection.qrels == {}
        and not has_judgments(VectorsSettings(path=folder))
    )
    given = collection.given
    assert given.documents.precision == "fp16" and given.queries.precision == "fp32"
    expected = np.concatenate(list(DOCUMENTS.values())).astype(np.float16)
    assert np.array_equal(read(given.documents), expected)
    assert np.array_equal(read(given.queries), np.concatenate(list(QUERIES.values())))
    assert any("no judgments" in note for note in collection.notes)


def test_safetensors_itself_reads_what_is_written(folder):
    arrays = load_file(folder / "documents.safetensors")
    assert arrays["lengths"].tolist() == [3, 1, 5]
    assert arrays["ids"].tobytes() == b"p1\np2\np3\n"
    assert np.array_equal(arrays["values"][3], DOCUMENTS["p2"][0].astype(np.float16))


def test_files_of_others_are_read(folder, tmp_path):
    values = np.concatenate(list(DOCUMENTS.values()))
    (folder / "manifest.json").unlink()
    ids = np.frombuffer(b"p1\np2\np3", dtype=np.uint8)  # no line break at the end
    arrays = {"lengths": np.array([3, 1, 5], dtype=np.int32), "ids": ids, "values": values}
    save_file(arrays, folder / "documents.safetensors", metadata={"who": "cares"})
    assert np.array_equal(read(load(folder).given.documents), values)
    one = load(npy(folder))
    assert np.array_equal(read(one.given.documents), values)
    assert load(folder).fingerprint == one.fingerprint
    (folder / "documents.ids.txt").unlink()
    np.save(folder / "documents.ids.npy", np.array(["p1", "p2", "p3"]))
    assert load(folder).doc_ids == ["p1", "p2", "p3"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "bfloat16"])
def test_every_type_is_read_as_torch_reads_it(tmp_path, dtype):
    import torch

    made = write_vectors(tmp_path / "v", DOCUMENTS, QUERIES, dtype=dtype)
    expected = torch.from_numpy(np.concatenate(list(DOCUMENTS.values())))
    expected = expected.to(getattr(torch, dtype)).float().numpy()
    assert np.array_equal(read(load(made).given.documents).astype(np.float32), expected)


def test_bfloat16_of_special_values():
    bits = np.array([0x3F80, 0x8000, 0x7F80], dtype="<u2")
    assert numbers(bits, "bfloat16").tolist() == [1.0, -0.0, float("inf")]


def test_judgments_and_texts_are_read_where_they_are(tmp_path):
    made = write_vectors(
        tmp_path / "v", DOCUMENTS, QUERIES, QRELS,
        document_texts={"p1": "one", "p2": "two", "p3": "three"},
        query_texts={"q1": "same", "q2": "same"},
    )  # fmt: skip
    collection = load(made)
    assert collection.name == "v/test" and collection.qrels == QRELS
    assert collection.texts == ["one", "two", "three"] and collection.given.has_texts
    assert [q.text for q in collection.queries] == ["same", "same"]
    assert [q.text.query_id for q in collection.queries] == ["q1", "q2"]
    assert load_documents(VectorsSettings(path=made)).texts == ["one", "two", "three"]
    (made / "documents.jsonl").write_text('{"_id": "p1", "text": "one"}\n', encoding="utf-8")
    partly = load(made)
    assert not partly.given.has_texts and any("1 of 3" in note for note in partly.notes)
    with pytest.raises(DataError, match="only 1 of 3 documents have a text"):
        load_documents(VectorsSettings(path=made))
    (made / "documents.jsonl").write_text('{"_id": "p9", "text": "one"}\n', encoding="utf-8")
    refuse(made, "documents.jsonl:1: there are no vectors of document 'p9'")


def test_unjudged_queries_go_with_their_vectors(tmp_path):
    made = write_vectors(tmp_path / "v", DOCUMENTS, QUERIES, {"q2": {"p2": 1}})
    collection = load(made)
    assert [q.id for q in collection.queries] == ["q2"]
    assert np.array_equal(read(collection.given.queries), QUERIES["q2"])


def test_judgments_of_unknown_documents_and_queries_are_told(tmp_path):
    made = write_vectors(tmp_path / "v", DOCUMENTS, QUERIES, {"q1": {"p9": 1, "p1": 1}})
    refuse(made, "name documents the collection does not have, for example 'p9'")
    made = write_vectors(tmp_path / "w", DOCUMENTS, QUERIES, {"x": {"p1": 1}})
    refuse(made, "none of the judged queries is in the collection")
    made = write_vectors(tmp_path / "u", DOCUMENTS, QUERIES, QRELS)
    refuse(made, "has no split 'tset': did you mean 'test'", split="tset")


def test_a_sample_keeps_the_vectors_of_what_it_keeps(folder, tmp_path):
    collection = load(folder, sample=SampleSettings(docs=2, queries=1))
    expected = np.concatenate([DOCUMENTS[doc] for doc in collection.doc_ids]).astype(np.float16)
    assert np.array_equal(read(collection.given.documents), expected)
    (query,) = collection.queries
    assert np.array_equal(read(collection.given.queries), QUERIES[query.id])
    write_snapshot(collection, tmp_path / "snapshot")
    again = read_snapshot(tmp_path / "snapshot")
    assert again == collection and again.fingerprint == collection.fingerprint
    assert np.array_equal(read(again.given.documents), expected)
    assert isinstance(again.queries[0].text, QueryText)
    assert again.queries[0].text.query_id == query.id


def test_a_change_of_any_number_changes_the_fingerprint(tmp_path):
    one = load(write_vectors(tmp_path / "a", DOCUMENTS, QUERIES)).fingerprint
    assert load(write_vectors(tmp_path / "b", DOCUMENTS, QUERIES)).fingerprint == one
    other = {**DOCUMENTS, "p3": rows(9, 5)}
    assert load(write_vectors(tmp_path / "c", other, QUERIES)).fingerprint != one
    asked = {**QUERIES, "q1": rows(9, 2)}
    assert load(write_vectors(tmp_path / "d", DOCUMENTS, asked)).fingerprint != one
    split = {
        "p1": DOCUMENTS["p1"][:2],
        "p2": np.concatenate([DOCUMENTS["p1"][2:], DOCUMENTS["p2"]]),
    }
    moved = {**split, "p3": DOCUMENTS["p3"]}
    assert load(write_vectors(tmp_path / "e", moved, QUERIES)).fingerprint != one


def test_the_check_is_remembered_until_a_file_changes(folder, tmp_path, monkeypatch):
    from colbench.collection.vectors import folder as module

    old = 1_600_000_000
    for file in folder.iterdir():
        os.utime(file, (old, old))
    monkeypatch.setattr(module, "_YOUNG_SECONDS", 0.0)
    seen = []
    examine = module.examine
    monkeypatch.setattr(module, "examine", lambda *given: seen.append(1) or examine(*given))
    kept = tmp_path / "kept"
    first = load(folder, kept)
    assert len(seen) == 2
    assert load(folder, kept).fingerprint == first.fingerprint and len(seen) == 2
    file = folder / "documents.safetensors"
    content = bytearray(file.read_bytes())
    content[1024] ^= 1  # the first bit of the first value
    file.write_bytes(content)
    os.utime(file, (old, old))  # the inode's own time of change tells
    with pytest.raises(StorageError, match=r"documents.safetensors is not what manifest.json says"):
        load(folder, kept)
    (folder / "manifest.json").unlink()
    assert load(folder, kept).fingerprint != first.fingerprint
    memos = list(kept.rglob("manifest.json"))
    assert len(memos) == 3  # of the queries, and of the documents before and after
    for memo in memos:
        memo.write_text("{", encoding="utf-8")
    assert load(folder, kept).fingerprint != first.fingerprint


def test_what_the_check_keeps_goes_with_the_cache(folder, tmp_path, monkeypatch):
    from colbench.collection.vectors import folder as module
    from colbench.encoder.cache.store import EmbeddingCache, collections

    monkeypatch.setattr(module, "_YOUNG_SECONDS", -1.0)
    root = tmp_path / "cache"
    load(folder, collections(root))
    assert len(list(collections(root).iterdir())) == 2
    assert EmbeddingCache(root).prune(everything=True) > 0
    assert not collections(root).exists()


def test_a_worker_refuses_a_file_that_was_changed_since(folder):
    given = load(folder).given
    file = folder / "documents.safetensors"
    os.utime(file, (1, 1))
    with pytest.raises(StorageError, match="was changed since the collection was checked"):
        read(given.documents)


BAD_ROWS = [(np.nan, 4, "vector 1 of document 'p3'"), (np.inf, 3, "vector 1 of document 'p2'")]


@pytest.mark.parametrize(("value", "row", "place"), BAD_ROWS)
def test_nan_and_infinity_are_told_with_their_place(folder, value, row, place):
    values = np.concatenate(list(DOCUMENTS.values()))
    values[row:, 2] = value
    refuse(npy(folder, values), f"{place} holds NaN or infinity")
    refuse(npy(folder, values), place, unnormalized="allow")


def test_rows_of_another_length_than_one_are_told_scaled_or_taken(folder):
    values = np.concatenate(list(DOCUMENTS.values()))
    values[5] *= 2
    npy(folder, values)
    refuse(folder, r"vector 2 of document 'p3' has the length 2, not 1 \(1 of 9 vectors\)")
    scaled = load(folder, unnormalized="normalize").given.documents
    assert np.allclose(np.linalg.norm(read(scaled), axis=1), 1, atol=1e-6)
    taken = load(folder, unnormalized="allow")
    assert np.array_equal(read(taken.given.documents), values)
    assert any("taken as they are" in note for note in taken.notes)
    assert load(folder, unnormalized="normalize").fingerprint != taken.fingerprint
    values[6] = 0
    npy(folder, values)
    refuse(folder, "vectors of zeros are padding")
    refuse(folder, "vector 3 of document 'p3' is all zeros", unnormalized="normalize")
    values[6] = 1e6
    npy(folder, values)
    refuse(folder, "a number beyond 65,504", unnormalized="allow")
    assert load(folder, unnormalized="normalize")


def test_rounding_to_bfloat16_is_no_other_length(tmp_path):
    documents = {"p": rows(1, 500, 128)}
    made = write_vectors(tmp_path / "v", documents, {"q": rows(2, 2, 128)}, dtype="bfloat16")
    assert load(made).given.documents.precision == "bf16"


LENGTHS = [
    ((3, 1, 4), "the lengths sum to 8, but there are 9 vectors"),
    ((3, 1, 6), "the lengths sum to 10"),
    ((3, 0, 6), "the length of document 'p2' is 0"),
    ((3, -1, 7), "the length of document 'p2' is -1"),
    ((3, 1, 1 << 62), "the length of document 'p3' is 4611686018427387904"),
    ((3, 1), r"lengths have the shape \(2,\), where there are 3 ids"),
    ([[3, 1, 5]], r"lengths have the shape \(1, 3\)"),
    ((3.0, 1.0, 5.0), "lengths are float64: write them as int64"),
]


@pytest.mark.parametrize(("lengths", "message"), LENGTHS)
def test_wrong_lengths_are_told(folder, lengths, message):
    refuse(npy(folder, lengths=lengths), message)


def test_lengths_that_overflow_are_told(folder):
    lengths = np.array([2**64 - 1, 1, 5], dtype=np.uint64)
    refuse(npy(folder, lengths=lengths), "the length of document 'p1' is 18446744073709551615")


IDS = [
    (("p1", "p1", "p3"), "document id 'p1' is used twice"),
    (("p1", "", "p3"), "document id '' is empty"),
    (("p1", "p 2", "p3"), "document id 'p 2' contains whitespace"),
    (("p1", "p2"), "there are 2 ids"),
    ((), "there are no documents"),
]


@pytest.mark.parametrize(("ids", "message"), IDS)
def test_wrong_ids_are_told(folder, ids, message):
    refuse(npy(folder, ids=ids), message)


def test_ids_in_no_encoding_are_told(folder):
    npy(folder)
    (folder / "documents.ids.txt").write_bytes(b"p1\n\xff\np3\n")
    refuse(folder, "documents.ids.txt:2: byte 1 .* is not UTF-8")
    (folder / "documents.ids.txt").unlink()
    refuse(folder, "there are no ids of documents: put them into documents.ids.txt")
    np.save(folder / "documents.ids.npy", np.array(["p1", "p\ud800", "p3"]))
    refuse(folder, "surrogate")
    no_characters = np.array([1 << 30, 1, 2], dtype="<u4").view("<U1")
    np.save(folder / "documents.ids.npy", no_characters)
    refuse(folder, "ids are not UTF-8 .*is no character")
    np.save(folder / "documents.ids.npy", np.array([1, 2, 3]))
    refuse(folder, "ids must be uint8")
    np.save(folder / "documents.ids.npy", np.array(["p1", None, "p3"]), allow_pickle=True)
    refuse(folder, "holds Python objects, which are never loaded")


ARRAYS = [
    (lambda v: v.astype(np.float64), "values are float64"),
    (lambda v: (v * 100).astype(np.int8), "values are int8"),
    (lambda v: v.astype(object), "holds Python objects, which are never loaded"),
    (lambda v: np.asfortranarray(v), "is in Fortran order"),
    (lambda v: v.astype(">f4"), "is big-endian"),
    (lambda v: v.ravel(), r"values have the shape \(72,\)"),
    (lambda v: v.reshape(3, 3, 8), r"values have the shape \(3, 3, 8\)"),
    (lambda v: v[:, :0], r"values have the shape \(9, 0\)"),
    (lambda v: v[:, :4], "queries have 8 dimensions, documents 4"),
    (lambda v: v.astype(complex), "values are complex128"),
    (lambda v: v.view([("a", "<f4")]), "holds records"),
]


@pytest.mark.parametrize(("change", "message"), ARRAYS)
def test_arrays_of_another_kind_are_told(folder, change, message):
    refuse(npy(folder, change(np.concatenate(list(DOCUMENTS.values())))), message)


def test_a_pickle_is_never_loaded(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    trap = np.empty(9, dtype=object)
    trap[:] = [Trap() for _ in range(9)]
    refuse(npy(folder, trap), "never loaded")
    import pickle

    (folder / "documents.values.npy").write_bytes(pickle.dumps(Trap()))
    refuse(folder, "is no .npy file that can be read")
    assert not (tmp_path / "sprung").exists()


def test_whatever_numpy_raises_of_a_header_is_told(folder):
    file = npy(folder) / "documents.values.npy"
    content = file.read_bytes()
    for broken in (b"{(" * 9, b"\x00" * 9, b"{'descr': '" + b"9" * 9, b"1L" * 9):
        file.write_bytes(content.replace(content[10 : 10 + len(broken)], broken))
        refuse(folder, "is no .npy file that can be read")


def test_truncated_and_longer_files_are_told(folder):
    npy(folder)
    file = folder / "documents.values.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    refuse(folder, "5 bytes at its end are missing")
    file.write_bytes(content + b"x")
    refuse(folder, "1 bytes at its end belong to no array")
    file.write_bytes(content[:20])
    refuse(folder, "is no .npy file that can be read")
    file.write_bytes(b"")
    refuse(folder, "is no .npy file that can be read")


def entry(dtype="F32", shape=(1, 8), offsets=(0, 32)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HEADERS = [
    ({"values": entry(shape=[1 << 40, 1 << 40])}, "header is not valid"),
    ({"values": entry(shape=[-1, 8])}, "must be whole numbers"),
    ({"values": entry(shape=[1.0, 8])}, "must be whole numbers"),
    ({"values": entry(shape=[True, 8])}, "must be whole numbers"),
    ({"values": entry(offsets=(8, 40))}, "overlap or leave holes"),
    ({"values": entry(), "lengths": entry("I64", [1], [24, 32])}, "overlap or leave holes"),
    ({"values": entry(dtype="F8_E4M3", shape=[4, 8])}, "type 'F8_E4M3' is none that is read"),
    ({"values": entry(offsets=(0, 16))}, "16 bytes are given for an array of 32"),
    ({"values": {"dtype": "F32"}}, "header is not valid"),
    ({"values": 3}, "header is not valid"),
    (b"[]", "header is not valid"),
    (b'{"values": ' + b"[" * 100_000, "header is not valid"),
    (b'{"values": {}, "values": {}}', "a name stands twice"),
    (b"\xff\xfe", "header is not valid"),
    ({"values": entry()}, "there is no array 'lengths' of documents, but 'values'"),
]


@pytest.mark.parametrize(("header", "message"), HEADERS)
def test_headers_that_lie_are_told(folder, header, message):
    (folder / "manifest.json").unlink()
    raw_file(folder / "documents.safetensors", header, bytes(32))
    refuse(folder, message)


def test_a_header_without_end_is_not_read(folder):
    file = folder / "documents.safetensors"
    raw_file(file, b"{}", b"", length=1 << 62)
    refuse(folder, "is no safetensors file, or its end is missing")
    with file.open("wb") as stream:  # sparse: 8 GB of header that take no space
        stream.write(struct.pack("<Q", (8 << 30) - 8))
        stream.truncate(8 << 30)
    refuse(folder, "its header has 8,589,934,584 bytes, where 1,048,576 is the most")
    file.write_bytes(b"abc")
    refuse(folder, "is no safetensors file")


def test_pipes_links_and_folders_are_told_and_not_waited_for(folder, tmp_path):
    file = folder / "documents.safetensors"
    content = file.read_bytes()
    file.unlink()
    refuse(folder, r"has no documents.safetensors \(nor documents.values.npy\)")
    os.mkfifo(file)
    refuse(folder, "is no regular file", StorageError)
    file.unlink()
    file.mkdir()
    refuse(folder, "is no regular file", StorageError)
    file.rmdir()
    file.symlink_to(tmp_path / "nothing")
    refuse(folder, "cannot read .*documents.safetensors: No such file", StorageError)
    (tmp_path / "nothing").write_bytes(content)  # as snapshots of a hub are laid out
    assert load(folder).doc_ids == list(DOCUMENTS)
    for name in ("documents.jsonl", "manifest.json"):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        refuse(folder, f"{name} is no regular file", StorageError)
        (folder / name).unlink()
    refuse(tmp_path / "none", "there is no folder")


def test_a_manifest_that_does_not_hold_is_told(folder):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_bytes())
    for content, message in (
        ("{", "is not valid"),
        ("[]", "is not valid"),
        (json.dumps({**manifest, "format": 99}), "is of another format"),
        (json.dumps({**manifest, "documents": {}}), "was changed or damaged"),
    ):
        file.write_text(content, encoding="utf-8")
        refuse(folder, message, StorageError)


def test_the_same_side_twice_is_told(folder):
    values = np.concatenate(list(DOCUMENTS.values()))
    content = (folder / "documents.safetensors").read_bytes()
    npy(folder, values)
    (folder / "documents.safetensors").write_bytes(content)
    refuse(folder, "has both documents.safetensors and documents.values.npy")


def test_equal_contents_are_equal_bytes(tmp_path):
    digests = set()
    for name in "ab":
        made = write_vectors(tmp_path / name, DOCUMENTS, QUERIES, QRELS)
        files = sorted(path for path in made.rglob("*") if path.is_file())
        digests.add(hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest())
    assert len(digests) == 1
