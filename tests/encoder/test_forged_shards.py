"""Shards of the embedding cache whose manifest was sealed anew: what no shard holds is refused."""

import errno
import hashlib
import json
import os

import numpy as np
import pytest

from colbench.digests import json_digest, sha256_file
from colbench.encoder.cache.shards import Damaged, open_shard, write_shard
from colbench.errors import StorageUnavailable

FINGERPRINT = "f" * 64
KEYS = [hashlib.sha256(text).digest() for text in (b"a", b"b")]


@pytest.fixture
def shard(tmp_path):
    matrices = [np.ones((rows, 4), dtype=np.float16) for rows in (2, 3)]
    return write_shard(tmp_path, FINGERPRINT, KEYS, matrices, [2, 3], seconds=0.5)


def seal(folder, **changes):
    """Make all checksums of a shard right, with these keys of its manifest changed."""
    content = json.loads((folder / "manifest.json").read_bytes()) | changes
    content["sha256"] = {name: sha256_file(folder / name) for name in content["sha256"]}
    del content["self_sha256"]
    content["self_sha256"] = json_digest(content, spaced=True)
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_shard_that_is_sealed_as_it_was_is_read(shard):
    seal(shard.folder)
    found = open_shard(shard.folder, FINGERPRINT)
    found.verify_vectors()
    assert found.keys == KEYS and found.vectors().shape == (5, 4)


@pytest.mark.parametrize(
    "lengths",
    [[6, -1], [-2, 7], [2, 4], [5], [2, 3, 0], [2**62, 2**62], [2**63 - 1, 6], [[2, 3]], [2.0, 3]],
    ids=str,
)
def test_lengths_that_are_not_of_the_vectors_are_refused(lengths, shard):
    np.save(shard.folder / "lengths.npy", np.array(lengths))
    seal(shard.folder)
    with pytest.raises(Damaged, match=r"lengths\.npy"):
        open_shard(shard.folder, FINGERPRINT)


@pytest.mark.parametrize(
    "vectors",
    [
        np.ones((4, 4), np.float16),
        np.ones((5, 3), np.float16),
        np.ones((5, 4), np.float32),
        np.ones((5, 4), ">f2"),
        np.asfortranarray(np.ones((5, 4), np.float16)),
        np.ones(20, np.float16),
        np.full((5, 4), None),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_other_vectors_than_the_manifest_says_are_refused(vectors, shard):
    np.save(shard.folder / "vectors.npy", vectors, allow_pickle=True)
    seal(shard.folder)
    with pytest.raises(Damaged, match=r"vectors\.npy"):
        open_shard(shard.folder, FINGERPRINT)


@pytest.mark.parametrize(
    "changes",
    [
        *({"vectors": 6}, {"documents": 1}, {"documents": None}, {"dims": -4}, {"dims": 1 << 62}),
        *({"dtype": "O"}, {"dtype": 7}, {"dtype": "float64"}, {"dtype": "("}, {"seconds": 1e999}),
    ],
    ids=str,
)
def test_a_manifest_of_other_arrays_is_refused(changes, shard):
    seal(shard.folder, **changes)
    with pytest.raises(Damaged):
        open_shard(shard.folder, FINGERPRINT)


@pytest.mark.parametrize("name", ["manifest.json", "keys.npy", "tokens.npy", "vectors.npy"])
def test_a_pipe_a_link_and_a_device_are_refused_and_not_read(name, shard, tmp_path):
    (shard.folder / name).rename(tmp_path / "moved")
    ways = (os.mkfifo, lambda file: file.symlink_to(tmp_path / "moved"))
    for make in (*ways, lambda file: file.symlink_to("/dev/zero")):
        make(shard.folder / name)
        with pytest.raises(Damaged, match=name):
            open_shard(shard.folder, FINGERPRINT)
        (shard.folder / name).unlink()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES, errno.ENOMEM])
@pytest.mark.parametrize("name", ["manifest.json", "lengths.npy", "vectors.npy"])
def test_a_shard_that_cannot_be_read_now_is_not_damaged(code, name, shard, monkeypatch):
    real = os.open

    def refusing(path, *arguments, **options):
        if os.fsdecode(path).endswith(name):
            raise OSError(code, os.strerror(code))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(StorageUnavailable, match=os.strerror(code)):
        open_shard(shard.folder, FINGERPRINT)
