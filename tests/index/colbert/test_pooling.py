"""Merging tokens beforehand gives the index that merging on the way gives."""

import json
import os

import numpy as np
import pytest
from synthetic import ENCODER, as_documents, contents, random_documents, unit

from colbench.digests import sha256_file
from colbench.errors import ConfigError, DataError, StorageUnavailable
from colbench.index.colbert.build import build_index
from colbench.index.colbert.documents import Block, Documents
from colbench.index.colbert.reduction import pool_documents, pool_tokens, pooled_before
from colbench.index.colbert.settings import IndexSettings

DIMS = 16


@pytest.fixture
def documents():
    rng = np.random.default_rng(0)
    return as_documents(random_documents(rng, 30, DIMS) | {"empty": unit(rng, 0, DIMS)}, DIMS)


def matrices(documents, most=7):
    parts = []
    for block in documents.blocks(most):
        parts += np.split(block.vectors, np.cumsum(block.lengths)[:-1])
    return parts


@pytest.mark.parametrize("factor", [2, 3])
def test_each_document_is_merged_as_it_is_alone(factor, documents, tmp_path):
    pooled = pool_documents(documents, factor, tmp_path / "pooled")
    assert (pooled.pooling, list(pooled.ids)) == (factor, list(documents.ids))
    for rows, found in zip(matrices(documents), matrices(pooled), strict=True):
        alone = Block(["it"], np.array([len(rows)]), rows)
        np.testing.assert_array_equal(found, pool_tokens(alone, factor).vectors)
    assert pooled.tokens < documents.tokens / (factor - 0.9)


def test_what_is_there_is_read_and_not_made_again(documents, tmp_path):
    first = pool_documents(documents, 2, tmp_path / "pooled")
    broken = Documents(documents.ids, documents.lengths, DIMS, lambda most: 1 / 0)
    again = pool_documents(broken, 2, tmp_path / "pooled")
    for one, other in zip(matrices(first), matrices(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_an_interrupted_call_left_is_not_taken_for_whole(documents, tmp_path):
    (tmp_path / "pooled.part").mkdir()
    (tmp_path / "pooled.part" / "lengths.npy").write_bytes(b"half")
    assert pool_documents(documents, 2, tmp_path / "pooled").tokens > 0
    assert [path.name for path in tmp_path.iterdir()] == ["pooled"]


def test_an_index_of_merged_documents_has_the_bytes_of_one_that_merges(documents, tmp_path):
    settings = IndexSettings(nbits=2, pooling=2, centroids=8)
    build_index(tmp_path / "on_the_way", documents, settings, encoder=ENCODER)
    pooled = pool_documents(documents, 2, tmp_path / "pooled")
    build_index(tmp_path / "before", pooled, settings, encoder=ENCODER)
    assert contents(tmp_path / "before") == contents(tmp_path / "on_the_way")
    assert not list((tmp_path / "on_the_way").glob("pooled*"))


def test_another_factor_than_the_settings_say_is_refused(documents, tmp_path):
    pooled = pool_documents(documents, 3, tmp_path / "pooled")
    with pytest.raises(ConfigError, match="pooling=2: tokens were merged by 3 already"):
        build_index(tmp_path / "index", pooled, IndexSettings(pooling=2), encoder=ENCODER)


def test_invalid_vectors_are_refused_before_they_are_merged(tmp_path):
    documents = Documents.of(["bad"], [np.full((4, DIMS), 3.0)], DIMS)
    with pytest.raises(DataError, match="'bad'"):
        pool_documents(documents, 2, tmp_path / "pooled")


@pytest.mark.parametrize(
    "lengths",
    [[2, 5, -1], [2, 5, 0], [6], [2**62, 2**62, 2**62], [[2, 2, 2]], [2.0, 2.0, 2.0]],
    ids=str,
)
def test_merged_tokens_of_lengths_that_there_are_not_are_merged_again(lengths, tmp_path):
    rng = np.random.default_rng(0)
    documents, folder = (
        as_documents({f"d{n}": unit(rng, 4, 8) for n in range(3)}, 8),
        tmp_path / "p",
    )
    pool_documents(documents, 2, folder)
    assert pooled_before(folder, documents)
    np.save(folder / "lengths.npy", np.array(lengths))
    sums = {name: sha256_file(folder / name) for name in ("vectors.npy", "lengths.npy")}
    (folder / "manifest.json").write_text(json.dumps(sums))
    assert not pooled_before(folder, documents)


def test_merged_tokens_that_cannot_be_read_now_are_not_merged_again(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    documents = as_documents({f"d{n}": unit(rng, 4, 8) for n in range(3)}, 8)
    pool_documents(documents, 2, tmp_path / "pooled")

    def refusing(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(StorageUnavailable, match="ulimit -n"):
        pooled_before(tmp_path / "pooled", documents)
