import os

import numpy as np
import pytest

from colbench.errors import StorageError
from colbench.index.tokens import TokenIndex, widen


def test_what_was_written_is_read_back_as_float16(tmp_path):
    rows = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    index = TokenIndex.write(tmp_path, np.array([3, 0, 4]), 4, [rows[:2], rows[2:]])
    assert (len(index), index.tokens, index.dims) == (3, 7, 4)
    np.testing.assert_array_equal(index.vectors, rows.astype(np.float16))
    gathered, offsets = index.gather([2, 1, 0])
    assert offsets.tolist() == [0, 4, 4, 7]
    np.testing.assert_array_equal(gathered, rows.astype(np.float16)[[3, 4, 5, 6, 0, 1, 2]])


def test_size_counts_every_file(tmp_path):
    index = TokenIndex.write(tmp_path, np.array([5]), 2, [np.ones((5, 2))])
    size = index.size()
    assert size.files == {"offsets.npy": 144, "vectors.f16": 20}
    assert (size.vectors, size.dims, size.bytes, size.fixed_bytes) == (5, 2, 164, 144)


def test_too_few_vectors_are_refused(tmp_path):
    with pytest.raises(ValueError, match="4 vectors were given for documents of 5 tokens"):
        TokenIndex.write(tmp_path, np.array([5]), 2, [np.ones((4, 2))])


def test_a_collection_without_any_token_opens(tmp_path):
    index = TokenIndex.write(tmp_path, np.array([0, 0]), 2, [])
    assert (len(index), index.tokens) == (2, 0)


@pytest.mark.parametrize(
    "offsets",
    [[0, 3, 2, 7], [1, 3, 7], [0, 3, -1, 7], [], [0, 3, 8], [0, 3, 2**62], [0, 3, 6]],
    ids=str,
)
def test_offsets_that_lead_elsewhere_are_refused(offsets, tmp_path):
    TokenIndex.write(tmp_path, np.array([3, 4]), 4, [np.ones((7, 4))])
    np.save(tmp_path / "offsets.npy", np.array(offsets, dtype=np.int64))
    with pytest.raises(StorageError, match="is damaged") as caught:
        TokenIndex.open(tmp_path, 4)
    assert "run again" in str(caught.value)


@pytest.mark.parametrize("name", ["offsets.npy", "vectors.f16"])
def test_a_file_that_is_missing_a_pipe_or_a_link_is_refused(name, tmp_path):
    TokenIndex.write(tmp_path, np.array([3, 4]), 4, [np.ones((7, 4))])
    (tmp_path / name).rename(tmp_path / "moved")
    for make in (lambda file: None, os.mkfifo, lambda file: file.symlink_to(tmp_path / "moved")):
        make(tmp_path / name)
        with pytest.raises(StorageError, match=f"{name} is damaged"):
            TokenIndex.open(tmp_path, 4)
        (tmp_path / name).unlink(missing_ok=True)


def test_int8_takes_a_byte_a_dimension_and_is_off_by_half_a_level_at_most(tmp_path):
    rows = np.random.default_rng(0).uniform(-1, 1, (7, 4)).astype(np.float32)
    rows[0] = [1, -1, 0, 1.5]
    index = TokenIndex.write(tmp_path, np.array([3, 4]), 4, [rows[:2], rows[2:]], "int8")
    assert index.size().files == {"offsets.npy": 152, "vectors.i8": 28}
    gathered, _ = index.gather([0, 1])
    assert gathered.dtype == np.int8
    values = widen(gathered)
    np.testing.assert_allclose(values, np.clip(rows, -1, 1), atol=0.5 / 127 + 1e-6)
    assert values[0].tolist() == [1, -1, 0, 1]
