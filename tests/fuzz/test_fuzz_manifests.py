"""What is kept on disk between runs, and what comes with a model: read as written, or refused."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from mangling import altered, either, json_bytes, raw
from trying import READ, answer, fuzz

from colbench.encoder.cache.inventory import list_entries
from colbench.encoder.cache.shards import Damaged, Foreign, open_shard, write_shard
from colbench.encoder.loading.checkpoint import Kind, detect_kind
from colbench.encoder.loading.references import foreign_code
from colbench.index.colbert.index import ColbertIndex
from colbench.index.colbert.manifest import (
    CODEC,
    SEGMENT_FILES,
    FileEntry,
    Manifest,
    SegmentEntry,
    read_manifest,
    write_manifest,
)
from colbench.index.colbert.settings import IndexSettings
from colbench.results.checksummed import read_checksummed, write_checksummed

INDEX, SHARD = "manifest of an index", "shard of the embedding cache"
CHECKPOINT, SEALED = "JSON of a checkpoint", "JSON with a checksum"

EMPTY = hashlib.sha256(b"").hexdigest()
MANIFEST = Manifest(
    encoder="e" * 64,
    encoder_dims=8,
    dims=8,
    centroids=16,
    settings=IndexSettings(),
    codec=[FileEntry(path=f"{name}.npy", bytes=0, sha256=EMPTY) for name in CODEC[:2]],
    segments=[
        SegmentEntry(
            name="segment-000001",
            documents=2,
            tokens=5,
            files=[
                FileEntry(path=f"segment-000001/{name}", bytes=0, sha256=EMPTY)
                for name in SEGMENT_FILES
            ],
        )
    ],
)
CHECKPOINTS = {
    "config_sentence_transformers.json": {"model_type": "ColBERT", "query_prefix": "[Q] "},
    "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "pylate.models.Dense"}],
    "config.json": {"architectures": ["HF_ColBERT"], "auto_map": {"AutoModel": "a/b--c.D"}},
}


def check_damaged(path, data, read, loader, whole):
    path.write_bytes(data.draw(raw(st.just(path.read_bytes()))))
    found = answer(loader, read, path.parent)
    assert found is None or found == whole


@fuzz(INDEX, data=st.data())
def test_a_damaged_manifest_is_refused(tmp_path, data):
    write_manifest(tmp_path, MANIFEST)
    whole, path = read_manifest(tmp_path), tmp_path / "index.json"
    check_damaged(path, data, lambda: read_manifest(tmp_path), INDEX, whole)


@fuzz(INDEX, tree=altered(MANIFEST.model_dump(mode="json", exclude={"checksum"})))
def test_a_manifest_with_wrong_values_is_refused_or_survives_the_disk(tmp_path, tree):
    if isinstance(tree, dict):
        rest = {key: value for key, value in tree.items() if key != "checksum"}
        digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        tree = {**rest, "checksum": digest}
    path = tmp_path / "index.json"
    # Its checksum is of ASCII text, so one of half a surrogate pair fits; no writer leaves that.
    assume("\\ud" not in json.dumps(tree))
    path.write_bytes(json_bytes(tree))
    found = answer(INDEX, lambda: read_manifest(tmp_path), tmp_path)
    if found is not None:
        answer(INDEX, lambda: ColbertIndex.open(tmp_path), tmp_path)
        write_manifest(tmp_path, found)
        assert read_manifest(tmp_path) == found


@fuzz(SEALED, data=st.data())
def test_a_damaged_file_with_a_checksum_is_refused(tmp_path, data):
    content = {"key": "a", "value": [1, 0.5, None, {"é": "\u2028"}], "n": 2**70}
    path = tmp_path / "part.json"
    write_checksummed(path, content)

    def read():
        return read_checksummed(path, what="a part", renew="run again")

    check_damaged(path, data, read, SEALED, content)


@fuzz(
    SHARD,
    name=st.sampled_from(["manifest.json", "keys.npy", "lengths.npy"]),
    wrong=st.booleans(),
    data=st.data(),
)
def test_a_damaged_shard_is_refused(tmp_path, name, wrong, data):
    for old in tmp_path.iterdir():
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    keys = [hashlib.sha256(text).digest() for text in (b"a", b"b")]
    matrices = [np.ones((rows, 4), dtype=np.float16) for rows in (2, 3)]
    shard = write_shard(tmp_path, "f" * 64, keys, matrices, [1] * len(keys), seconds=0.5)
    path = shard.folder / name
    if wrong and name == "manifest.json":
        tree = data.draw(altered(json.loads(path.read_bytes())))
        if isinstance(tree, dict):
            rest = {key: value for key, value in tree.items() if key != "self_sha256"}
            digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
            tree = {**rest, "self_sha256": digest}
        path.write_bytes(json_bytes(tree))
    else:
        path.write_bytes(data.draw(raw(st.just(path.read_bytes()))))
    try:
        found = open_shard(shard.folder, "f" * 64)
    except (Damaged, Foreign):
        return
    READ[SHARD] += 1
    assert found.keys == keys and found.lengths.tolist() == [2, 3]
    if not wrong:
        assert (found.dims, found.dtype, found.seconds) == (4, np.float16, 0.5)


@fuzz(SHARD, content=raw(st.just(b'{"name": "a", "model": "b", "form": "tokens"}')))
def test_a_damaged_description_of_a_cache_is_no_obstacle(tmp_path, content):
    folder = tmp_path / ("a" * 64)
    folder.mkdir(exist_ok=True)
    (folder / "space.json").write_bytes(content)
    (entry,) = list_entries(tmp_path)
    assert entry.documents == 0


@fuzz(CHECKPOINT, name=st.sampled_from(list(CHECKPOINTS)), data=st.data())
def test_a_damaged_checkpoint_is_refused_or_of_a_kind(tmp_path, name, data):
    for file, value in CHECKPOINTS.items():
        (tmp_path / file).write_bytes(json_bytes(value))
    if data.draw(st.booleans()):
        (tmp_path / "config_sentence_transformers.json").unlink(missing_ok=True)
    value = CHECKPOINTS[name]
    content = data.draw(either(raw(st.just(json_bytes(value))), altered(value).map(json_bytes)))
    (tmp_path / name).write_bytes(content)
    kind = answer(CHECKPOINT, lambda: detect_kind(tmp_path), tmp_path)
    assert kind is None or isinstance(kind, Kind)
    answer(CHECKPOINT, lambda: foreign_code(tmp_path), tmp_path)
